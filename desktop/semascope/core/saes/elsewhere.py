"""What SAELens makes of an SAE that was written in its format: what it cannot read, and what it would read otherwise.

Said when one is converted, since a folder in SAELens' format need not mean that SAELens can do all that is here. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator

from semascope.core.masking import Mask
from semascope.core.saes.config import PROCESSINGS, SAEConfig

_ARCHITECTURES = frozenset(
    {
        "standard", "gated", "jumprelu", "topk", "abstopk", "matching_pursuit", "temporal",
        "transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder",
    }
)  # fmt: skip
"""Those that SAELens 6 loads."""


def in_saelens(config: SAEConfig) -> list[str]:
    """Sentences about what SAELens itself cannot do with a converted SAE; Semascope reads it back whole."""
    if config.architecture not in _ARCHITECTURES:
        return [f"SAELens has no architecture {config.architecture}, and refuses the folder; Semascope reads it."]
    return list(_differs(config))


def _differs(config: SAEConfig) -> Iterator[str]:
    if config.scale != 1.0:
        yield f"SAELens does not multiply activations by {config.scale:.6g}, as this SAE needs."
    if config.processing != "raw":
        yield f"SAELens must be given activations {PROCESSINGS[config.processing]}."
    if config.activation == "topk" and not config.rectify:
        yield "SAELens sets the negative ones among the k largest to zero, which this SAE keeps."
    if config.is_transcoder and config.apply_b_dec_to_input:
        yield "SAELens does not subtract b_dec from a transcoder's input, as this one needs."
    if config.is_transcoder and config.normalize != "none":
        yield "SAELens does not normalise a transcoder's input and output, as this one needs."
    if mask := Mask.of(config):
        yield f"SAELens does not leave out {mask}, as its makers did."
