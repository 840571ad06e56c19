"""A state dict NAME.pt beside NAME_cfg.json: Kissane's and Krzyzanowski's attention SAEs of GPT-2, and Nanda's before them.

    f = relu((x − b_dec) W_enc + b_enc),   x̂ = f W_dec + b_dec

act_name is TransformerLens' name for the place; at hook_z x is all heads side by side ("Hcat"), or one of them ("H5"). The
model was loaded with TransformerLens' default processing, by the authors' own notebooks; the files do not say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.layout import Family, Layout, Stored, Table, measure, natural, stored_dtype
from semascope.core.saes.formats.said import said_number, said_text, said_whole
from semascope.core.saes.formats.torch_weights import Found, header, one_of, prefix_of, prefixed, turned_by_shape
from semascope.core.saes.hooks import NOWHERE, Place, from_transformer_lens, place_problems

_SETTINGS = "_cfg.json"
_TABLE: Table = {
    "W_enc": Stored("W_enc", ("d_in", "m")),
    "b_enc": Stored("b_enc", ("m",)),
    "W_dec": Stored("W_dec", ("m", "d_in")),
    "b_dec": Stored("b_dec", ("d_in",)),
}
_SHORT = {"z": "attn.hook_z", "post": "mlp.hook_post", "pre": "mlp.hook_pre", "q": "attn.hook_q"} | {
    site: f"hook_{site}" for site in ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
}
"""TransformerLens' short names of places, which `site` is one of."""


_NAMED = re.compile(rf"(?P<model>.+?)_L(?P<layer>\d{{1,3}})_H(?:cat|\d{{1,3}})_(?P<site>{'|'.join(_SHORT)})(?:_|\.|$)")
"""How the releases name their files: gpt2-small_L5_Hcat_z_lr1.20e-03_…"""


def recognise(folder: Folder) -> str:
    """A state dict and settings of the same name, or a name that says the settings."""
    found = _files(folder)
    if not found:
        return ""
    settings = _settings_name(found[0].name)
    return f"{found[0].name} and {settings}" if settings in folder.names else found[0].name


def members(folder: Folder) -> tuple[str, ...]:
    """Every pair of files."""
    return tuple(file.name for file in _files(folder))


def describe(folder: Folder) -> Layout:
    """One SAE of the pair of files."""
    name, prefix = one_of(folder, _files(folder))
    tensors = folder.header(name)
    table = turned_by_shape(prefixed(_TABLE, prefix), tensors)
    lengths = measure(tensors, table, name)
    beside = _settings_name(name) in folder.names
    settings = folder.json(_settings_name(name)) if beside else _named(name)
    model = said_text(settings, "model_name") or _model_in(name)
    place = _place(settings, model)
    z = place.hook is not None and place.hook.site == "attn_z"
    head = _head(settings, name) if z else None
    sae = SAEConfig(
        format="ckkissane",
        architecture="standard",
        activation="relu",
        d_in=lengths["d_in"],
        d_out=lengths["d_in"],
        d_sae=lengths["m"],
        reads=place.hooks,
        writes=place.hooks,
        model_name=model,
        processing="folded",
        apply_b_dec_to_input=True,
        heads=z and head is None,
        head=head,
        dtype=stored_dtype(tensors, table),
        metadata=settings.content,
        notes=tuple(_notes(head)),
        problems=(*place_problems(place), *_problems(settings, lengths, _settings_name(name))),
    )
    path = folder.file(name)
    return Layout(sae, path, (*((folder.file(_settings_name(name)),) if beside else ()), path), table)


FAMILY = Family(
    "ckkissane",
    "attention SAEs of ckkissane",
    recognise,
    describe,
    files=("*.pt", "*" + _SETTINGS),
    members=members,
    releases=(
        "ckkissane/attn-saes-gpt2-small-all-layers",
        "ckkissane/tinystories-1M-SAES",
        "NeelNanda/sparse_autoencoder",
    ),
    rule=(
        "NAME.pt beside NAME_cfg.json with act_name. Activations are taken as TransformerLens gives them by default, centred"
        " and hook_z without its value biases, which is an assumption."
    ),
)


def _named(name: str) -> Fields:
    """The settings that a file's name says, for one that lost those beside it."""
    match = _NAMED.match(name)
    site = match["site"] if match else ""
    return Fields({"layer": int(match["layer"]), "site": site, "model_name": match["model"]} if match else {}, name)


def _settings_name(name: str) -> str:
    return name.removesuffix(".pt") + _SETTINGS


def _files(folder: Folder) -> list[Found]:
    chosen = folder.chosen.removesuffix(_SETTINGS).removesuffix(".pt") if folder.chosen else ""
    stems = [chosen] if chosen else [name.removesuffix(".pt") for name in folder.names if name.endswith(".pt")]
    wanted = [stored.name for stored in _TABLE.values()]
    pairs = [stem for stem in sorted(stems, key=natural) if stem + _SETTINGS in folder.names or _NAMED.match(stem)]
    names = [f"{stem}.pt" for stem in pairs if f"{stem}.pt" in folder.names]
    found = ((name, prefix_of(header(folder, name), wanted)) for name in names)
    return [Found(name, prefix) for name, prefix in found if prefix is not None]


def _place(settings: Fields, model: str) -> Place:
    name, layer, site = said_text(settings, "act_name"), said_whole(settings, "layer"), said_text(settings, "site")
    if not name and layer is not None and site:
        name = f"blocks.{layer}.{_SHORT.get(site, site)}"
    return from_transformer_lens(name, model) if name else NOWHERE


def _head(settings: Fields, name: str) -> int | None:
    """The one head it reads, of hook_z; by its settings or by "_H5_" in its name."""
    named = re.search(r"_H(\d{1,3})_", name)
    return int(named[1]) if named else said_whole(settings, "head")


def _model_in(name: str) -> str:
    match = re.match(r"(.+?)_L\d+_", name)
    return match[1] if match else ""


def _notes(head: int | None) -> Iterator[str]:
    yield (
        "Its files don't say how the model was loaded; TransformerLens' default processing is assumed, as its authors' notebooks"
        " have it: centred, and hook_z without its value biases."
    )
    if head is not None:
        yield f"It reads head {head} alone."


def _problems(settings: Fields, lengths: Mapping[str, int], source: str) -> Iterator[str]:
    for key, axis in (("act_size", "d_in"), ("dict_size", "m")):
        if (said := said_number(settings, key)) not in (None, lengths[axis]):
            yield f"{source} says {key} is {said:g}, but the tensors have {lengths[axis]}."
