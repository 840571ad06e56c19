"""Gemma Scope 2 (Gemma 3), several layers: cross-layer transcoders and crosscoders, a `params_layer_{i}.safetensors` each.

    f_i = JumpReLU(x_i w_enc + b_enc)          x̂_w = b_dec_w + Σ_i f_i w_dec_i[:, w] (+ x_w affine_skip_connection)

File i belongs to the i-th place of the list in `config.json`: "model.layers.{all}.…" of a cross-layer transcoder,
"model.layers.{5,9,12,15}.output" of a crosscoder, which is of the same make: each of its encoders reads one place. The axis
w of a decoder counts places from the first; there is a script that counts them from the encoder's own, and what is empty
tells which is meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.headers import FLOATS
from semascope.core.models.hookpoint import Hooks
from semascope.core.saes.config import Kind, SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.layout import Layout, Stored
from semascope.core.saes.formats.multi import (
    files_of,
    info,
    largest,
    measure_files,
    numbering,
    split_decoders,
    steered_last,
    together,
    without_gaps,
)
from semascope.core.saes.formats.torch_weights import last_match
from semascope.core.saes.hooks import from_module_side

if TYPE_CHECKING:
    from torch import Tensor

FILE = r"params_layer_(\d{1,4})\.safetensors"

_KINDS: dict[str, Kind] = {"clt": "cross_layer_transcoder", "crosscoder": "crosscoder"}
_SITES = {
    "clt": (
        "model.layers.{all}.pre_feedforward_layernorm.output",
        "model.layers.{all}.post_feedforward_layernorm.output",
    ),
    "crosscoder": ("model.layers.{%s}.output",) * 2,
}
_SAMPLE = 1 << 24  # numbers of a decoder that are looked at: of a small one all
_EMPTY = 1e-6  # of the largest value: what was masked in training is zero


def describe_layers(folder: Folder, config: Fields, files: Mapping[int, str], model: str, mask_first: int) -> Layout:
    """A cross-layer transcoder or crosscoder from its layers' files."""
    without_gaps(files, "The file")
    skip = "affine_skip_connection" in folder.header(files[0])
    table: dict[str, Stored] = {}
    for at, file in files.items():
        m = f"m.{at}"
        table |= {
            f"W_enc.{at}": Stored("w_enc", ("d_in", m), file),
            f"b_enc.{at}": Stored("b_enc", (m,), file),
            f"threshold.{at}": Stored("threshold", (m,), file),
            f"W_dec.{at}": Stored("w_dec", (m, "places", "d_out"), file),
            f"b_dec.{at}": Stored("b_dec", ("d_out",), file),
        }
        if skip:
            table[f"W_skip.{at}"] = Stored("affine_skip_connection", ("d_in", "d_out"), file)
    lengths = measure_files(folder, table)
    if lengths["places"] != len(files):
        raise UserError(
            f"Its features write to {lengths['places']} layers, but there are files of {len(files)}.",
            "Copy the whole folder again.",
        )
    path = folder.path.as_posix()
    said = config.text("type") or _type(path)
    if said and said not in _KINDS:
        raise UserError(f"This is a Gemma Scope 2 dictionary of the type “{said[:40]}”, which is not known.")
    kind = _KINDS.get(said, "cross_layer_transcoder")
    reads, writes, problems = _places(config, said, path, len(files), model)
    notes = [numbering(largest(lengths), len(files), reads)]
    if kind == "crosscoder":
        notes.append(steered_last(writes[-1] if writes else None))
    sae = SAEConfig(
        format="gemma_scope_2",
        architecture=architecture_name("jumprelu", kind=kind, skip=skip),
        activation="jumprelu",
        d_in=lengths["d_in"],
        d_out=lengths["d_out"],
        d_sae=largest(lengths),
        kind=kind,
        encoders=len(files),
        places=len(files),
        reads=reads,
        writes=writes,
        model_name=model,
        prepend_bos=True,
        mask_first=mask_first,
        skip=skip,
        l0=config.number("l0", 0.0) if "l0" in config else None,
        dtype=FLOATS[info(folder, table["W_dec.0"]).dtype],
        metadata=config.content,
        notes=tuple(notes),
        problems=(*problems, *architecture_problems(config)),
    )
    return Layout(
        sae, folder.file(files[0]), files_of(folder, table, config.source), table, arrange_decoders, views=True
    )


