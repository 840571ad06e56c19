"""Names of architectures: SAELens' own where it has one, and others built the same way.

A name is an activation and what it is used in: "jumprelu", "jumprelu_transcoder", "topk_skip_transcoder"; a plain ReLU is
"standard" alone and unnamed in a transcoder.
"""

from __future__ import annotations

from semascope.core.saes.config import ACTIVATIONS, Kind


def architecture_name(
    activation: str, *, transcoder: bool = False, skip: bool = False, kind: Kind | None = None
) -> str:
    """The name of an architecture with this activation; `kind` says more than `transcoder` where there are several layers."""
    if kind in ("cross_layer_transcoder", "crosscoder", "transcoder_set"):
        used_in = f"skip_{kind}" if skip else kind
    elif transcoder or kind == "transcoder":
        used_in = "skip_transcoder" if skip else "transcoder"
    else:
        return "standard" if activation == "relu" else activation
    return used_in if activation == "relu" else f"{activation}_{used_in}"


GLU = "glu_"
"""Before the name of an architecture whose encoder has a gate (`saes.glu`)."""

_ALONE = ("matching_pursuit", "temporal")  # no transcoder computes so

NAMES = {
    architecture_name(activation, transcoder=transcoder, skip=skip): (activation, transcoder, skip)
    for activation in ACTIVATIONS
    for transcoder, skip in ((False, False), (True, False), (True, True))
    if not (transcoder and activation in _ALONE)
}
"""From the name of a one-layer architecture to its activation, whether it is a transcoder, and whether it has a skip."""
