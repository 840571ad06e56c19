"""ViT-Prisma (CLIP, DINO and other image models): `config.json` and a state dict, `weights.pt` or `n_images_{n}.pt`.

    f = act((n(x) − b_dec) W_enc + b_enc),   x̂ = n⁻¹(f W_dec + b_dec)

act is a ReLU, tanh of a ReLU, the k largest and of those the positive ones, or gated; n makes each token's mean 0 and its
standard deviation 1 ("layer_norm"), or its norm √d, or does nothing. A transcoder gives n⁻¹(f W_dec + b_dec_out + x W_skip).
Everything is in the image tower, at TransformerLens' names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.layout import Family, Layout, Stored, Table, check_k, measure, natural, stored_dtype
from semascope.core.saes.formats.said import said_flag, said_number, said_section, said_text, said_whole
from semascope.core.saes.formats.torch_weights import Found, candidates, one_of, prefix_of, prefixed, turned_by_shape
from semascope.core.saes.hooks import NOWHERE, Place, from_transformer_lens, place_problems

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "config.json"
WEIGHTS = "weights.pt"
_PICKLES = (".pkl", ".pkl.gz")
_TABLE: Table = {
    "W_enc": Stored("W_enc", ("d_in", "m")),
    "b_enc": Stored("b_enc", ("m",)),
    "W_dec": Stored("W_dec", ("m", "d_in")),
    "b_dec": Stored("b_dec", ("d_in",)),
}
_GATED: Table = {
    **{name: stored for name, stored in _TABLE.items() if name != "b_enc"},
    **{name: Stored(name, ("m",)) for name in ("b_gate", "r_mag", "b_mag")},
}
_TRANSCODER: Table = {
    "W_enc": _TABLE["W_enc"],
    "b_enc": _TABLE["b_enc"],
    "b_in": _TABLE["b_dec"],
    "W_dec": Stored("W_dec", ("m", "d_out")),
    "b_dec": Stored("b_dec_out", ("d_out",)),
}
_SKIP = Stored("W_skip", ("d_out", "d_in"))
_ACTIVATIONS = {"relu": "relu", "tanh-relu": "tanh_relu", "topk": "topk"}
_PER_TOKEN = ("layer_norm", "constant_norm_rescale")


def recognise(folder: Folder) -> str:
    """ViT-Prisma by two settings that no other release calls so."""
    if CONFIG not in folder.names or not _names(folder):
        return ""
    settings = folder.json(CONFIG)
    return (
        f"hook_point_layer and layer_subtype in {CONFIG}"
        if {"hook_point_layer", "layer_subtype"} <= settings.content.keys()
        else ""
    )


def members(folder: Folder) -> tuple[str, ...]:
    """The checkpoints of a run; weights.pt stands for the folder."""
    return tuple(_names(folder))


def describe(folder: Folder) -> Layout:
    """One SAE or transcoder of ViT-Prisma."""
    name = one_of(folder, [Found(name) for name in _names(folder)]).name
    if name.endswith(_PICKLES):
        raise UserError(
            f"{name} is a pickle of Python objects, which could run code, and is not opened.",
            "Save its state_dict with torch.save, in the program that made it.",
        )
    settings, tensors = folder.json(CONFIG), folder.header(name)
    prefix = prefix_of(tensors, ("W_enc", "W_dec")) or ""
    transcoder = said_flag(settings, "is_transcoder") is True or f"{prefix}b_dec_out" in tensors
    skip = transcoder and f"{prefix}{_SKIP.name}" in tensors
    activation = _activation(settings, f"{prefix}b_gate" in tensors)
    if transcoder and activation == "gated":
        raise UserError(f"{CONFIG} describes a gated transcoder, which is not read.", "Open another of the release.")
    table = prefixed({**(_TRANSCODER if transcoder else _GATED if activation == "gated" else _TABLE),
                      **({"W_skip": _SKIP} if skip else {})}, prefix)  # fmt: skip
    table = turned_by_shape(table, tensors)
    lengths = measure(tensors, table, name)
    normalize = said_text(settings, "normalize_activations") or (
        "none" if "normalize_activations" in settings.content else "layer_norm"
    )
    read = _place(settings, "hook_point_layer", "layer_subtype")
    given = _place(settings, "out_hook_point_layer", "layer_out_subtype") if transcoder else read
    k = said_whole(said_section(settings, "activation_fn_kwargs"), "k")
    z = read.hook is not None and read.hook.site == "attn_z"
    head = said_whole(settings, "hook_point_head_index") if z else None
    sae = SAEConfig(
        format="vit_prisma",
        architecture=architecture_name(activation, transcoder=transcoder, skip=skip),
        activation=activation,
        d_in=lengths["d_in"],
        d_out=lengths.get("d_out", lengths["d_in"]),
        d_sae=lengths["m"],
        kind="transcoder" if transcoder else "sae",
        reads=read.hooks,
        writes=given.hooks,
        model_name=said_text(settings, "model_name").removeprefix("open-clip:"),
        k=check_k(k, lengths["m"], CONFIG) if activation == "topk" else None,
        normalize=normalize if normalize in _PER_TOKEN else "none",
        denormalize=transcoder and normalize in _PER_TOKEN,
        apply_b_dec_to_input=not transcoder,  # a transcoder's is another one, and becomes part of b_enc
        skip=skip,
        heads=z and head is None,
        head=head,
        l0=float(k) if k and activation == "topk" else None,
        dtype=stored_dtype(tensors, table),
        metadata=settings.content,
        notes=tuple(_notes(settings, normalize, transcoder)),
        problems=(*place_problems(read, given), *_problems(settings, lengths)),
    )
    files = (folder.file(CONFIG), folder.file(name))
    return Layout(sae, folder.file(name), files, table, _fold_input_bias if transcoder else None)


FAMILY = Family(
    "vit_prisma",
    "ViT-Prisma",
    recognise,
    describe,
    files=("*.pt", "*.pkl", "*.pkl.gz", CONFIG),
    members=members,
    releases=(
        "prisma-multimodal/sparse-autoencoder-clip-b-32-sae-*",
        "prisma-multimodal/imagenet-sweep-vanilla-x64-*",
        "prisma-multimodal/sae-top_k-64-cls_only-*",
    ),
    rule=(
        "config.json with hook_point_layer and layer_subtype beside a .pt of tensors; files that hold its config as an object are"
        " pickles, and refused. Each token is normalised first unless the settings say otherwise."
    ),
)


def _names(folder: Folder) -> list[str]:
    """The files that hold an SAE each: the chosen one, weights.pt, or all there are."""
    if folder.chosen is not None and folder.chosen != CONFIG:
        return [folder.chosen]
    if WEIGHTS in folder.names:
        return [WEIGHTS]
    return candidates(folder) or sorted((name for name in folder.names if name.endswith(_PICKLES)), key=natural)


def _activation(settings: Fields, has_gates: bool) -> str:
    """The activation function.

    Raises:
        UserError: It is one that is not read.
    """
    name = said_text(settings, "activation_fn_str") or "relu"
    gated = said_text(settings, "architecture") == "gated" or has_gates
    if name not in _ACTIVATIONS or (gated and name != "relu"):
        kind = "gated SAE" if gated else "SAE"
        raise UserError(f"{CONFIG} names the activation function “{name[:40]}” for this {kind}, which is not read.")
    return "gated" if gated else _ACTIVATIONS[name]


def _place(settings: Fields, layer_name: str, site_name: str) -> Place:
    """The hook point of a layer, perhaps in a list of its own, and TransformerLens' name for a place."""
    value = settings.content.get(layer_name)
    layer = value[0] if isinstance(value, list) and len(value) == 1 else value
    site = said_text(settings, site_name)
    if type(layer) is not int or not 0 <= layer < 1000 or not site:
        return NOWHERE
    return from_transformer_lens(f"blocks.{layer}.{site}", tower="vision")


