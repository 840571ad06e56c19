"""Temporal SAEs as their authors release them: `conf.yaml` and `latest_ckpt.safetensors` in a folder named after the layer.

SAEs with attention over the tokens before (`saes.temporal`): D is the decoder, E the encoder where it is not D transposed,
b the bias that is subtracted and added again. Activations are multiplied by the `scaling_factor` of the settings first.
SAELens stores the same by other names; what both have in common is here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.config import SAEConfig, Temporal
from semascope.core.saes.formats.layout import Family, Layout, Stored, check_k, measure, stored_dtype
from semascope.core.saes.hooks import NOWHERE, Place, place_problems

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "conf.yaml"
WEIGHTS = ("latest_ckpt.safetensors", "latest_ckpt.pt")

PREDICTS = (
    "Its features are what is new in a token: what its attention predicts from the tokens before is part of the whole"
    " reconstruction, but no feature."
)

_ATTENTION = {
    "k_ctx": ("n", "m"),
    "q_target": ("n", "m"),
    "v_ctx": ("m", "m"),
    "c_proj": ("m", "m"),
}
"""The projections of an attention layer, and the axes of their weights."""

_MOST_LAYERS = 100
_MODELS = {"gemma-2-2b": "google/gemma-2-2b", "llama-3.1-8b": "meta-llama/Llama-3.1-8B"}


def attention_table(names: Collection[str], prefix: str = "") -> dict[str, Stored]:
    """Where the tensors of all attention layers lie; `names` are those in the file, where they begin with `prefix`."""
    count = 0
    while f"{prefix}attn_layers.{count}.k_ctx.weight" in names and count < _MOST_LAYERS:
        count += 1
    table: dict[str, Stored] = {}
    for layer in range(count):
        for part, axes in _ATTENTION.items():
            name = f"attn_layers.{layer}.{part}"
            table[f"{name}.weight"] = Stored(f"{prefix}{name}.weight", axes)
            table[f"{name}.bias"] = Stored(f"{prefix}{name}.bias", axes[:1])
    return table


def check_heads(config: Fields, lengths: Mapping[str, int]) -> int:
    """The number of heads that the settings say.

    Raises:
        UserError: The attention can't be split into so many.
    """
    heads = config.whole("n_heads") or 0
    if heads < 1 or lengths.get("n", heads) % heads or lengths["m"] % heads:
        raise UserError(
            f"{config.source} says n_heads is {heads}, which its attention can't be split into.",
            "Copy the whole folder again.",
        )
    return heads


def attention_weights(table: Mapping[str, Stored], lengths: Mapping[str, int]) -> int:
    """How many numbers the matrices of all attention layers have."""
    axes = [stored.axes for name, stored in table.items() if name.startswith("attn_layers.") and len(stored.axes) == 2]
    return sum(lengths[rows] * lengths[columns] for rows, columns in axes)


def check_layers(config: Fields, table: Mapping[str, Stored]) -> None:
    """Refuse a file that has not as many attention layers as the settings say.

    Raises:
        UserError: It has fewer or more.
    """
    said, found = config.whole("n_attn_layers"), len(table) // (2 * len(_ATTENTION))
    if said is not None and said != found:
        raise UserError(
            f"{config.source} says n_attn_layers is {said}, but the tensors of {found} are there.",
            "Copy the whole folder again.",
        )


def selected(config: Fields, features: int, kinds: Collection[str] = ("relu", "topk")) -> int | None:
    """How many features a token keeps; None when it is not a fixed number.

    Raises:
        UserError: The settings name a way of selecting that is not among `kinds`, or an impossible number.
    """
    kind = config.text("sae_diff_type", "topk")
    if kind not in kinds:
        raise UserError(f"{config.source} says sae_diff_type is “{kind[:40]}”, which is not known.")
    if kind != "topk" or "kval_topk" not in config:
        return None
    return check_k(config.whole("kval_topk"), features, config.source)


def recognise(folder: Folder) -> str:
    """The authors' release by its settings and the tensor of its decoder."""
    if CONFIG not in folder.names:
        return ""
    for name in WEIGHTS:
        if name in folder.names and (f"{_prefix(folder, name)}D") in folder.header(name):
            return f"{CONFIG} and D in {name}"
    return ""


