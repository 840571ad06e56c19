"""Do this model and this SAE belong together? Asked before anything is computed, and answered in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semascope.core.errors import UserError

if TYPE_CHECKING:
    from semascope.core.models.hookpoint import HookPoint
    from semascope.core.models.model import LanguageModel
    from semascope.core.saes.sae import SAE


def check_fit(model: LanguageModel, sae: SAE) -> HookPoint:
    """The hook point at which `sae` reads `model`.

    Raises:
        UserError: The SAE names no hook point, its layer isn't in the model, or its width is another.
    """
    config = sae.config
    hook = config.hook_point
    if hook is None:
        raise UserError(
            "This SAE does not say where in a model it belongs.", "Add the hook point to the SAE's config file."
        )
    for place, width, verb in ((hook, config.d_in, "reads"), (config.hook_out or hook, config.d_out, "writes")):
        if place.layer >= model.n_layers:
            raise UserError(
                f"The SAE belongs to layer {place.layer}, and {model.name} has layers 0 to {model.n_layers - 1}.",
                f"Open the model it was trained on{f', {config.model_name}' if config.model_name else ''}.",
            )
        if width != model.width(place):
            raise UserError(
                f"The SAE {verb} {width:,} values, and {model.name} has {model.width(place):,} at {place}.",
                f"Open the model it was trained on{f', {config.model_name}' if config.model_name else ''}.",
            )
    return hook
