"""Max-activating examples: the contexts in which a feature is strongest, one example a context. Numpy only.

A place in the list is a 64-bit key: the activation's bits above (positive floats sort as their bits do), the context's
index below, reversed, so that of equals the earlier context wins. The kept set is therefore a pure function of the
contexts seen, whatever their order. Places are not sorted; where an example's window is stored never moves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semascope.core.harvest.events import Peaks, rank_in_group

KEEP = 20
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


class Accepted(NamedTuple):
    """Examples to store, in order; a later one may take the place of an earlier.

    Attributes:
        peak: Index of the peak, int64, shape (n,).
        slot: Its place among the feature's, int64, shape (n,).
    """

    peak: NDArray[np.int64]
    slot: NDArray[np.int64]


class TopExamples:
    """The strongest contexts of each feature.

    Attributes:
        keys: uint64, shape (m, KEEP); 0 is an empty place.
    """

    ARRAYS = ("keys",)

    def __init__(self, features: int) -> None:
        self.keys = np.zeros((features, KEEP), dtype=np.uint64)

    def offer(self, peaks: Peaks, contexts: NDArray[np.int64]) -> Accepted:
        """Keep those of a tile's peaks that are among the strongest; `contexts` are the corpus indices of the tile's rows."""
        keys = example_keys(peaks.value, contexts[peaks.context])
        candidates = np.flatnonzero(keys > self.keys[peaks.feature].min(axis=1))
        if not len(candidates):
            return Accepted(candidates, candidates)
        rank = rank_in_group(peaks.feature[candidates])
        accepted = [self._round(peaks.feature, keys, candidates[rank == r]) for r in range(int(rank.max()) + 1)]
        return Accepted(*(np.concatenate(columns) for columns in zip(*accepted, strict=True)))

    def _round(self, feature: NDArray[np.int64], keys: NDArray[np.uint64], peak: NDArray[np.int64]) -> Accepted:
        """Offer at most one candidate a feature."""
        slot = self.keys[feature[peak]].argmin(axis=1)
        better = keys[peak] > self.keys[feature[peak], slot]
        peak, slot = peak[better], slot[better]
        self.keys[feature[peak], slot] = keys[peak]
        return Accepted(peak, slot)


def example_keys(value: NDArray[np.float32], context: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Keys that sort by value, then by earlier context; contexts are below 2³²."""
    bits = np.ascontiguousarray(value, dtype=np.float32).view(np.uint32).astype(np.uint64)
    return (bits << _SHIFT) | (_LOW - context.astype(np.uint64))


def read_keys(keys: NDArray[np.uint64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The values and contexts in some keys; an empty place reads as value 0 and context −1."""
    value = (keys >> _SHIFT).astype(np.uint32).view(np.float32)
    context = (_LOW - (keys & _LOW)).astype(np.int64)
    return value, np.where(keys == 0, -1, context)
