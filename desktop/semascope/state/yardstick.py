"""What strengths and colours are measured in: each feature's maximum and density in the open harvest.

A harvest measures only the SAE that it was made with. With none open, or one of another SAE, there is no yardstick:
strengths are raw activations then, colours are relative to what is on the screen, and `problem` says why. No Qt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from semascope.core.models.hookpoint import hooks_text
from semascope.state.dictionaries import made_with

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
    if sae is None:
        return Yardstick(harvest)
    if made_with(harvest) not in ("", sae.fingerprint):
        return Yardstick(
            problem="The open harvest was made with another SAE: strengths and values are raw activations."
        )
    difference = _read_otherwise(harvest, sae)
    return (
        Yardstick(problem=f"{difference}: strengths and values are raw activations.")
        if difference
        else Yardstick(harvest)
    )


def _read_otherwise(harvest: Harvest, sae: SAEInfo) -> str:
    """How the SAE was read for its harvest, where that is not how it is read now; "" where it is."""
    place = hooks_text(harvest.hooks)
    if sae.hook_point not in ("", place):
        return f"The harvest was made at {place}, the SAE is read at {sae.hook_point}"
    read = harvest.info.get("sae", {}).get("read")
    now = {"processing": sae.processing, "scale": sae.scale, "normalize": sae.normalize}
    if isinstance(read, dict) and any(read.get(name, value) != value for name, value in now.items()):
        return "The harvest was made before the SAE was read otherwise"
    return ""