def architecture_problems(config: Fields) -> list[str]:
    """What is wrong with the architecture that the settings name: every dictionary of the release is a JumpReLU."""
    said = config.text("architecture")
    if said.replace("_", "").lower() in ("", "jumprelu"):
        return []
    return [
        f"{config.source} names the architecture “{said[:40]}”; it is read as a JumpReLU, as all of Gemma Scope 2 are."
    ]


def _type(path: str) -> str:
    """The type by the folders' names, or ""."""
    named = last_match(r"/(?:(crosscoder)(?:_[^/]*)?(?=/)|(layer)_\d+(?:_\d+)+_width|clt(?:_[^/]*)?(?=/|$))", path)
    return "" if named is None else "crosscoder" if named[1] or named[2] else "clt"


def _places(config: Fields, said: str, path: str, count: int, model: str) -> tuple[Hooks, Hooks, list[str]]:
    """Where it reads and writes, and what is wrong with that."""
    read, given = config.text("hf_hook_point_in"), config.text("hf_hook_point_out")
    if not read and said == "clt":
        read, given = _SITES["clt"]
    elif not read and (named := re.search(r"/layer_(\d+(?:_\d+)+)_width[^/]*$", path)):
        read = given = _SITES["crosscoder"][0] % named[1].replace("_", ",")
    if not read:
        return (), (), [
            "Without its config.json it does not say at which hook points it reads and writes: give them, "
            f"one for each of its {count} files, for instance mlp_in.0-{count - 1} and mlp_out.0-{count - 1}."
        ]  # fmt: skip
    reads, problems = _each(read, count, model)
    writes, more = _each(given or read, count, model)
    return reads, writes, list(dict.fromkeys([*problems, *more]))


def _each(name: str, count: int, model: str) -> tuple[Hooks, list[str]]:
    """The hook points of a name with a list of layers in braces, one for each file."""
    match = re.fullmatch(r"([^{}]*)\{([^{}]*)\}([^{}]*)", name)
    if match is None:
        return (), [f"Its hook point “{name[:80]}” names no list of layers."]
    layers = [str(layer) for layer in range(count)] if match[2] == "all" else re.split(r"\s*,\s*", match[2].strip())
    if len(layers) != count:
        return (), [f"Its hook point “{name[:80]}” names {len(layers)} layers, but there are files of {count}."]
    return together([from_module_side(f"{match[1]}{layer}{match[3]}", model or "gemma-3") for layer in layers])


def arrange_decoders(tensors: dict[str, Tensor]) -> None:
    """Take every decoder apart by the place it writes to, and leave out the places before its encoder where it is empty."""
    decoders = {int(name[6:]): tensor for name, tensor in tensors.items() if name.startswith("W_dec.")}
    count = len(decoders)
    before = [_is_empty(decoder[:, :at], decoder) for at, decoder in decoders.items() if at]
    behind = [_is_empty(decoder[:, count - at :], decoder) for at, decoder in decoders.items() if at]
    relative = all(behind) and not all(before)
    for at, decoder in decoders.items():
        if relative:
            tensors[f"W_dec.{at}"] = decoder[:, : count - at]
        elif all(before):
            tensors[f"W_dec.{at}"] = decoder[:, at:]
    split_decoders(tensors)


def _is_empty(part: Tensor, whole: Tensor) -> bool:
    """Whether there is nothing in a part of a decoder; of a large one, in some of its rows."""
    step = max(1, whole.numel() // _SAMPLE)
    return float(part[::step].abs().amax()) <= _EMPTY * float(whole[::step].abs().amax())
