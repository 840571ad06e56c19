"""Does an SAE fit a model? In sentences, from the settings alone, so that it can be said before either is loaded."""

from __future__ import annotations

from semascope.core.saes.config import SAEConfig


def fits(
    config: SAEConfig, layers: int, width: int | None, model: str = "this model", out_width: int | None = None
) -> list[str]:
    """What keeps an SAE from being used on a model; nothing when it fits.

    Args:
        config: The SAE.
        layers: Number of the model's blocks.
        width: Width of the model's activations at the SAE's hook point (d_model everywhere but at attn_z); None when unknown.
        model: The model's name, for the sentences.
        out_width: The same where a transcoder's output belongs; None takes `width`.
    """
    if config.hook_point is None:
        return list(config.problems) or ["This SAE does not say which layer and hook point it was made for."]
    problems = [
        f"This SAE belongs to layer {layer}; the layers of {model} are 0 to {layers - 1}."
        for layer in sorted({place.layer for place in (config.hook_point, config.hook_out) if place})
        if layer >= layers
    ]
    if width not in (None, config.d_in):
        problems.append(f"This SAE reads activations of width {config.d_in}; {model} has {width}.")
    out_width = width if out_width is None else out_width
    if config.is_transcoder and out_width not in (None, config.d_out):
        problems.append(f"This SAE gives activations of width {config.d_out}; {model} has {out_width}.")
    return problems
