"""Gemma Scope 1 (Gemma 2): one `params.npz`, and everything else in the names of the folders above it.

    f = max(p, 0) where p > threshold, p = x W_enc + b_enc          x̂ = f W_dec + b_dec

A JumpReLU SAE on raw activations, b_dec not subtracted. Which site, layer and model it was made for, only the path says:
…/gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_82/params.npz. A transcoder reads the MLP's input before the norm's gain.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from semascope.core.foreign.folder import Folder
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.layout import Family, Layout, Stored, check_widths, measure, stored_dtype
from semascope.core.saes.hooks import Place, from_transformer_lens, place_problems

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "params.npz"

_TABLE = {
    "W_enc": Stored("W_enc", ("d_in", "m")),
    "b_enc": Stored("b_enc", ("m",)),
    "W_dec": Stored("W_dec", ("m", "d_out")),
    "b_dec": Stored("b_dec", ("d_out",)),
    "threshold": Stored("threshold", ("m",)),
}
_EMBEDDING = (
    "It was trained on token embeddings before Gemma multiplies them by √d; its encoder and decoder are scaled so that it "
    "reads and writes what flows into the first block; b_dec keeps its scale, as in SAELens' reading."
)
_SITES = {"res": "resid_post", "mlp": "mlp_out", "att": "attn_z"}
_WIDTHS = {2304: "2B's", 3584: "9B's", 4608: "27B's"}
"""Of the residual stream of Gemma 2's models."""
_HEADS = (2048, 4096)  # the widths of attention's outputs in 2B and 9B


def recognise(folder: Folder) -> str:
    """Gemma Scope 1 by the arrays of its one file."""
    if WEIGHTS not in folder.names:
        return ""
    return f"{WEIGHTS} with its five arrays" if folder.header(WEIGHTS).keys() >= _TABLE.keys() else ""


def describe(folder: Folder) -> Layout:
    """One SAE or transcoder of Gemma Scope 1."""
    header = folder.header(WEIGHTS)
    lengths = measure(header, _TABLE, WEIGHTS)
    path = folder.path.as_posix().lower().replace("_", "-")
    repository = _last(r"gemma-scope-(2b|9b|27b)-(pt|it)-(res|mlp|att|transcoders)", path)
    if repository:
        size, tuning, kind = repository.groups()
    else:  # circuit-tracer's selection of the 2B's transcoders goes without a size
        size, tuning, kind = ("2b", "pt", "transcoders") if _last(r"/gemma-scope-transcoders/", path) else ("", "", "")
    model = f"google/gemma-2-{size}{'-it' if tuning == 'it' else ''}" if size else ""
    layer = _last(r"/layer-(\d{1,3})(?:/|$)", path)
    embedding = layer is None and _last(r"/embedding(?:/|$)", path) is not None
    transcoder = kind == "transcoders"
    check_widths(lengths, WEIGHTS, may_differ=transcoder)
    read, given = _places(kind, int(layer[1]) if layer else None, embedding, model, lengths["d_in"])
    advertised = _last(r"average-l0-(\d{1,6})", path)
    sae = SAEConfig(
        format="gemma_scope_1",
        architecture="jumprelu_transcoder" if transcoder else "jumprelu",
        activation="jumprelu",
        d_in=lengths["d_in"],
        d_out=lengths["d_out"],
        d_sae=lengths["m"],
        kind="transcoder" if transcoder else "sae",
        reads=read.hooks,
        writes=given.hooks,
        model_name=model,
        prepend_bos=True,
        dtype=stored_dtype(header, _TABLE),
        l0=float(advertised[1]) if advertised else None,
        notes=(_EMBEDDING,) if embedding else (),
        problems=tuple(place_problems(read, given)),
    )
    file = folder.file(WEIGHTS)
    return Layout(sae, file, (file,), _TABLE, _scale_embedding if embedding else None)


FAMILY = Family(
    "gemma_scope_1",
    "Gemma Scope 1",
    recognise,
    describe,
    files=(WEIGHTS,),
    releases=(
        "google/gemma-scope-{2b-pt,9b-pt,9b-it,27b-pt}-{res,mlp,att}",
        "google/gemma-scope-2b-pt-transcoders",
        "mntss/gemma-scope-transcoders",
    ),
    rule="Told by params.npz with its five arrays. Model, layer and hook point are only in the names of the folders above "
    "it, as they were published: a params.npz by itself asks for them.",
)


def _places(kind: str, layer: int | None, embedding: bool, model: str, width: int) -> tuple[Place, Place]:
    if embedding:
        place = from_transformer_lens("hook_embed", model or "gemma-2")
        return place, place
    if not kind or layer is None:
        unsaid = Place(None, _unsaid(kind, layer, width))
        return unsaid, unsaid
    if kind == "transcoders":
        read = from_transformer_lens(f"blocks.{layer}.ln2.hook_normalized", model)
        return read, Place(HookPoint("mlp_out", layer))
    place = Place(HookPoint(_SITES[kind], layer))
    return place, place


def _unsaid(kind: str, layer: int | None, width: int) -> str:
    """What the names of the folders leave open, and what to give."""
    site = "mlp_norm" if kind == "transcoders" else _SITES.get(kind, "attn_z" if width in _HEADS else "resid_post")
    missing = "layer and hook point" if not kind and layer is None else "layer" if kind else "hook point"
    like = f" Its width is that of Gemma 2 {_WIDTHS[width]} residual stream." if width in _WIDTHS else ""
    return (
        f"A Gemma Scope file does not say which {missing} it was made for, only the names of its folders do: "
        f"give its hook point, for instance {site}.{12 if layer is None else layer}.{like}"
    )


def _scale_embedding(tensors: dict[str, Tensor]) -> None:
    """Embedding SAEs were trained before Gemma's factor √d, which `resid_pre.0` includes.

    b_dec keeps its scale, as in SAELens' reading of the release, whose x̂ is the reference; directions don't depend on it.
    """
    root = tensors["W_enc"].shape[0] ** 0.5
    tensors["W_enc"] = tensors["W_enc"] / root
    tensors["W_dec"] = tensors["W_dec"] * root


def _last(pattern: str, text: str) -> re.Match[str] | None:
    """The last match, since the folders nearest the file know best."""
    matches = list(re.finditer(pattern, text))
    return matches[-1] if matches else None
