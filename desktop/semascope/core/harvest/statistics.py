"""Statistics of each feature: how often it fires, sum, sum of squares, maximum and a histogram. Numpy only.

Folded tile by tile, always the same tiles in the same order, so that even the rounding of the sums is the same again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semascope.core.harvest.events import Events, group_starts

BINS = 64
_OCTAVES = 12


def histogram_edges(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Edges of constant ratio that suit activations like `values`: six octaves either side of their median.

    Rounded to a power of two, so that harvests of one SAE agree on their edges. Shape (BINS + 1,), float32.
    """
    middle = float(np.round(np.log2(np.median(values)))) if len(values) else 0.0
    return (2.0 ** (middle - _OCTAVES / 2 + np.arange(BINS + 1) * (_OCTAVES / BINS))).astype(np.float32)


class Statistics:
    """Sums over every counted token, one row a feature.

    Attributes:
        count: Tokens on which the feature fires, int64, shape (m,).
        total: Sum of activations, float64, shape (m,).
        squares: Sum of squared activations, float64, shape (m,).
        maximum: float32, shape (m,).
        histogram: Events by size, uint32, shape (m, BINS + 2): below the first edge, the bins, from the last edge up.
        edges: float32, shape (BINS + 1,).
    """

    ARRAYS = ("count", "total", "squares", "maximum", "histogram", "edges")

    def __init__(self, features: int, edges: NDArray[np.float32]) -> None:
        self.edges = edges
        self.count = np.zeros(features, dtype=np.int64)
        self.total = np.zeros(features, dtype=np.float64)
        self.squares = np.zeros(features, dtype=np.float64)
        self.maximum = np.zeros(features, dtype=np.float32)
        self.histogram = np.zeros((features, len(edges) + 1), dtype=np.uint32)

    def fold(self, events: Events) -> None:
        """Add a tile's events."""
        if not len(events.value):
            return
        starts = group_starts(events.feature)
        feature = events.feature[starts]
        wide = events.value.astype(np.float64)
        self.count[feature] += np.diff(starts, append=len(wide))
        self.total[feature] += np.add.reduceat(wide, starts)
        self.squares[feature] += np.add.reduceat(wide * wide, starts)
        self.maximum[feature] = np.maximum(self.maximum[feature], np.maximum.reduceat(events.value, starts))
        bins = np.searchsorted(self.edges, events.value, side="right")
        np.add.at(self.histogram.reshape(-1), events.feature * self.histogram.shape[1] + bins, np.uint32(1))
