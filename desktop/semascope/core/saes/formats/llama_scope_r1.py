"""Llama Scope R1 (2025, DeepSeek-R1-Distill-Llama-8B): `config.json`, and `sae_weights.safetensors` of two linear layers.

    p = s_in x W_enc + b_enc;  f = p where p > θ, θ = exp(log_jumprelu_threshold);  x̂ = (f W_dec + b_dec) / s_out
    s = √d / mean norm of what is read, and of what is written

SAELens' reading of this release, and its units. Where the mean norms are is not certain: tensors and settings are looked at,
and then the list that SAELens brings along. Dictionaries of the same library with a ReLU or a top-k, which were not
published, are read as `llamascopium` reads its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.headers import TensorInfo
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.layout import Family, Layout, Stored, check_k, check_widths, measure, stored_dtype
from semascope.core.saes.formats.openmoss import Fold, activation, checkpoint, home, mean_norm, prefix, scales
from semascope.core.saes.hooks import from_transformer_lens, place_problems

CONFIG = "config.json"

_THRESHOLD = "log_jumprelu_threshold"
_WIDTH = 4096
_MEAN_NORMS = {
    "800M-Slimpajama-0-OpenR1-Math-220k": (
        1.19559, 1.72625, 2.38795, 3.15912, 3.91289, 4.64686, 5.42251, 6.18619,
        6.71767, 7.33709, 7.81691, 8.3318, 9.1279, 9.83427, 10.5335, 11.5746,
        12.6952, 14.0874, 15.4736, 16.7597, 18.2869, 20.5466, 22.388, 24.4802,
        26.5936, 28.8476, 31.3937, 34.2905, 37.8368, 41.8194, 47.8374, 58.378,
    ),
    "400M-Slimpajama-400M-OpenR1-Math-220k": (
        1.1857, 1.74055, 2.38243, 3.12599, 3.8808, 4.60348, 5.35153, 6.12166,
        6.64876, 7.35172, 7.91247, 8.59109, 9.40976, 10.1079, 11.2225, 12.0345,
        13.3434, 14.7685, 16.2491, 17.8569, 18.7558, 21.3831, 23.2316, 25.3145,
        27.505, 30.4607, 33.0558, 35.9861, 38.473, 44.1729, 55.3151, 61.4216,
    ),
    "0-Slimpajama-800M-OpenR1-Math-220k": (
        1.17845, 1.75368, 2.37378, 3.11859, 3.83754, 4.54949, 5.31812, 6.09776,
        6.60952, 7.3735, 8.01163, 8.84279, 9.56016, 10.5803, 11.6499, 12.875,
        14.0911, 15.5669, 17.1494, 18.57, 20.2441, 22.3774, 24.2778, 26.3511,
        28.5638, 31.4549, 34.7259, 38.6604, 43.329, 47.8987, 56.2022, 69.0849,
    ),
}  # fmt: skip
"""The mean norms of the residual stream after each layer, by the mixture of texts: √4096 over the factors that SAELens lists."""


def recognise(folder: Folder) -> str:
    """By the tensors of two linear layers, and thresholds or an activation function among the settings."""
    place = home(folder, CONFIG)
    file = _weights(folder, place)
    if CONFIG not in place.names or not file:
        return ""
    header, before = place.header(file), prefix(place, file)
    if not header.keys() >= {f"{before}encoder.weight", f"{before}decoder.weight"}:
        return ""
    if threshold := _threshold(header):
        return f"encoder.weight and {threshold} in {file}"
    return f"encoder.weight in {file}, and sae_type in {CONFIG}" if "sae_type" in place.json(CONFIG) else ""


def describe(folder: Folder) -> Layout:
    """One SAE of Llama Scope R1."""
    place = home(folder, CONFIG)
    file, config = _weights(folder, place), place.json(CONFIG)
    header = place.header(file)
    threshold = _threshold(header)
    function, said = ("jumprelu", "jumprelu") if threshold else activation(config)
    if function == "jumprelu" and not threshold:
        raise UserError(f"{file} has no tensor {_THRESHOLD}, which its activation function needs.", "Copy it again.")
    before = prefix(place, file)
    table = {
        "W_enc": Stored(f"{before}encoder.weight", ("m", "d_in")),
        "b_enc": Stored(f"{before}encoder.bias", ("m",)),
        "W_dec": Stored(f"{before}decoder.weight", ("d_out", "m")),
        **({"b_dec": Stored(f"{before}decoder.bias", ("d_out",))} if f"{before}decoder.bias" in header else {}),
        **({"log_threshold": Stored(threshold, ("m",))} if threshold else {}),
    }
    lengths = measure(header, table, file)
    model = config.text("model_name") or _model(place)
    names = config.text("hook_point_in"), config.text("hook_point_out") or config.text("hook_point_in")
    read, given = (from_transformer_lens(name, model) for name in names)
    transcoder = names[0] != names[1]
    subtracts = config.flag("apply_decoder_bias_to_pre_encoder", False) and "b_dec" in table
    check_widths(lengths, file, may_differ=transcoder and not subtracts)
    norms = [mean_norm(place, file, config, name, side) for name, side in zip(names, ("in", "out"), strict=True)]
    mode = config.text("norm_activation", "dataset-wise")
    scale = scales(mode, lengths["d_in"], norms, transcoder=transcoder)
    listed = _listed(place, lengths["d_in"]) if mode == "dataset-wise" and None in norms else None
    by_norms = config.flag("sparsity_include_decoder_norm", False) and function != "relu"
    sae = SAEConfig(
        format="llama_scope_r1",
        architecture=architecture_name(function, transcoder=transcoder),
        activation=function,
        d_in=lengths["d_in"],
        d_out=lengths["d_out"],
        d_sae=lengths["m"],
        kind="transcoder" if transcoder else "sae",
        reads=read.hooks,
        writes=given.hooks,
        model_name=model,
        prepend_bos=True,
        k=check_k(config.whole("top_k"), lengths["m"], CONFIG) if function == "topk" else None,
        normalize=scale.normalize,
        scale=1.0 if listed is None else _WIDTH**0.5 / listed,
        apply_b_dec_to_input=subtracts,
        dtype=stored_dtype(header, table),
        metadata=config.content,
        notes=(*scale.notes, *_notes(said, by_norms, listed)),
        problems=(
            *place_problems(read, given),
            *(scale.problems if listed is None else ()),
            *_problems(config, lengths),
        ),
    )
    fold = Fold(
        scale.read,
        scale.written,
        raw=function != "jumprelu",
        by_norms="selected" if by_norms and function == "topk" else "",
    )
    return Layout(sae, place.file(file), (place.file(CONFIG), place.file(file)), table, fold)


FAMILY = Family(
    "llama_scope_r1",
    "Llama Scope R1",
    recognise,
    describe,
    files=(CONFIG, "sae_weights.safetensors", "sae_weights.pt"),
    releases=("fnlp/Llama-Scope-R1-Distill", "OpenMOSS-Team/Llama-Scope-R1-Distill"),
    rule="Told by config.json and the tensor log_jumprelu_threshold beside encoder.weight. Thresholds and features are in units"
    " of activations scaled to a mean norm of √d; where the files don't say that norm, SAELens' list of it is used.",
)


def _weights(folder: Folder, place: Folder) -> str:
    return checkpoint(place, None if folder.chosen in (None, CONFIG) else folder.chosen)


def _threshold(header: Mapping[str, TensorInfo]) -> str:
    """The name of the tensor of thresholds, "" where there is none."""
    return next((name for name in header if name.rsplit(".", 1)[-1] == _THRESHOLD), "")


def _listed(folder: Folder, width: int) -> float | None:
    """The mean norm by SAELens' list, for a folder of the published tree."""
    found = re.search(r"/([^/]{1,60})/L(\d{1,2})R(?:/|$)", folder.path.as_posix())
    norms = _MEAN_NORMS.get(found[1]) if found and width == _WIDTH else None
    return norms[int(found[2])] if found and norms and int(found[2]) < len(norms) else None


