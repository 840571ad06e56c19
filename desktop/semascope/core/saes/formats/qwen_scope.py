"""Qwen-Scope: `layer{N}.sae.pt` for every layer, and one `config.json` for all of them.

    p = x W_enc + b_enc,   f = the k largest p, whatever their sign,   x̂ = f W_dec + b_dec

on the raw output of each block; b_dec is not subtracted and nothing is rectified. The card of the release gives the encoder
alone; the decoder is read as everyone reads it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.models.hookpoint import SITES, HookPoint
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.layout import Family, Layout, Stored, Table, check_k, measure, stored_dtype
from semascope.core.saes.formats.said import said_number, said_text, said_whole
from semascope.core.saes.formats.torch_weights import (
    Found,
    candidates,
    last_match,
    one_of,
    prefix_of,
    prefixed,
    turned_by_shape,
)
from semascope.core.saes.hooks import Place, from_module, from_transformer_lens, place_problems

CONFIG = "config.json"
_MODEL_TYPE = "topk_sae"
_FILE = r"layer[-_]?(\d{1,4})\.sae\.pt"
_TABLE: Table = {
    "W_enc": Stored("W_enc", ("m", "d_in")),
    "b_enc": Stored("b_enc", ("m",)),
    "W_dec": Stored("W_dec", ("d_in", "m")),
    "b_dec": Stored("b_dec", ("d_in",)),
}


def recognise(folder: Folder) -> str:
    """Qwen-Scope by the names of its files, or by its settings beside one of another name."""
    names = _names(folder)
    return names[0] if names else ""


def members(folder: Folder) -> tuple[str, ...]:
    """One SAE for each layer."""
    return tuple(_names(folder))


def describe(folder: Folder) -> Layout:
    """The SAE of one layer of Qwen-Scope."""
    name = one_of(folder, [Found(name) for name in _names(folder)]).name
    header = folder.header(name)
    prefix = prefix_of(header, [stored.name for stored in _TABLE.values()]) or ""
    table = turned_by_shape(prefixed(_TABLE, prefix), header)
    lengths = measure(header, table, name)
    settings, home = _settings(folder)
    path = folder.path.as_posix()
    place = _place(settings, name, model := said_text(settings, "base_model") or _model_in(path))
    k = _k(settings, path, lengths["m"])
    sae = SAEConfig(
        format="qwen_scope",
        architecture="topk",
        activation="topk",
        d_in=lengths["d_in"],
        d_out=lengths["d_in"],
        d_sae=lengths["m"],
        reads=place.hooks,
        writes=place.hooks,
        model_name=model,
        prepend_bos=False,
        k=k,
        rectify=False,
        l0=float(k),
        dtype=stored_dtype(header, table),
        metadata=settings.content,
        notes=(
            "The k largest pre-activations are kept even where they are negative, as the release's card says.",
            "Qwen's tokenizer has no BOS, so none is put before a text.",
        ),
        problems=(*place_problems(place), *_problems(settings, lengths)),
    )
    file = folder.file(name)
    return Layout(sae, file, (file, *((home.file(CONFIG),) if home else ())), table)


FAMILY = Family(
    "qwen_scope",
    "Qwen-Scope",
    recognise,
    describe,
    files=("*.pt",),
    members=members,
    releases=(
        *(f"Qwen/SAE-Res-{model}-Base-W*-L0_*" for model in ("Qwen3-1.7B", "Qwen3-8B", "Qwen3-30B-A3B", "Qwen3.5-2B")),
        *(f"Qwen/SAE-Res-{model}-W*-L0_*" for model in ("Qwen3.5-9B-Base", "Qwen3.5-27B", "Qwen3.5-35B-A3B-Base")),
    ),
    rule=(
        "layer{N}.sae.pt. k stands in config.json or in the release's name (…-L0_50); the k largest are kept, negative ones"
        " too, and b_dec is not subtracted."
    ),
)


def _names(folder: Folder) -> list[str]:
    if folder.chosen is not None and _settings(folder)[0].content.get("model_type") == _MODEL_TYPE:
        return candidates(folder, _FILE)
    return [name for name in candidates(folder, _FILE) if re.fullmatch(_FILE, name)]


def _settings(folder: Folder) -> tuple[Fields, Folder | None]:
    """The settings of the release, beside its layers or above them, and their folder."""
    if CONFIG in folder.names:
        return folder.json(CONFIG), folder
    with contextlib.suppress(UserError):
        parent = Folder(folder.path.parent)
        above = parent.json(CONFIG)
        if above.content.get("model_type") == _MODEL_TYPE:
            return above, parent
    return Fields({}, CONFIG), None


def _k(settings: Fields, path: str, features: int) -> int:
    """How many features a token keeps: by the settings, or by the release's name."""
    said = said_whole(settings, "k") or said_whole(settings, "top_k")
    named = last_match(r"[-_]L0[-_](\d{1,6})(?=[^\d]|$)", path)
    if said is None and named is None:
        raise UserError(
            "This SAE of Qwen-Scope does not say how many features a token keeps.",
            f"Put the release's {CONFIG} beside it, or name its folder like the release, for instance …-W32K-L0_50.",
        )
    return check_k(said or int(named[1] if named else 0), features, CONFIG if said else "The folder's name")


def _place(settings: Fields, name: str, model: str) -> Place:
    """The hook point: the output of the block in the file's name, unless the settings name another place."""
    number = re.search(r"layer[-_]?(\d{1,4})", name)
    layer = int(number[1]) if number else said_whole(settings, "layer")
    if layer is None or layer > 9999:
        return Place(None, f"Its name, {name}, does not say which layer's hook point it was made for.")
    site = said_text(settings, "hook_point") or "resid_post"
    if site in SITES:
        return Place(HookPoint(site, layer))
    if site.startswith(("hook_", "blocks.")):
        return from_transformer_lens(site if "blocks." in site else f"blocks.{layer}.{site}", model)
    return from_module(site.replace("{}", str(layer)), "output", model)


def _model_in(path: str) -> str:
    """The model in the release's name: …/SAE-Res-Qwen3-1.7B-Base-W32K-L0_50/…"""
    match = last_match(r"SAE-Res-(Qwen[^/]*?)-W\d+K", path)
    return f"Qwen/{match[1]}" if match else ""


def _problems(settings: Fields, lengths: Mapping[str, int]) -> Iterator[str]:
    for key, axis in (("d_model", "d_in"), ("d_sae", "m")):
        if (said := said_number(settings, key)) not in (None, lengths[axis]):
            yield f"{CONFIG} says {key} is {said:g}, but the tensors have {lengths[axis]}."
