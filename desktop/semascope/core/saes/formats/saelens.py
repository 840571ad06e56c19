"""SAELens' native folders, of all its generations: `cfg.json` and `sae_weights.safetensors`.

Version 6 keeps what concerns the model in `metadata`; versions 3 to 5 keep everything side by side; older ones say
`hook_point` for `hook_name`. A training checkpoint of a BatchTopK dictionary, which SAELens itself can't load for
inference, is read as the JumpReLU it would have been saved as. Written by `saes.save`; of its tensors tells
`saelens_weights`, of the activations it takes `saelens_context`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.saes.config import Pursuit, SAEConfig, Temporal
from semascope.core.saes.facts import KEY, with_facts
from semascope.core.saes.formats.architectures import GLU, NAMES, architecture_name
from semascope.core.saes.formats.layout import Family, Layout, check_k, measure, stored_dtype
from semascope.core.saes.formats.saelens_context import (
    as_listed,
    form,
    head,
    mask_first,
    mask_ids,
    mask_notes,
    places,
)
from semascope.core.saes.formats.saelens_layers import ARCHITECTURES as LAYERS
from semascope.core.saes.formats.saelens_layers import describe_layers
from semascope.core.saes.formats.saelens_weights import fold, fold_notes, tensor_table
from semascope.core.saes.formats.temporal import PREDICTS, attention_weights, check_heads, check_layers, selected
from semascope.core.saes.hooks import place_problems

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
SCALER = "activation_scaler.json"  # beside a training checkpoint: what its input is still multiplied by

_BATCH_TOPK = ("batchtopk", "matryoshka_batchtopk")  # the names under which they train; saved, they are "jumprelu"
_NORMALISATIONS = ("none", "expected_average_only_in", "constant_norm_rescale", "layer_norm")
_SCALED = "constant_scalar_rescale"  # of temporal SAEs: a fixed factor, kept in the config
_LEGACY_ACTIVATIONS = {"relu": "relu", "tanh-relu": "tanh_relu", "topk": "topk"}

_STRUCTURE = {"architecture", "d_in", "d_out", "d_sae", "k", "dtype", "device", "metadata"} | {
    "apply_b_dec_to_input", "normalize_activations", "reshape_activations", "rescale_acts_by_decoder_norm",
    "activation_fn", "activation_fn_str", "activation_fn_kwargs", "finetuning_scaling_factor",
    "max_iterations", "residual_threshold", "stop_on_duplicate_support", "activation_normalization_factor",
    "n_heads", "n_attn_layers", "bottleneck_factor", "sae_diff_type", "kval_topk", "tied_weights",
}  # fmt: skip
"""Settings that say how to compute, and are therefore no metadata."""


def recognise(folder: Folder) -> str:
    """SAELens by the names of its two files."""
    return f"{CONFIG} and {WEIGHTS}" if folder.has(CONFIG, WEIGHTS) else ""


def describe(folder: Folder) -> Layout:
    """One SAE of SAELens."""
    config = folder.json(CONFIG)
    about = Fields({**config.content, **config.section("metadata").content}, CONFIG)
    if config.text("architecture") in LAYERS:
        return describe_layers(folder, config, about, WEIGHTS, _STRUCTURE)
    header = folder.header(WEIGHTS)
    what = _architecture(config)
    tied = what.activation == "matching_pursuit" or (
        what.activation == "temporal" and config.flag("tied_weights", "W_enc" not in header)
    )
    table = tensor_table(what.activation, transcoder=what.transcoder, skip=what.skip, tied=tied, stored=header.keys())
    lengths = measure(header, table, WEIGHTS)
    read, given = places(about, what.transcoder)
    normalize, scale = _normalisation(config, folder)
    by_norms = _by_norms(config, what)
    processing, notes = form(about, read, normalize)
    sae = SAEConfig(
        format="saelens",
        architecture=what.name,
        activation=what.activation,
        d_in=lengths["d_in"],
        d_out=lengths.get("d_out", lengths["d_in"]),
        d_sae=lengths["m"],
        kind="transcoder" if what.transcoder else "sae",
        reads=read.hooks,
        writes=given.hooks,
        model_name=about.text("model_name"),
        prepend_bos=None if _explicit_null(about, "prepend_bos") else about.flag("prepend_bos", True),
        mask_first=mask_first(about),
        mask_ids=mask_ids(about),
        k=_k(config, what.activation, lengths["m"]),
        normalize=normalize,
        processing=processing,
        apply_b_dec_to_input=config.flag("apply_b_dec_to_input", True) and not what.transcoder,
        skip=what.skip,
        heads=not what.transcoder and _concatenates_heads(about),
        head=head(about),
        pursuit=_pursuit(config, lengths, scale) if what.activation == "matching_pursuit" else None,
        temporal=_temporal(config, lengths, tied, attention_weights(table, lengths))
        if what.activation == "temporal"
        else None,
        dtype=stored_dtype(header, table),
        metadata={name: value for name, value in about.content.items() if name not in _STRUCTURE},
        notes=(*_notes(config, what), *fold_notes(table, by_norms, scale), *notes, *mask_notes(about)),
        problems=(*place_problems(read, given), *_problems(config, lengths)),
    )
    if what.activation == "temporal":
        check_layers(config, {name: stored for name, stored in table.items() if name.startswith("attn_layers.")})
    sae = with_facts(sae, about) if KEY in about else as_listed(sae, folder.path.as_posix())
    sae = _settled(sae)
    files = [folder.file(name) for name in (CONFIG, WEIGHTS, SCALER) if name in folder.names]
    arrange = fold(sae, table, by_norms=by_norms, scale=scale)
    return Layout(sae, folder.file(WEIGHTS), tuple(files), table, arrange)


FAMILY = Family(
    "saelens",
    "SAELens",
    recognise,
    describe,
    files=(CONFIG, WEIGHTS),
    releases=(
        "jbloom/GPT2-Small-SAEs-Reformatted",
        "jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8",
        "jbloom/GPT2-Small-OAI-v5-*",
        "jbloom/Gemma-2b-Residual-Stream-SAEs",
        "jbloom/Gemma-2b-IT-Residual-Stream-SAEs",
        "JoshEngels/Mistral-7B-Residual-Stream-SAEs",
        "Juliushanhanhan/llama-3-8b-it-res",
        "tommmcgrath/gpt2-small-mlp-out-saes",
        "ctigges/pythia-70m-deduped__*-sm_processed",
        "neuronpedia/gpt2-small__res_*-ajt",
        "chanind/*-batch-topk-matryoshka-saes-*",
    ),
    rule="Told by cfg.json beside sae_weights.safetensors, of versions 2 to 6. What the folder leaves out and SAELens knows"
    " from its list of releases (centring, a scale) is added and said.",
)


class _What(NamedTuple):
    """An architecture: its name, its activation, whether it is a transcoder and has a skip connection or a gate."""

    name: str
    activation: str
    transcoder: bool = False
    skip: bool = False


def _architecture(config: Fields) -> _What:
    if _is_checkpoint(config):
        return _What("jumprelu", "jumprelu")
    name = config.text("architecture", "standard")
    gate = GLU if name.startswith(GLU) else ""
    if name.removeprefix(gate) not in NAMES:
        raise UserError(
            f"This is a SAELens folder of the architecture “{name[:40]}”, which is not known.",
            "Save the SAE with an architecture that SAELens 6 can load for inference.",
        )
    activation, transcoder, skip = NAMES[name.removeprefix(gate)]
    # Before version 6 the function had a field of its own, and the architecture said "standard" beside a top-k.
    if activation == "relu":
        legacy = config.text("activation_fn_str") or config.text("activation_fn") or "relu"
        if legacy not in _LEGACY_ACTIVATIONS:
            raise UserError(f"{CONFIG} names the activation function “{legacy[:40]}”, which is not known.")
        activation = _LEGACY_ACTIVATIONS[legacy]
    return _What(gate + architecture_name(activation, transcoder=transcoder, skip=skip), activation, transcoder, skip)


def _is_checkpoint(config: Fields) -> bool:
    """Whether it was saved in the middle of training a BatchTopK dictionary."""
    return config.text("architecture") in _BATCH_TOPK


def _by_norms(config: Fields, what: _What) -> bool:
    """Whether features are selected by p · ‖d‖."""
    selects = what.activation in ("topk", "abstopk") or _is_checkpoint(config)
    return selects and config.flag("rescale_acts_by_decoder_norm", False)


def _k(config: Fields, activation: str, features: int) -> int | None:
    if activation == "temporal":
        return selected(config, features)
    if activation not in ("topk", "abstopk", "groupmax"):
        return None
    k = config.whole("k") if "k" in config else config.section("activation_fn_kwargs").whole("k")
    return check_k(k, features, CONFIG, groups=activation == "groupmax")


def _notes(config: Fields, what: _What) -> Iterator[str]:
    if what.activation == "topk" and config.text("architecture", "standard") == "standard":
        yield "Its config calls it “standard”, but names a top-k, and a top-k it is."
    if what.activation == "temporal":
        yield PREDICTS
        if config.text("normalize_activations") == _SCALED:
            factor = config.number("activation_normalization_factor", 1.0)
            yield f"Activations are multiplied by {factor:g} first, as {CONFIG} says."


def _problems(config: Fields, lengths: Mapping[str, int]) -> Iterator[str]:
    """What the files leave open or get wrong."""
    for key, axis in (("d_in", "d_in"), ("d_sae", "m"), ("d_out", "d_out")):
        if axis in lengths and config.whole(key) not in (None, lengths[axis]):
            yield f"{CONFIG} says {key} is {config.whole(key)}, but the tensors have {lengths[axis]}."
    if _is_checkpoint(config):
        yield "This is a training checkpoint: the threshold it has reached so far is used."


def _settled(sae: SAEConfig) -> SAEConfig:
    """`sae`, and whether the scale of its input is still open."""
    if sae.normalize != "expected_average_only_in" or sae.scale != 1.0:
        return sae
    problem = (
        "Its input was scaled in training; whether the weights contain that scale, the files don't say. If the self-check"
        " is bad, try a scale of √d over the mean norm of the activations."
    )
    return replace(sae, problems=(*(each for each in sae.problems if each != problem), problem))


def _normalisation(config: Fields, folder: Folder) -> tuple[str, float | None]:
    """How inputs are normalised, and a fixed factor of the input that is not yet part of the weights."""
    said = config.content.get("normalize_activations")
    if isinstance(said, bool):  # version 2
        name = "expected_average_only_in" if said else "none"
    else:
        name = config.text("normalize_activations", "none")
    if name == "expected_average_only_in" and SCALER in folder.names:
        scaler = folder.json(SCALER)
        factor = scaler.number("scaling_factor", 0.0)
        if factor > 0 and not scaler.flag("has_whitening", False):
            return "none", factor
    if name == _SCALED and config.text("architecture") == "temporal":
        return "none", None
    if name not in _NORMALISATIONS:
        raise UserError(
            f"{CONFIG} says that inputs are normalised by “{name[:40]}”, which is not read.",
            "Save the SAE for inference with SAELens first: that folds the normalisation into its weights.",
        )
    return name, None


def _concatenates_heads(about: Fields) -> bool:
    name = about.text("hook_name") or about.text("hook_point")
    return about.text("reshape_activations", "hook_z" if "hook_z" in name else "none") == "hook_z"


def _explicit_null(about: Fields, name: str) -> bool:
    """Whether a release says that it does not know, as those do that Semascope converted from a format without the field."""
    return name in about.content and name not in about


def _pursuit(config: Fields, lengths: Mapping[str, int], scale: float | None) -> Pursuit:
    iterations = config.whole("max_iterations")
    if iterations is not None and not 0 <= iterations <= lengths["m"]:
        raise UserError(f"{CONFIG} says max_iterations is {iterations}, with only {lengths['m']} features.")
    return Pursuit(
        iterations=lengths["d_in"] if iterations is None else iterations,
        residual=config.number("residual_threshold", 0.01) / (scale or 1.0),
        on_repeat=config.flag("stop_on_duplicate_support", True),
    )


def _temporal(config: Fields, lengths: Mapping[str, int], tied: bool, weights: int) -> Temporal:
    factor = 1.0
    if config.text("normalize_activations") == _SCALED:
        factor = config.number("activation_normalization_factor", 1.0)
    if factor <= 0:
        raise UserError(f"{CONFIG} says activation_normalization_factor is {factor:g}, which is impossible.")
    return Temporal(check_heads(config, lengths), factor, tied, weights)