def _notes(said: str, by_norms: bool, listed: float | None) -> list[str]:
    notes = []
    if said == "jumprelu":
        notes.append("Features and thresholds are in units of scaled activations, as SAELens shows them.")
        if by_norms:
            notes.append(
                "Its settings count decoder norms for thresholds; like SAELens' reading of this release, this one takes them as 1."
            )
    if said == "batchtopk":
        notes.append("It was trained with a top-k over a batch, and keeps the k largest of each token here.")
    if listed is not None:
        notes.append(
            f"Activations are multiplied by {_WIDTH**0.5 / listed:.6g} first: SAELens' list of releases says so, and the folder"
            " does not."
        )
    return notes


def _problems(config: Fields, lengths: Mapping[str, int]) -> list[str]:
    width = config.whole("d_model")
    return (
        []
        if width in (None, lengths["d_in"])
        else [f"{CONFIG} says d_model is {width}, but the tensors have {lengths['d_in']}."]
    )


def _model(folder: Folder) -> str:
    found = re.search(
        r"Llama-Scope-R1-Distill|(?:Slimpajama|OpenR1-Math)[^/]*/L\d{1,2}R(?:/|$)", folder.path.as_posix()
    )
    return "deepseek-ai/DeepSeek-R1-Distill-Llama-8B" if found else ""
