"""Where a dictionary of dictionary_learning reads: the names that its users give to places.

The library hooks into any module that it is handed and keeps a name for it, which is free: "resid_post_layer_3" in SAEBench,
"mlp_out_layer1" before, or the module's path. Without one it is the residual stream after the layer; folders are named alike.
"""

from __future__ import annotations

import re

from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.formats.said import said_text, said_whole
from semascope.core.saes.hooks import NOWHERE, Place, from_module, from_transformer_lens

_LABEL = re.compile(
    r"(resid_pre|resid_mid|resid(?:_post|_out)?|attention|attn(?:_out)?|mlp(?:_out)?)_?(?:layer_?)?(\d{1,3})?"
)
_STREAM = {"resid_pre": "resid_pre", "resid_mid": "resid_mid"}


def places(trainer: Fields, buffer: Fields, folder: Folder, model: str) -> tuple[Place, Place]:
    """Where it reads and writes: by submodule_name, by the folders' names, by the layer alone."""
    io = said_text(buffer, "io")
    layer = said_whole(trainer, "layer")
    names = [said_text(trainer, "submodule_name"), *reversed(folder.path.parts[-6:])]
    for at, name in enumerate(names):
        sides = (
            ("input", "output") if io == "in_and_out" else ("input", "input") if io == "in" else ("output", "output")
        )
        read, given = (_place(name, layer if at == 0 else None, side, model) for side in sides)
        if read.hook or (at == 0 and read.problem and name):
            return read, given
    if layer is None or layer > 9999:
        return NOWHERE, NOWHERE
    place = Place(HookPoint("resid_post", layer))
    return place, place


def _place(name: str, layer: int | None, side: str, model: str) -> Place:
    """The hook point of a name that the library's users give ("resid_post_layer_3"), or of a module's path."""
    if name.startswith("blocks."):
        return from_transformer_lens(name, model)
    if "." in name:
        return from_module(name, side, model)
    if name == "embed":
        return from_module("embed_tokens", "output", model)
    match = _LABEL.fullmatch(name)
    number = int(match[2]) if match and match[2] else layer
    if match is None or number is None:
        return Place(None, f"Its hook point “{name[:80]}” is not known." if name else "")
    if match[1].startswith("resid"):
        return Place(HookPoint(_STREAM.get(match[1], "resid_post"), number))
    return from_module(f"layers.{number}.{'mlp' if match[1].startswith('mlp') else 'self_attn'}", side, model)
