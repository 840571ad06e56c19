"""What families of several layers share: tables over many files, decoders of many places, the sentences that go with them.

Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.headers import TensorInfo
from semascope.core.models.hookpoint import HookPoint, Hooks
from semascope.core.saes.formats.layout import Stored, Table, measure
from semascope.core.saes.hooks import Place, from_transformer_lens, place_problems

if TYPE_CHECKING:
    from torch import Tensor

_MOST_LAYERS = 1000


def numbered(names: Sequence[str] | frozenset[str], pattern: str) -> dict[int, str]:
    """The files whose whole name matches, by the number in the pattern's one group, in order.

    Raises:
        UserError: There are more than any model has layers.
    """
    found = {int(match[1]): name for name in sorted(names) if (match := re.fullmatch(pattern, name))}
    if len(found) > _MOST_LAYERS:
        raise UserError(f"There are {len(found)} files of layers, more than any model has.")
    return dict(sorted(found.items()))


def without_gaps(files: Mapping[int, str], what: str) -> None:
    """See that no layer between the first, 0, and the last is missing.

    Raises:
        UserError: One is.
    """
    missing = sorted(set(range(max(files) + 1)) - set(files))
    if missing:
        raise UserError(f"{what} of layer {missing[0]} is missing.", "Copy the whole folder again.")


def measure_files(folder: Folder, table: Table) -> dict[str, int]:
    """The length of every axis named in a table over several files.

    Raises:
        UserError: See `measure`.
    """
    lengths: dict[str, int] = {}
    for file in dict.fromkeys(stored.file for stored in table.values()):
        part = {ours: stored for ours, stored in table.items() if stored.file == file}
        lengths = measure(folder.header(file), part, file, lengths)
    return lengths


def info(folder: Folder, stored: Stored) -> TensorInfo:
    """What the header of its file says about a tensor of a table that was measured."""
    return folder.header(stored.file)[stored.name]


def files_of(folder: Folder, table: Table, *others: str) -> tuple[Path, ...]:
    """The paths of a table's files, and of those `others` that are there: all that makes an SAE what it is."""
    names = dict.fromkeys([*(name for name in others if name in folder.names), *(s.file for s in table.values())])
    return tuple(folder.file(name) for name in names)


def largest(lengths: Mapping[str, int]) -> int:
    """The size of the largest encoder, by axes named "m.0", "m.1", …"""
    return max(length for axis, length in lengths.items() if axis == "m" or axis.startswith("m."))


def lens_places(name: str, layers: Sequence[int], model: str) -> tuple[Hooks, list[str]]:
    """The hook points of a TransformerLens name without its block, such as "mlp.hook_in", at some layers; and problems.

    A place that is none of ours is none at any layer, and is complained of once.
    """
    return together([from_transformer_lens(f"blocks.{layer}.{name}", model) for layer in layers])


def together(places: Sequence[Place]) -> tuple[Hooks, list[str]]:
    """Several places as the hook points of one dictionary, () unless all are known, and the first problem."""
    hooks = tuple(place.hook for place in places if place.hook is not None)
    return (hooks, []) if len(hooks) == len(places) else ((), place_problems(*places)[:1])


def numbering(size: int, encoders: int, hooks: Hooks) -> str:
    """How features are counted over several encoders."""
    layers = [hook.layer for hook in hooks] or list(range(encoders))
    example = min(1, encoders - 1)
    return (
        f"Its features are numbered layer by layer, {size:,} for each: those of layer {layers[example]} "
        f"begin at {example * size:,}."
    )


def steered_last(hook: HookPoint | None) -> str:
    """What steering does with features that are known only when everything has been read."""
    where = f", {hook}," if hook else ""
    return (
        "It reconstructs several places, each of which already contains what was written to those before it: "
        f"steering changes what a feature writes to the last{where} alone."
    )


def split_decoders(tensors: dict[str, Tensor]) -> None:
    """Take decoders W_dec.e of several places, shape (m, places written, d_out), apart into W_dec.e.w, as views.

    An encoder that writes to fewer places than there are writes to the last of them.
    """
    places = sum(name.startswith("b_dec.") for name in tensors)
    for name in [name for name, tensor in tensors.items() if name.startswith("W_dec.") and tensor.dim() == 3]:
        whole = tensors.pop(name)
        first = places - whole.shape[1]
        for at in range(whole.shape[1]):
            tensors[f"{name}.{first + at}"] = whole[:, at]
