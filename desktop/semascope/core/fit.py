"""Do this loaded model and this SAE belong together? Asked before anything is computed. The sentences are `saes.fit`'s."""

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
    source, target = config.hook_point, config.hook_out or config.hook_point
    width, out_width = config.d_in, config.d_out
    if source and target and max(source.layer, target.layer) < model.n_layers:  # else the sentence is about the layer
        width, out_width = model.width(source), model.width(target)
    problems = fits(config, model.n_layers, width, model.name, out_width)
    if problems or source is None:
        hint = f"Open the model it was made for{f', {config.model_name}' if config.model_name else ''}."
        raise UserError(problems[0], hint)
    return source
