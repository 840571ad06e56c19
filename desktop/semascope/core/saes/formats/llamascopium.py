"""llamascopium (OpenMOSS, 2026: Llama Scope 2): `config.json` with `sae_type`, and `sae_weights.safetensors` with W_E and W_D.

    p = s_in x W_E + b_E, times sigmoid(s_in x W_E_glu + b_E_glu) where there is a gate;  s = √d / mean norm
    f = act(p ‖d‖) / ‖d‖ where decoder norms count, else act(p);  x̂ = (f W_D + b_D) / s_out

The library can fold s_in into the weights (`fold_activation_scale`): then f is in units of raw activations, f / s_in. Here it
is so for a ReLU and a top-k, for which the fold changes nothing else; with a JumpReLU the library forgets to fold its
thresholds, so features of those stay in units of scaled activations. Dictionaries of several layers are in
`llamascopium_layers`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import GLU, architecture_name
from semascope.core.saes.formats.layout import Family, Layout, Stored, check_k, measure, stored_dtype
from semascope.core.saes.formats.llamascopium_layers import describe_layers
from semascope.core.saes.formats.openmoss import Fold, activation, checkpoint, home, mean_norm, prefix, scales
from semascope.core.saes.hooks import from_transformer_lens, place_problems

CONFIG = "config.json"

_THRESHOLD = "activation_function.log_jumprelu_threshold"
_OTHERS = {
    "lorsa": "an attention replacement (Lorsa), whose features are heads",
    "molt": "a mixture of linear transforms (MOLT), which has no features with a direction each",
}


def recognise(folder: Folder) -> str:
    """By its settings, and the names of its tensors or a kind that is none of an SAE."""
    place = home(folder, CONFIG)
    file = _weights(folder, place)
    distributed = any(name.endswith(".dcp") for name in place.names)
    if CONFIG not in place.names or not (file or distributed):
        return ""
    if file and f"{prefix(place, file)}W_E" in place.header(file):
        return f"W_E and W_D in {file}"
    kind = place.json(CONFIG).content.get("sae_type")
    if isinstance(kind, str) and (kind in _OTHERS or not file):
        return f"sae_type {kind[:40]} in {CONFIG}"
    return ""


def describe(folder: Folder) -> Layout:
    """One dictionary of llamascopium."""
    place = home(folder, CONFIG)
    config, file = place.json(CONFIG), _weights(folder, place)
    kind = config.text("sae_type", "sae")
    if kind in _OTHERS:
        raise UserError(f"This is {_OTHERS[kind]}.", "Open an SAE, transcoder, cross-layer transcoder or crosscoder.")
    if not file:
        raise UserError(
            f"The weights in {place.path.name} are a checkpoint of distributed training (.dcp), which is not read.",
            "Save it as sae_weights.safetensors with llamascopium first.",
        )
    model = config.text("model_name") or _model(place)
    if kind in ("clt", "crosscoder"):
        return describe_layers(place, file, config, model, prepend_bos(model))
    if kind != "sae":
        raise UserError(f"This is a dictionary of the type “{kind[:40]}”, which is not known.")
    return _describe_sae(place, file, config, model)


FAMILY = Family(
    "llamascopium",
    "llamascopium (Llama Scope 2)",
    recognise,
    describe,
    files=(CONFIG, "sae_weights.safetensors", "sae_weights.pt", "final.safetensors", "final.pt", "pruned.*"),
    releases=("OpenMOSS-Team/Llama-Scope-2-Qwen3-1.7B (transcoders; its lorsa folders are no SAEs)",),
    rule="Told by config.json with sae_type and the tensors W_E and W_D. The mean norms among the tensors scale what is read"
    " and written; a top-k over a batch is read as one of each token.",
)


def prepend_bos(model: str) -> bool | None:
    """Whether a BOS belongs before each context: Qwen's models have none, and of a model that isn't known nobody knows."""
    return None if not model or "qwen" in model.lower() else True


def _weights(folder: Folder, place: Folder) -> str:
    return checkpoint(place, None if folder.chosen in (None, CONFIG) else folder.chosen)


def _describe_sae(folder: Folder, file: str, config: Fields, model: str) -> Layout:
    header, before = folder.header(file), prefix(folder, file)
    function, said = activation(config)
    gate = config.flag("use_glu_encoder", f"{before}W_E_glu" in header)
    table = {
        "W_enc": Stored(f"{before}W_E", ("d_in", "m")),
        "b_enc": Stored(f"{before}b_E", ("m",)),
        "W_dec": Stored(f"{before}W_D", ("m", "d_in")),
        **({"b_dec": Stored(f"{before}b_D", ("d_in",))} if config.flag("use_decoder_bias", True) else {}),
        **({"log_threshold": Stored(f"{before}{_THRESHOLD}", ("m",))} if function == "jumprelu" else {}),
    }
    if gate:
        table["W_glu"] = Stored(f"{before}W_E_glu", ("d_in", "m"))
        table["b_glu"] = Stored(f"{before}b_E_glu", ("m",))
    lengths = measure(header, table, file)
    names = config.text("hook_point_in"), config.text("hook_point_out") or config.text("hook_point_in")
    read, given = (from_transformer_lens(name, model) for name in names)
    transcoder = names[0] != names[1]
    norms = [mean_norm(folder, file, config, name, side) for name, side in zip(names, ("in", "out"), strict=True)]
    mode = config.text("norm_activation", "dataset-wise")
    scale = scales(mode, lengths["d_in"], norms, transcoder=transcoder)
    by_norms = config.flag("sparsity_include_decoder_norm", True)
    sae = SAEConfig(
        format="llamascopium",
        architecture=(GLU if gate else "") + architecture_name(function, transcoder=transcoder),
        activation=function,
        d_in=lengths["d_in"],
        d_out=lengths["d_in"],
        d_sae=lengths["m"],
        kind="transcoder" if transcoder else "sae",
        reads=read.hooks,
        writes=given.hooks,
        model_name=model,
        prepend_bos=prepend_bos(model),
        k=check_k(config.whole("top_k"), lengths["m"], CONFIG) if function == "topk" else None,
        normalize=scale.normalize,
        dtype=stored_dtype(header, table),
        metadata={**config.content, "input_factor": scale.read},
        notes=(*scale.notes, *notes(said, scale.read, by_norms)),
        problems=(*place_problems(read, given), *scale.problems, *width_problems(config, lengths)),
    )
    fold = Fold(
        scale.read,
        scale.written,
        raw=function != "jumprelu",
        by_norms="selected" if by_norms and function == "topk" else "",
        threshold_by_norms=by_norms and function == "jumprelu",
    )
    return Layout(sae, folder.file(file), (folder.file(CONFIG), folder.file(file)), table, fold)


def notes(said: str, factor: float, by_norms: bool) -> list[str]:
    """How features are selected, and in which units they are; `said` is the settings' activation."""
    found = []
    if factor != 1.0 and said == "jumprelu":
        found.append(
            "f is in units of scaled activations, like its thresholds; of a ReLU or top-k it would be in raw ones, which are"
            f" these divided by {factor:.6g}."
        )
    elif factor != 1.0:
        found.append(
            "f is in units of raw activations, as the library gives it with fold_activation_scale; without, it shows"
            f" f × {factor:.6g}."
        )
    if by_norms and said != "relu":
        found.append("Features are selected by how much they write, p · ‖d‖, and f is p alone.")
    if said == "batchtopk":
        found.append("It was trained with a top-k over a batch, and keeps the k largest of each token here.")
    return found


def width_problems(config: Fields, lengths: Mapping[str, int]) -> list[str]:
    """Whether the settings speak of another dictionary than the tensors."""
    width, factor = config.whole("d_model"), config.number("expansion_factor", 0.0)
    found = []
    if width not in (None, lengths["d_in"]):
        found.append(f"{CONFIG} says d_model is {width}, but the tensors have {lengths['d_in']}.")
    elif factor and int(lengths["d_in"] * factor) != lengths["m"]:
        found.append(f"{CONFIG} says expansion_factor is {factor:g}, but the tensors have {lengths['m']} features.")
    return found


def _model(folder: Folder) -> str:
    """The model, by the name of the release in the path."""
    found = re.search(r"Llama-Scope-2-(Qwen3-[\d.]+B)", folder.path.as_posix())
    return f"Qwen/{found[1]}" if found else ""
