"""Do this model and this SAE, both open, belong together? Asked before anything is computed; `saes.fit` has the sentences."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.saes.fit import fits

if TYPE_CHECKING:
    from semascope.core.models.hookpoint import HookPoint
    from semascope.core.models.model import LanguageModel
    from semascope.core.saes.config import SAEConfig
    from semascope.core.saes.fitted import FittedSAE
    from semascope.core.saes.sae import SAE


def fit(model: LanguageModel, sae: SAE) -> FittedSAE:
    """`sae` as it reads and writes `model`.

    Raises:
        UserError: The SAE names no hook point, a layer or a place isn't in the model, or a width is another.
    """
    from semascope.core.saes.fitted import FittedSAE  # here, since it imports torch

    config = sae.config
    problems = fits(config, model.n_layers, functools.partial(_width, model), model.name, model.image_layers)
    if not config.reads:
        raise UserError(problems[0], "Say where it reads, or choose an SAE that says so.")
    if not problems and config.head is not None:
        problems = _head_problems(model, config)
    if problems:
        made_for = f", {config.model_name}" if config.model_name else ""
        raise UserError(problems[0], f"Open the model it was trained on{made_for}.")
    for hooks in (config.reads, config.writes):
        model.width(hooks)  # a place that this family of models lacks says so itself
    return FittedSAE(model, sae)


def _head_problems(model: LanguageModel, config: SAEConfig) -> list[str]:
    """What is wrong with the one head that an SAE reads: another's values would be as many and mean nothing."""
    width = model.width(config.reads[0]) // model.heads
    if config.head is not None and config.head >= model.heads:
        return [f"This SAE belongs to head {config.head}; the heads of {model.name} are 0 to {model.heads - 1}."]
    if config.d_in != width:
        return [f"This SAE reads one head of width {config.d_in}; those of {model.name} have {width}."]
    return []


def _width(model: LanguageModel, hook: HookPoint) -> int | None:
    """How wide the model is there, None where it has no such place."""
    try:
        return model.width(hook)
    except UserError:
        return None
