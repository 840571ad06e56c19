"""Which features fire hardest on a token or on a whole prompt, in the order they are listed.

Works on the engine's answer and the harvest's statistics. Special tokens and attention sinks have huge, meaningless
activations and are left out of the ranking of a prompt (a token pointed at is listed all the same, because the person
asked). Features that fire on over a tenth of all tokens say little about this text and come last, under a heading of
their own. Pure functions on numpy arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semascope.core.activations import PromptActivations
from semascope.state.yardstick import Yardstick

_ALL = 1 << 30  # dense ones must be told apart before a list is cut, so all that fire are looked at


@dataclass(frozen=True)
class Strong:
    """One feature in a list of strongest features.

    Attributes:
        feature: Its id.
        activation: Its activation on the token, or its highest on the prompt, in the SAE's own units.
        position: The token with that activation.
        share: Activation over the feature's maximum in the harvest, or None where that is not known.
        dense: Whether it fires on over a tenth of the harvest's tokens.
    """

    feature: int
    activation: float
    position: int
    share: float | None
    dense: bool


def strongest_at(activations: PromptActivations, token: int, measure: Yardstick, limit: int = 20) -> tuple[Strong, ...]:
    """The strongest features of one token, at most `limit`, and as many dense ones after them."""
    if not 0 <= token < len(activations.strings):
        return ()
    found = activations.top_at(token, _ALL)
    return _listed([_strong(feature, value, token, measure) for feature, value in found], limit)


def strongest_overall(activations: PromptActivations, measure: Yardstick, limit: int = 20) -> tuple[Strong, ...]:
    """The strongest features of the whole prompt, each by its highest activation on a counted token."""
    found = activations.top(_ALL)
    return _listed([_strong(feature, value, at, measure) for feature, value, at in found], limit)


def _strong(feature: int, activation: float, position: int, measure: Yardstick) -> Strong:
    maximum = measure.maximum(feature)
    share = activation / maximum if maximum else None
    return Strong(feature, activation, position, share, measure.is_dense(feature))


def _listed(found: list[Strong], limit: int) -> tuple[Strong, ...]:
    """The order found, dense features after all others; at most `limit` of each."""
    sparse = [strong for strong in found if not strong.dense]
    dense = [strong for strong in found if strong.dense]
    return (*sparse[:limit], *dense[:limit])


def scale_end(activations: PromptActivations, feature: int, maximum: float | None) -> float:
    """The activation that is drawn at full colour; 0.0 where nothing fires.

    It is the feature's maximum in the harvest, so that a colour means the same on every prompt; without one, the
    highest value on this prompt's counted tokens.
    """
    return maximum or activations.peak(feature)[0]


def shares(values: NDArray[np.floating], end: float) -> NDArray[np.float32]:
    """Activations (T,) as shares of a scale's end, in 0…1; what lies beyond is drawn at full colour."""
    if end <= 0:
        return np.zeros(len(values), dtype=np.float32)
    return np.asarray(np.clip(values / end, 0.0, 1.0), dtype=np.float32)
