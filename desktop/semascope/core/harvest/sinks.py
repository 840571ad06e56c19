"""Attention sinks: the positions with enormous norms that every statistic leaves out. One rule, numpy only.

A position is a sink when the norm of its activation exceeds a multiple of the median norm at that hook point
(`method.md`, "Attention sinks"). The median is estimated once, from the first tokens of the corpus, and then fixed, so
that a harvest says which rule it used and anyone can apply it again.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MULTIPLE = 4.0
ESTIMATED_FROM = 8192


@dataclass(frozen=True)
class SinkRule:
    """A position is a sink when its norm is above `multiple` × `median`.

    Attributes:
        multiple: How many times the median.
        median: The median norm, in the model's own units.
        estimated_from: How many tokens the median was taken over.
    """

    multiple: float
    median: float
    estimated_from: int = 0

    @property
    def threshold(self) -> float:
        """The greatest norm that is no sink."""
        return self.multiple * self.median

    def mask(self, norms: ArrayLike) -> NDArray[np.bool_]:
        """Which positions are sinks: bool, the shape of `norms`; a norm that is not finite is one too."""
        values = np.asarray(norms, dtype=np.float32)
        # As float32 on both sides, so that the rule read back from a harvest decides as it did then.
        return ~(values <= np.float32(self.threshold)) | ~np.isfinite(values)

    @classmethod
    def estimate(cls, norms: ArrayLike, multiple: float = MULTIPLE) -> SinkRule:
        """The rule for activations with these norms, any shape; at least one must be finite."""
        values = np.asarray(norms, dtype=np.float64)
        return cls(multiple, float(np.median(values[np.isfinite(values)])), int(values.size))

    def to_json(self) -> dict[str, Any]:
        """What `harvest.json` keeps."""
        return {**asdict(self), "threshold": self.threshold}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> SinkRule:
        """The rule that `to_json` wrote.

        Raises:
            ValueError: The record holds no such rule.
        """
        try:
            rule = cls(float(record["multiple"]), float(record["median"]), int(record["estimated_from"]))
        except (KeyError, TypeError) as error:
            raise ValueError("no sink rule") from error
        if not math.isfinite(rule.threshold):
            raise ValueError("no sink rule")
        return rule
