"""Names of architectures: SAELens' own where it has one, and others built the same way.

A name is an activation and what it is used in: "jumprelu", "jumprelu_transcoder", "topk_skip_transcoder"; a plain ReLU is
"standard" alone and unnamed in a transcoder.
"""

from __future__ import annotations

from semascope.core.saes.config import ACTIVATIONS


def architecture_name(activation: str, *, transcoder: bool = False, skip: bool = False) -> str:
    """The name of an architecture with this activation."""
    if not transcoder:
        return "standard" if activation == "relu" else activation
    used_in = "skip_transcoder" if skip else "transcoder"
    return used_in if activation == "relu" else f"{activation}_{used_in}"


NAMES = {
    architecture_name(activation, transcoder=transcoder, skip=skip): (activation, transcoder, skip)
    for activation in ACTIVATIONS
    for transcoder, skip in ((False, False), (True, False), (True, True))
}
"""From an architecture's name to its activation, whether it is a transcoder, and whether it has a skip connection."""
