"""Do this model and this SAE, both open, belong together? Asked before anything is computed; `saes.fit` has the sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.saes.fit import fits

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
    read, given = config.hook_point, config.hook_out or config.hook_point
    widths = [model.width(place) if place and place.layer < model.n_layers else None for place in (read, given)]
    problems = fits(config, model.n_layers, widths[0], model.name, out_width=widths[1])
    if read is None:
        raise UserError(problems[0], "Choose an SAE that was made for one of the model's hook points.")
    if problems:
        made_for = f", {config.model_name}" if config.model_name else ""
        raise UserError(problems[0], f"Open the model it was trained on{made_for}.")
    return read
