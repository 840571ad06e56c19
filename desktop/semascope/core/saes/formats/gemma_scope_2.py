"""Gemma Scope 2 (Gemma 3): `params.safetensors` with lower-case names, and `config.json`; several layers in `…_layers`.

    f = max(p, 0) where p > threshold, p = x w_enc + b_enc          x̂ = f w_dec + b_dec (+ x affine_skip_connection)

JumpReLU SAEs and transcoders on raw activations, b_dec not subtracted; "affine" ones add x @ affine_skip_connection, stored
as (d_in, d_out). The hook points are module paths with a side; a folder that lost its config.json still says them by name.
"""

from __future__ import annotations

import re

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.gemma_scope_2_layers import FILE, architecture_problems, describe_layers
from semascope.core.saes.formats.layout import Family, Layout, Stored, check_widths, measure, stored_dtype
from semascope.core.saes.formats.multi import numbered
from semascope.core.saes.formats.torch_weights import last_match
from semascope.core.saes.hooks import Place, from_module_side, place_problems

CONFIG = "config.json"
WEIGHTS = "params.safetensors"

_TABLE = {
    "W_enc": Stored("w_enc", ("d_in", "m")),
    "b_enc": Stored("b_enc", ("m",)),
    "W_dec": Stored("w_dec", ("m", "d_out")),
    "b_dec": Stored("b_dec", ("d_out",)),
    "threshold": Stored("threshold", ("m",)),
}
_SKIP = Stored("affine_skip_connection", ("d_in", "d_out"))
_UNSAID = Place(
    None,
    "Without its config.json a Gemma Scope file does not say which layer and hook point it was made for: give it, "
    "for instance resid_post.12, or mlp_in.12 and mlp_out.12 for a transcoder.",
)

# From the name of a release's folder to where its dictionaries read and write.
_SITES = {
    "resid_post": ("model.layers.{}.output",) * 2,
    "attn_out": ("model.layers.{}.self_attn.o_proj.input",) * 2,
    "mlp_out": ("model.layers.{}.post_feedforward_layernorm.output",) * 2,
    "transcoder": (
        "model.layers.{}.pre_feedforward_layernorm.output",
        "model.layers.{}.post_feedforward_layernorm.output",
    ),
}


def recognise(folder: Folder) -> str:
    """Gemma Scope 2 by the tensors of its weights file, or of its first layer's."""
    several = numbered(folder.names, FILE)
    name = next(iter(several.values())) if several and folder.chosen != WEIGHTS else WEIGHTS
    if name not in folder.names:
        return ""
    wanted = {stored.name for stored in _TABLE.values()}
    return f"{name} with w_enc, w_dec and threshold" if folder.header(name).keys() >= wanted else ""


def describe(folder: Folder) -> Layout:
    """One SAE or transcoder of Gemma Scope 2, or one of several layers."""
    config = folder.json(CONFIG) if CONFIG in folder.names else Fields({}, CONFIG)
    several = numbered(folder.names, FILE)
    if several and folder.chosen != WEIGHTS:
        model = _said(config.text("model_name")) or _model(folder.path.as_posix())
        return describe_layers(folder, config, several, model, _masked(model))
    header = folder.header(WEIGHTS)
    path = folder.path.as_posix()
    named = re.search(r"/(resid_post|attn_out|mlp_out|transcoder)(?:_all)?/layer_(\d{1,3})_[^/]*$", path)
    kind = config.text("type") or ("transcoder" if named and named[1] == "transcoder" else "sae")
    if kind == "sae" and config.text("hf_hook_point_out") not in ("", config.text("hf_hook_point_in")):
        kind = "transcoder"  # what it reads and what it gives are two things, whatever it is called
    if kind not in ("sae", "transcoder"):
        raise UserError(f"This is a Gemma Scope 2 dictionary of the type “{kind[:40]}”, which is not read yet.")
    transcoder, skip = kind == "transcoder", _SKIP.name in header
    table = {**_TABLE, "W_skip": _SKIP} if skip else _TABLE
    lengths = measure(header, table, WEIGHTS)
    check_widths(lengths, WEIGHTS, may_differ=transcoder)
    model = _said(config.text("model_name")) or _model(path)
    read, given = _places(config, named, model)
    problems = [*place_problems(read, given), *architecture_problems(config)]
    if config.whole("width") not in (None, lengths["m"]):
        problems.append(f"{CONFIG} says width is {config.whole('width')}, but the tensors have {lengths['m']}.")
    if skip and not transcoder:
        problems.append("It has a skip connection, although its config.json does not call it a transcoder.")
    sae = SAEConfig(
        format="gemma_scope_2",
        architecture=architecture_name("jumprelu", transcoder=transcoder or skip, skip=skip),
        activation="jumprelu",
        d_in=lengths["d_in"],
        d_out=lengths["d_out"],
        d_sae=lengths["m"],
        kind="transcoder" if transcoder or skip else "sae",
        reads=read.hooks,
        writes=given.hooks,
        model_name=model,
        prepend_bos=True,
        mask_first=_masked(model),
        skip=skip,
        l0=config.number("l0", 0.0) if "l0" in config else None,
        dtype=stored_dtype(header, table),
        metadata=config.content,
        problems=tuple(problems),
    )
    files = [folder.file(name) for name in (CONFIG, WEIGHTS) if name in folder.names]
    return Layout(sae, folder.file(WEIGHTS), tuple(files), table)


FAMILY = Family(
    "gemma_scope_2",
    "Gemma Scope 2",
    recognise,
    describe,
    files=(CONFIG, WEIGHTS, "params_layer_*.safetensors"),
    releases=("google/gemma-scope-2-{270m,1b,4b,12b,27b}-{pt,it}",),
    rule="Told by params.safetensors with w_enc and w_dec, or params_layer_N.safetensors for crosscoders and cross-layer "
    "transcoders. Hook points are in config.json, or else in the folder's name; of chat models the first four positions "
    "are left out.",
)


def _places(config: Fields, named: re.Match[str] | None, model: str) -> tuple[Place, Place]:
    read, given = config.text("hf_hook_point_in"), config.text("hf_hook_point_out")
    if not read and named:
        read, given = (place.format(named[2]) for place in _SITES[named[1]])
    if not read:
        return _UNSAID, _UNSAID
    return from_module_side(read, model or "gemma-3"), from_module_side(given or read, model or "gemma-3")


def _masked(model: str) -> int:
    """How many positions its makers left out: a chat model's first four tokens open the user's turn in every context."""
    return 4 if model.endswith("-it") else 0


def _model(path: str) -> str:
    """The model by the repository's name in the path, the nearest one, or ""."""
    match = last_match(r"gemma[-_]scope[-_]2[-_](270m|1b|4b|12b|27b)[-_](pt|it)", path)
    return _said(f"google/gemma-3-{match[1]}-{match[2]}") if match else ""


def _said(model: str) -> str:
    """A model as its makers name it, by the name it is published under: "gemma-v3-270m-pt" is "google/gemma-3-270m"."""
    match = re.fullmatch(r"(?:google/)?gemma-v?3-(270m|1b|4b|12b|27b)-(pt|it)", model)
    if match is None:
        return model
    plain = match.group(1, 2) == ("270m", "pt")
    return f"google/gemma-3-{match[1]}{'' if plain else f'-{match[2]}'}"
