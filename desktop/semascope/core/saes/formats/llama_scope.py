"""Llama Scope (2024): `hyperparams.json`, and `checkpoints/final.safetensors` with the matrices of two linear layers.

    s = √d / mean norm, of what is read and of what is written;  D = decoder · s_in / s_out;  n = ‖D‖ of each feature
    p = (x W_enc + b_enc / s_in) · n;  f = p where p > θ (one θ for all);  x̂ = f D / n + b_dec / s_out

This is how its own library, lm-saes, reads it: f in units of raw activations. SAELens and Neuronpedia leave n and s_out out
and show f · s_in; for decoders of unit norm that read and write at one place, the rest is the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.headers import TensorInfo
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import GLU, architecture_name
from semascope.core.saes.formats.layout import Family, Layout, Stored, check_k, check_widths, measure, stored_dtype
from semascope.core.saes.formats.openmoss import Fold, activation, checkpoint, home, prefix, scales
from semascope.core.saes.hooks import from_transformer_lens, place_problems

CONFIG = "hyperparams.json"
MODEL = "lm_config.json"

_LLAMA = "meta-llama/Llama-3.1-8B"


def recognise(folder: Folder) -> str:
    """Llama Scope by its settings and a checkpoint."""
    place = home(folder, CONFIG)
    if CONFIG not in place.names:
        return ""
    file = checkpoint(place, None if folder.chosen == CONFIG else folder.chosen)
    if not file or f"{prefix(place, file)}encoder.weight" not in place.header(file):
        return ""
    return f"{CONFIG} and {file}"


def describe(folder: Folder) -> Layout:
    """One SAE or transcoder of Llama Scope."""
    place = home(folder, CONFIG)
    config = place.json(CONFIG)
    file = checkpoint(place, None if folder.chosen == CONFIG else folder.chosen)
    header = place.header(file)
    table = _table(header, prefix(place, file))
    lengths = measure(header, table, file)
    function, _ = activation(config, ("relu", "topk", "jumprelu"))
    threshold = config.number("jump_relu_threshold", 0.0)
    if function == "topk" and threshold > 0:
        function = "jumprelu"  # as the library does once training is over
    model = _model(place)
    names = config.text("hook_point_in"), config.text("hook_point_out") or config.text("hook_point_in")
    read, given = (from_transformer_lens(name, model) for name in names)
    transcoder = names[0] != names[1]
    subtracts = config.flag("apply_decoder_bias_to_pre_encoder", True) and "b_dec" in table
    check_widths(lengths, file, may_differ=transcoder and not subtracts)
    norms = config.section("dataset_average_activation_norm")
    mode = config.text("norm_activation", "token-wise")
    scale = scales(mode, lengths["d_in"], [_norm(norms, side) for side in ("in", "out")], transcoder=transcoder)
    by_norms = config.flag("sparsity_include_decoder_norm", True)
    sae = SAEConfig(
        format="llama_scope",
        architecture=(GLU if "W_glu" in table else "") + architecture_name(function, transcoder=transcoder),
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
        apply_b_dec_to_input=subtracts,
        dtype=stored_dtype(header, table),
        metadata={**config.content, "saelens_factor": scale.read},
        notes=(*scale.notes, *_notes(scale.read, by_norms, function, threshold)),
        problems=(*place_problems(read, given), *scale.problems, *_problems(config, lengths)),
    )
    fold = Fold(
        scale.read,
        scale.written,
        by_norms="rescaled" if by_norms else "",
        threshold=threshold if function == "jumprelu" else None,
    )
    files = [place.file(name) for name in (CONFIG, file)]
    return Layout(sae, place.file(file), tuple(files), table, fold)


FAMILY = Family(
    "llama_scope",
    "Llama Scope",
    recognise,
    describe,
    files=(CONFIG, "final.safetensors", "pruned.safetensors", "final.pt", "pruned.pt", "sae_weights.*"),
    releases=(
        "fnlp/Llama3_1-8B-Base-LXR-8x and -32x (and LXM, LXA, LXTC)",
        "OpenMOSS-Team/Llama3_1-8B-Base-LX*",
    ),
    rule="Told by hyperparams.json and checkpoints/final.safetensors (or pruned). Read as its own library does: the mean norms"
    " of the settings and the norms of the decoder count; f times √d over the mean norm is what SAELens and Neuronpedia show.",
)


def _table(header: Mapping[str, TensorInfo], before: str) -> dict[str, Stored]:
    table = {
        "W_enc": Stored(f"{before}encoder.weight", ("m", "d_in")),
        "b_enc": Stored(f"{before}encoder.bias", ("m",)),
        "W_dec": Stored(f"{before}decoder.weight", ("d_out", "m")),
    }
    if f"{before}decoder.bias" in header:
        table["b_dec"] = Stored(f"{before}decoder.bias", ("d_out",))
    if f"{before}encoder_glu.weight" in header:
        table["W_glu"] = Stored(f"{before}encoder_glu.weight", ("m", "d_in"))
        table["b_glu"] = Stored(f"{before}encoder_glu.bias", ("m",))
    return table


def _norm(norms: Fields, side: str) -> float | None:
    if side not in norms:
        return None
    norm = norms.number(side, 0.0)
    if norm <= 0:
        raise UserError(f"{norms.source} says {side} is {norm:g}, which is impossible.", "Copy the whole folder again.")
    return norm


def _notes(factor: float, by_norms: bool, function: str, threshold: float) -> list[str]:
    notes = []
    if factor != 1.0:
        notes.append(
            f"f is in units of raw activations, as its own library gives it; SAELens and Neuronpedia show f × {factor:.6g}."
        )
    if by_norms:
        notes.append(
            "Features count by how much they write: decoder rows have unit norm, and f contains what they had."
        )
    if function == "jumprelu":
        notes.append(f"All features have the threshold {threshold:g}.")
    return notes


def _problems(config: Fields, lengths: Mapping[str, int]) -> list[str]:
    return [
        f"{CONFIG} says {key} is {config.whole(key)}, but the tensors have {lengths[axis]}."
        for key, axis in (("d_model", "d_in"), ("d_sae", "m"))
        if config.whole(key) not in (None, lengths[axis])
    ]


def _model(folder: Folder) -> str:
    """The model by lm_config.json, or by the name of the release in the path."""
    if MODEL in folder.names and (name := folder.json(MODEL).text("model_name")):
        return name
    return _LLAMA if re.search(r"Llama3_1-8B-Base", folder.path.as_posix()) else ""
