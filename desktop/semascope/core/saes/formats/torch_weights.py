"""PyTorch files as the families see them whose release is a folder of state dicts: which file is meant, which tensors it has.

A state dict may be wrapped (`state_dict.…`, or `_orig_mod.…` where it was saved from a compiled module), and a folder may
hold other files of PyTorch's besides; both are told by the tensors' names. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from semascope.core.errors import UserError
from semascope.core.foreign.folder import TORCH_FILES, Folder
from semascope.core.foreign.headers import TensorInfo
from semascope.core.saes.formats.layout import Stored, Table, natural, several

_MOST_LOOKED_AT = 1000
_WEIGHTS = (*TORCH_FILES, ".safetensors", ".npz", ".gguf", ".ckpt", ".h5")


class Found(NamedTuple):
    """A file that has the tensors a family looks for.

    Attributes:
        name: The file.
        prefix: What stands before the tensors' names there.
    """

    name: str
    prefix: str = ""


def files_with(folder: Folder, wanted: Collection[str], pattern: str = r".*") -> list[Found]:
    """The files of a folder (or the chosen one) that hold all tensors `wanted`, in order.

    Args:
        folder: Where.
        wanted: Names of tensors.
        pattern: What names of files look like, unless one was chosen.

    Raises:
        UserError: The one file that could be meant is damaged or refused.
    """
    found = ((name, prefix_of(header(folder, name), wanted)) for name in candidates(folder, pattern))
    return [Found(name, prefix) for name, prefix in found if prefix is not None]


def candidates(folder: Folder, pattern: str = r".*") -> list[str]:
    """The names of the PyTorch files that can be meant, in order."""
    if folder.chosen is not None and folder.chosen.endswith(TORCH_FILES):
        return [folder.chosen]
    names = [name for name in folder.names if name.endswith((".pt", ".pth")) and re.fullmatch(pattern, name)]
    return sorted(names, key=natural)[:_MOST_LOOKED_AT]


def header(folder: Folder, name: str) -> Mapping[str, TensorInfo]:
    """The tensors of a file; none where it can't be read and others may be meant, such as those of a model's folder."""
    try:
        return folder.header(name)
    except UserError:
        if folder.chosen == name or all(other == name or not other.endswith(_WEIGHTS) for other in folder.names):
            raise
        return {}


def prefix_of(names: Collection[str], wanted: Collection[str]) -> str | None:
    """What stands before every name of `wanted` in `names`; None where one of them is missing."""
    first = next(iter(wanted))
    prefixes = sorted((name.removesuffix(first) for name in names if name.endswith(first)), key=len)
    return next((prefix for prefix in prefixes if all(prefix + name in names for name in wanted)), None)


def one_of(folder: Folder, found: Iterable[Found]) -> Found:
    """The one file that is meant.

    Raises:
        UserError: It is one of several.
    """
    files = list(found)
    if len(files) > 1:
        raise several(folder, [file.name for file in files])
    return files[0]


def prefixed(table: Table, prefix: str) -> dict[str, Stored]:
    """A table whose tensors' names begin with `prefix` in the file."""
    return {ours: stored._replace(name=prefix + stored.name) for ours, stored in table.items()}


def turned_by_shape(table: Table, tensors: Mapping[str, TensorInfo]) -> dict[str, Stored]:
    """A table whose matrices are turned where the biases' lengths say that they lie the other way round.

    Where an SAE has as many features as its input has values, shapes say nothing, and the table's word holds.
    """
    shapes = {ours: tensors[stored.name].shape for ours, stored in table.items() if stored.name in tensors}
    lengths = {
        table[ours].axes[0]: shape[0] for ours, shape in shapes.items() if len(shape) == 1 == len(table[ours].axes)
    }
    turned = dict(table)
    for ours, stored in table.items():
        expected = tuple(lengths.get(axis) for axis in stored.axes)
        if len(expected) == 2 and None not in expected and shapes.get(ours) == expected[::-1] != expected:
            turned[ours] = stored._replace(axes=stored.axes[::-1])
    return turned


def last_match(pattern: str, text: str) -> re.Match[str] | None:
    """The last match, since the folders nearest a file know best."""
    matches = list(re.finditer(pattern, text))
    return matches[-1] if matches else None