def describe(folder: Folder) -> Layout:
    """One temporal SAE of the authors."""
    settings = folder.yaml(CONFIG)
    model, config = settings.section("llm"), settings.section("sae")
    weights = next(name for name in WEIGHTS if name in folder.names)
    prefix, header = _prefix(folder, weights), folder.header(weights)
    tied = config.flag("tied_weights", f"{prefix}E" not in header)
    attention = attention_table(header, prefix)
    check_layers(config, attention)
    bias = header.get(f"{prefix}b")
    table = {
        "W_dec": Stored(f"{prefix}D", ("m", "d_in")),
        "b_dec": Stored(f"{prefix}b", ("one", "d_in") if bias and len(bias.shape) == 2 else ("d_in",)),
        **({} if tied else {"W_enc": Stored(f"{prefix}E", ("d_in", "m"))}),
        **attention,
    }
    by_threshold = config.text("sae_diff_type", "topk") == "batchtopk"
    if by_threshold:
        table["threshold"] = Stored(f"{prefix}expected_min_act", ("one",))
    lengths = measure(header, table, weights)
    if lengths.get("one", 1) != 1:
        raise UserError(f"{weights} has a bias or threshold of an unknown shape.", "Copy the whole folder again.")
    place = _place(folder)
    sae = SAEConfig(
        format="temporal",
        architecture="temporal",
        activation="temporal",
        d_in=lengths["d_in"],
        d_out=lengths["d_in"],
        d_sae=lengths["m"],
        reads=place.hooks,
        writes=place.hooks,
        model_name=model.text("model_hf_name") or _model(folder),
        prepend_bos=True,
        k=selected(config, lengths["m"], ("relu", "topk", "batchtopk")),
        apply_b_dec_to_input=True,
        temporal=Temporal(check_heads(config, lengths), _factor(config), tied, attention_weights(table, lengths)),
        dtype=stored_dtype(header, table),
        metadata={name: value for name, value in settings.content.items() if name in ("data", "llm", "sae")},
        notes=tuple(_notes(config, by_threshold)),
        problems=tuple(_problems(place, settings, lengths, config)),
    )
    files = (folder.file(CONFIG), folder.file(weights))
    return Layout(sae, folder.file(weights), files, table, arrange)


FAMILY = Family(
    "temporal",
    "Temporal SAEs",
    recognise,
    describe,
    files=(CONFIG, *WEIGHTS),
    releases=("canrager/temporalSAEs",),
    rule="Told by conf.yaml and the tensor D of latest_ckpt.safetensors; the layer is in the folder's path. Activations are"
    " multiplied by the scaling_factor of the settings, and read as whole sequences.",
)


def arrange(tensors: dict[str, Tensor]) -> None:
    """Make the encoder of a tied one, and one row of what is stored as several axes."""
    tensors["b_dec"] = tensors["b_dec"].reshape(-1)
    tensors.setdefault("W_enc", tensors["W_dec"].T)
    if "threshold" in tensors:
        tensors["threshold"] = tensors["threshold"].expand(len(tensors["W_dec"]))


def _prefix(folder: Folder, weights: str) -> str:
    """What stands before the names of tensors: a checkpoint of training keeps them beside the optimiser's state."""
    return "sae." if "sae.D" in folder.header(weights) else ""


def _factor(config: Fields) -> float:
    factor = config.number("scaling_factor", 1.0)
    if factor <= 0:
        raise UserError(f"{CONFIG} says scaling_factor is {factor:g}, which is impossible.")
    return factor


def _notes(config: Fields, by_threshold: bool) -> list[str]:
    notes = [PREDICTS, f"Activations are multiplied by {_factor(config):g} first, as {CONFIG} says."]
    if by_threshold:
        notes.append("It was trained with a batch top-k, and is read with the threshold that its training arrived at.")
    return notes


def _problems(place: Place, settings: Fields, lengths: Mapping[str, int], config: Fields) -> list[str]:
    problems = place_problems(place)
    if settings.section("llm").whole("dimin") not in (None, lengths["d_in"]):
        problems.append(
            f"{CONFIG} says dimin is {settings.section('llm').whole('dimin')}, but the tensors have {lengths['d_in']}."
        )
    if "scaling_factor" not in config:
        problems.append(f"{CONFIG} does not say by what activations were multiplied (scaling_factor); 1 is assumed.")
    return problems


def _place(folder: Folder) -> Place:
    layers = re.findall(r"/layer_(\d{1,3})(?=/|$)", folder.path.as_posix())
    return Place(HookPoint("resid_post", int(layers[-1]))) if layers else NOWHERE


def _model(folder: Folder) -> str:
    """The model, by the name of the folder above the layer's."""
    above = re.findall(r"/([^/]{1,60})/layer_\d{1,3}(?=/|$)", folder.path.as_posix())
    return _MODELS.get(above[-1].lower(), "") if above else ""
