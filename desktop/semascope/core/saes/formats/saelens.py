"""SAELens' native folders, of all its generations: `cfg.json` and `sae_weights.safetensors`.

Version 6 keeps what concerns the model in `metadata`; versions 3 to 5 keep everything side by side; older ones say
`hook_point` for `hook_name`. A training checkpoint of a BatchTopK dictionary, which SAELens itself can't load for
inference, is read as the JumpReLU it would have been saved as. Written by `saes.save`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.saes.config import Pursuit, SAEConfig
from semascope.core.saes.facts import with_facts
from semascope.core.saes.formats.architectures import NAMES, architecture_name
from semascope.core.saes.formats.layout import Family, Layout, Stored, check_k, measure, stored_dtype
from semascope.core.saes.hooks import Place, from_module_side, from_transformer_lens, place_problems

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
SCALER = "activation_scaler.json"  # beside a training checkpoint: what its input is still multiplied by

_BATCH_TOPK = ("batchtopk", "matryoshka_batchtopk")  # the names under which they train; saved, they are "jumprelu"
_NORMALISATIONS = ("none", "expected_average_only_in", "constant_norm_rescale", "layer_norm")
_LEGACY_ACTIVATIONS = {"relu": "relu", "tanh-relu": "tanh_relu", "topk": "topk"}

_STRUCTURE = {"architecture", "d_in", "d_out", "d_sae", "k", "dtype", "device", "metadata"} | {
    "apply_b_dec_to_input", "normalize_activations", "reshape_activations", "rescale_acts_by_decoder_norm",
    "activation_fn", "activation_fn_str", "activation_fn_kwargs", "finetuning_scaling_factor",
    "max_iterations", "residual_threshold", "stop_on_duplicate_support",
}  # fmt: skip
"""Settings that say how to compute, and are therefore no metadata."""


def recognise(folder: Folder) -> str:
    """SAELens by the names of its two files."""
    return f"{CONFIG} and {WEIGHTS}" if folder.has(CONFIG, WEIGHTS) else ""


def describe(folder: Folder) -> Layout:
    """One SAE of SAELens."""
    config = folder.json(CONFIG)
    about = Fields({**config.content, **config.section("metadata").content}, CONFIG)
    header = folder.header(WEIGHTS)
    activation, transcoder, skip = _architecture(config)
    table = _table(activation, transcoder=transcoder, skip=skip, stored=header.keys())
    lengths = measure(header, table, WEIGHTS)
    read, given = _places(about, transcoder)
    normalize, scale = _normalisation(config, folder)
    sae = SAEConfig(
        format="saelens",
        architecture=architecture_name(activation, transcoder=transcoder, skip=skip),
        activation=activation,
        d_in=lengths["d_in"],
        d_out=lengths.get("d_out", lengths["d_in"]),
        d_sae=lengths["m"],
        kind="transcoder" if transcoder else "sae",
        reads=read.hooks,
        writes=given.hooks,
        model_name=about.text("model_name"),
        prepend_bos=None if _explicit_null(about, "prepend_bos") else about.flag("prepend_bos", True),
        k=_k(config, activation, lengths["m"]),
        normalize=normalize,
        apply_b_dec_to_input=config.flag("apply_b_dec_to_input", True) and not transcoder,
        skip=skip,
        heads=not transcoder and _concatenates_heads(about),
        pursuit=_pursuit(config, lengths) if activation == "matching_pursuit" else None,
        dtype=stored_dtype(header, table),
        metadata={name: value for name, value in about.content.items() if name not in _STRUCTURE},
        problems=(*place_problems(read, given), *_problems(config, about, lengths, normalize)),
        processing="centred" if _centred(about) else "raw",
        mask_first=_mask_first(about),
        mask_ids=_mask_ids(about),
        head=_head(about),
    )
    sae = with_facts(sae, about)
    files = [folder.file(name) for name in (CONFIG, WEIGHTS, SCALER) if name in folder.names]
    selects = sae.k is not None or _is_checkpoint(config)
    by_norms = selects and config.flag("rescale_acts_by_decoder_norm", False)
    return Layout(sae, folder.file(WEIGHTS), tuple(files), table, _Arrange(sae, by_norms=by_norms, scale=scale))


FAMILY = Family("saelens", "SAELens", recognise, describe, files=(CONFIG, WEIGHTS))


def _architecture(config: Fields) -> tuple[str, bool, bool]:
    """The activation, whether it is a transcoder, and whether it has a skip connection."""
    name = config.text("architecture", "standard")
    if _is_checkpoint(config):
        return "jumprelu", False, False
    if name not in NAMES:
        raise UserError(
            f"This is a SAELens folder of the architecture “{name[:40]}”, which is not read yet.",
            "Open an SAE of another architecture.",
        )
    activation, transcoder, skip = NAMES[name]
    # Before version 6 the function had a field of its own, and the architecture said "standard" beside a top-k.
    if activation == "relu":
        legacy = config.text("activation_fn_str") or config.text("activation_fn") or "relu"
        if legacy not in _LEGACY_ACTIVATIONS:
            raise UserError(f"{CONFIG} names the activation function “{legacy[:40]}”, which is not known.")
        activation = _LEGACY_ACTIVATIONS[legacy]
    return activation, transcoder, skip


def _is_checkpoint(config: Fields) -> bool:
    """Whether it was saved in the middle of training a BatchTopK dictionary."""
    return config.text("architecture") in _BATCH_TOPK


def _k(config: Fields, activation: str, features: int) -> int | None:
    if activation not in ("topk", "abstopk", "groupmax"):
        return None
    k = config.whole("k") or config.section("activation_fn_kwargs").whole("k")
    return check_k(k, features, CONFIG, groups=activation == "groupmax")


def _problems(config: Fields, about: Fields, lengths: Mapping[str, int], normalize: str) -> Iterator[str]:
    """What the files leave open or get wrong."""
    for key, axis in (("d_in", "d_in"), ("d_sae", "m")):
        if config.whole(key) not in (None, lengths[axis]):
            yield f"{CONFIG} says {key} is {config.whole(key)}, but the tensors have {lengths[axis]}."
    if normalize == "expected_average_only_in":
        yield "Its input was scaled in training; whether the weights contain that scale, the files don't say."
    if _is_checkpoint(config):
        yield "This is a training checkpoint: the threshold it has reached so far is used."


def _table(activation: str, *, transcoder: bool, skip: bool, stored: Collection[str]) -> dict[str, Stored]:
    """Where each tensor lies; `stored` are the names in the file."""
    d_out = "d_out" if transcoder else "d_in"
    table = {"W_dec": Stored("W_dec", ("m", d_out)), "b_dec": Stored("b_dec", (d_out,))}
    if activation == "matching_pursuit":
        return table
    table["W_enc"] = Stored("W_enc", ("d_in", "m"))
    by_feature = ["b_gate", "r_mag", "b_mag"] if activation == "gated" else ["b_enc"]
    if activation == "jumprelu" and "topk_threshold" in stored and "threshold" not in stored:
        table["topk_threshold"] = Stored("topk_threshold", ())
    elif activation == "jumprelu":
        by_feature.append("log_threshold" if "log_threshold" in stored else "threshold")
    # Version 5 writes this tensor by one name and reads it by the other.
    by_feature += [name for name in ("scaling_factor", "finetuning_scaling_factor") if name in stored]
    table |= {name: Stored(name, ("m",)) for name in by_feature}
    if skip:
        table["W_skip"] = Stored("W_skip", ("d_out", "d_in"))
    return table


def _places(about: Fields, transcoder: bool) -> tuple[Place, Place]:
    """Where it reads, and where what it gives belongs."""
    read = _place(about, about.text("hook_name") or about.text("hook_point"), about.text("hf_hook_name"))
    if _head(about) is not None and (read.hook is None or read.hook.site != "attn_z"):
        read = Place(None, "It reads a part of a single attention head that is none of Semascope's hook points.")
    if not transcoder:
        return read, read
    return read, _place(about, about.text("hook_name_out"), about.text("hf_hook_name_out"))


def _place(about: Fields, lens_name: str, module_name: str) -> Place:
    """TransformerLens' name first; the module's where that says more (SAELens calls Gemma's MLP input by a wrong name)."""
    place = from_transformer_lens(lens_name, about.text("model_name"))
    if place.hook is None and module_name:
        by_module = from_module_side(module_name, about.text("model_name"))
        return by_module if by_module.hook else place
    return place


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
    if name not in _NORMALISATIONS:
        raise UserError(
            f"{CONFIG} says that inputs are normalised by “{name[:40]}”, which is not read yet.",
            "Save the SAE for inference with SAELens first: that folds the normalisation into its weights.",
        )
    return name, None


def _centred(about: Fields) -> bool:
    """Whether it saw activations with their mean over the width removed; some early GPT-2 releases did without saying so."""
    if about.section("model_from_pretrained_kwargs").content.get("center_writing_weights") is True:
        return True
    return "hook_point" in about and about.text("model_name") in ("gpt2", "gpt2-small")


def _head(about: Fields) -> int | None:
    """The one head of hook_z that it reads."""
    head = about.whole("hook_head_index")
    return about.whole("hook_point_head_index") if head is None else head


def _mask_first(about: Fields) -> int:
    """Positions at the start of a context that were left out of training."""
    span = about.content.get("seqpos_slice")
    first = span[0] if isinstance(span, list) and span else None
    return first if isinstance(first, int) and 0 < first < 1 << 20 else 0


def _mask_ids(about: Fields) -> tuple[int, ...]:
    """Tokens that were left out of training, where the config lists them; special ones always are."""
    ids = about.content.get("exclude_special_tokens")
    return tuple(each for each in ids if type(each) is int) if isinstance(ids, list) else ()


def _concatenates_heads(about: Fields) -> bool:
    name = about.text("hook_name") or about.text("hook_point")
    return about.text("reshape_activations", "hook_z" if "hook_z" in name else "none") == "hook_z"


def _explicit_null(about: Fields, name: str) -> bool:
    """Whether a release says that it does not know, as those do that Semascope converted from a format without the field."""
    return name in about.content and name not in about


def _pursuit(config: Fields, lengths: Mapping[str, int]) -> Pursuit:
    iterations = config.whole("max_iterations")
    if iterations is not None and not 0 <= iterations <= lengths["m"]:
        raise UserError(f"{CONFIG} says max_iterations is {iterations}, with only {lengths['m']} features.")
    return Pursuit(
        iterations=lengths["d_in"] if iterations is None else iterations,
        residual=config.number("residual_threshold", 0.0),
        on_repeat=config.flag("stop_on_duplicate_support", True),
    )


@dataclass(frozen=True)
class _Arrange:
    """Folds into the weights what SAELens does beside them.

    Attributes:
        sae: What the SAE is.
        by_norms: Features are selected by p · ‖d‖ and decoded by f / ‖d‖.
        scale: Inputs are multiplied by this, outputs divided by it.
    """

    sae: SAEConfig
    by_norms: bool
    scale: float | None

    def __call__(self, tensors: dict[str, Tensor]) -> None:
        """Change `tensors`, by our names, in place of the dictionary."""
        if "log_threshold" in tensors:
            tensors["threshold"] = tensors.pop("log_threshold").exp()
        if "topk_threshold" in tensors:
            tensors["threshold"] = tensors.pop("topk_threshold").expand(self.sae.d_sae)
        for name in ("scaling_factor", "finetuning_scaling_factor"):
            if name in tensors:
                tensors["W_dec"] = tensors["W_dec"] * tensors.pop(name)[:, None]
        if self.sae.activation == "matching_pursuit":
            tensors["W_enc"] = tensors["W_dec"].T
            if not self.sae.apply_b_dec_to_input:  # a tied bias: added only where it was subtracted
                tensors["b_dec"] = tensors["b_dec"] * 0.0
            return
        if self.by_norms:
            norms = tensors["W_dec"].norm(dim=-1).clamp_min(1e-30)
            tensors["W_enc"] = tensors["W_enc"] * norms
            tensors["b_enc"] = tensors["b_enc"] * norms
            tensors["W_dec"] = tensors["W_dec"] / norms[:, None]
        if self.scale is not None:
            tensors["W_enc"] = tensors["W_enc"] * self.scale
            tensors["W_dec"] = tensors["W_dec"] / self.scale
            tensors["b_dec"] = tensors["b_dec"] / self.scale
