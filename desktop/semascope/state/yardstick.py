"""What strengths and colours are measured in: each feature's maximum and density in the open harvest.

A harvest measures only the SAE that it was made with. With none open, or one of another SAE, there is no yardstick:
strengths are raw activations then, colours are relative to what is on the screen, and `problem` says why. No Qt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semascope.core.harvest.store import Harvest
    from semascope.jobs.infos import SAEInfo

DENSE = 0.10
"""A density above which a feature says little about a text and is listed apart."""


@dataclass(frozen=True)
class Yardstick:
    """Maxima and densities, where they are known.

    Attributes:
        harvest: The harvest they come from, or None.
        problem: A sentence that says why there is none, or "".
    """

    harvest: Harvest | None = None
    problem: str = ""

    @property
    def median(self) -> float | None:
        """The median norm of the harvest's sink rule, so that a prompt greys the same tokens; None where unknown."""
        return self.harvest.sink_rule.median if self.harvest is not None else None

    def maximum(self, feature: int) -> float | None:
        """The feature's highest activation in the harvest; None where it never fired or nothing is known."""
        if self.harvest is None or not 0 <= feature < self.harvest.features:
            return None
        value = float(self.harvest.maximum[feature])
        return value if math.isfinite(value) and value > 0 else None

    def density(self, feature: int) -> float | None:
        """The share of the harvest's tokens on which the feature fires; None where nothing is known."""
        if self.harvest is None or not 0 <= feature < self.harvest.features:
            return None
        return float(self.harvest.density[feature])

    def is_dense(self, feature: int) -> bool:
        """Whether the feature fires on over a tenth of all tokens."""
        return (self.density(feature) or 0.0) > DENSE


def yardstick(harvest: Harvest | None, sae: SAEInfo | None) -> Yardstick:
    """The yardstick that an open harvest gives for the open SAE (for its own, while no SAE is open)."""
    if harvest is None:
        return Yardstick(problem="No harvest is open: strengths and values are raw activations.")
    made_with = str(harvest.info.get("sae", {}).get("sha256", ""))
    if sae is not None and made_with and made_with != sae.fingerprint:
        return Yardstick(
            problem="The open harvest was made with another SAE: strengths and values are raw activations."
        )
    return Yardstick(harvest)
