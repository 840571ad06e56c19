"""What was understood of an SAE, and what was not: its settings in JSON's types and in words. Imports no torch.

For `core.identify` and whoever shows it. Only what the settings say; nothing is computed, and no weights are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from semascope.core.masking import Mask
from semascope.core.models.hookpoint import hooks_text
from semascope.core.saes.config import PROCESSINGS, SAEConfig
from semascope.core.saes.formats.layout import Layout
from semascope.core.saes.memory import choices

_ASKED = (
    ("scale", re.compile(r"\bscale|mean norm|multiplied", re.IGNORECASE)),
    ("k", re.compile(r"how many features a token keeps|\bk is\b|\bno k\b")),
    ("activation", re.compile(r"does not say whether it is an|threshold of this|which activation")),
)
"""What a sentence about a problem asks for."""

_NORMALISED = {
    "layer_norm": "each token centred and divided by its own standard deviation",
    "constant_norm_rescale": "each token rescaled to the norm √d",
}


def understood(layout: Layout) -> dict[str, Any]:
    """Everything that is known of an SAE, by name; None where it does not apply or isn't said."""
    config = layout.config
    mask = Mask.of(config)
    return {
        "architecture": config.architecture,
        "dictionary": config.kind,
        "hook_point": hooks_text(config.reads) or None,
        "hook_points": [str(hook) for hook in config.reads],
        "hook_out": hooks_text(config.writes) or None,
        "hook_points_out": [str(hook) for hook in config.writes],
        "model_name": config.model_name or None,
        "d_in": config.d_in,
        "d_out": config.d_out,
        "d_sae": config.d_sae,
        "encoders": config.encoders,
        "features": config.features,
        "activation": config.activation,
        "threshold": _threshold(layout),
        "k": config.k,
        "negative_kept": config.activation == "abstopk" or (config.activation == "topk" and not config.rectify),
        "apply_b_dec_to_input": config.apply_b_dec_to_input,
        "pre_bias": "b_dec is subtracted first" if config.apply_b_dec_to_input else "none",
        "normalize": config.normalize,
        "processing": config.processing,
        "scale": config.scale,
        "units": units(config),
        "skip": config.skip,
        "head": config.head,
        "mask": str(mask) or None,
        "mask_first": config.mask_first,
        "mask_ids": list(config.mask_ids),
        "prepend_bos": config.prepend_bos,
        "bos": bos(config),
        "l0": config.l0,
        "dtype": config.dtype,
        "memory": choices(config, layout.mappable),
        "notes": list(config.notes),
        "asks": asks(config),
    }


def units(config: SAEConfig) -> str:
    """What x is when the SAE reads it, and so what f is in, in words."""
    taken = [PROCESSINGS[config.processing]] if config.processing != "raw" else []
    if config.scale != 1.0:
        taken.append(f"multiplied by {config.scale:.6g}, reconstructions divided by it")
    if config.normalize in _NORMALISED:
        taken.append(_NORMALISED[config.normalize])
    return f"the SAE's own, of activations {', '.join(taken) or PROCESSINGS['raw']}"


def bos(config: SAEConfig) -> str:
    """The rule for what stands before a text, in words."""
    if config.prepend_bos is None:
        return "not said: as the model's tokenizer does"
    return "a BOS before each text" if config.prepend_bos else "no BOS before a text"


def asks(config: SAEConfig) -> list[str]:
    """What its files could not say and a person must: "hook_point", "hook_out", "scale", "activation", "k"."""
    return list(dict.fromkeys(_asks(config)))


def _asks(config: SAEConfig) -> Iterator[str]:
    if not config.reads:
        yield "hook_point"
    if config.is_transcoder and not config.writes:
        yield "hook_out"
    for problem in config.problems:
        yield from asked_by(problem)


def asked_by(problem: str) -> Iterator[str]:
    """What a sentence about a problem asks for, if anything."""
    yield from (name for name, pattern in _ASKED if pattern.search(problem))


def _threshold(layout: Layout) -> str | None:
    """Whether each feature has a threshold of its own."""
    config = layout.config
    if config.activation == "gated":
        return "a gate for each feature"
    if config.activation != "jumprelu":
        return None
    stored = [stored for name, stored in layout.table.items() if "threshold" in name]
    alone = not stored or all(stored.axes == () or stored.axes[0] == "one" for stored in stored)
    return "one for all features" if alone else "one for each feature"