def _notes(settings: Fields, normalize: str, transcoder: bool) -> Iterator[str]:
    if normalize in _PER_TOKEN:
        how = "(x − mean) / std" if normalize == "layer_norm" else "to the norm √d"
        yield f"Each token is normalised first, {how}, and its reconstruction scaled back."
    if transcoder:
        yield "The bias it subtracts from its input is folded into b_enc."
    if said_flag(settings, "cls_token_only"):
        yield "It was trained on the CLS token alone, the first of an image."
    if said_flag(settings, "use_patches_only"):
        yield "It was trained on patches alone, without the CLS token."


def _problems(settings: Fields, lengths: Mapping[str, int]) -> Iterator[str]:
    for key, axis in (("d_in", "d_in"), ("d_sae", "m"), ("d_out", "d_out")):
        if axis in lengths and (said := said_number(settings, key)) not in (None, lengths[axis]):
            yield f"{CONFIG} says {key} is {said:g}, but the tensors have {lengths[axis]}."


def _fold_input_bias(tensors: dict[str, Tensor]) -> None:
    """(x − b_in) W_enc + b_enc is x W_enc + (b_enc − b_in W_enc)."""
    tensors["b_enc"] = tensors["b_enc"] - tensors.pop("b_in") @ tensors["W_enc"]
