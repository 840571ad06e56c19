"""Interval examples: a uniform sample of contexts from every level of a feature's activation. Numpy only.

The intervals are fifths of (0, maximum], but the maximum is known only at the end. So each feature's range [0, 2^e), with
2^e the power of two just above its maximum so far, is cut into 16 equal strata, and each stratum keeps the few events that come
first in a random order: a hash of (seed, feature, document, position). When the maximum passes 2^e, neighbouring strata
become one and keep the first few of both, which are the first few of the union. So what is kept is a pure function of the
events, independent of batches and of order, and merges exactly.

At the end, the events of an interval whose hash is below that of the last kept one in every full stratum the interval touches are
an exactly uniform sample of the interval's events (nothing below that hash was dropped); see `choose`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semascope.core.harvest.events import Peaks, group_starts, rank_in_group
from semascope.core.harvest.top import Accepted

INTERVALS = 5
SAMPLES = 5
STRATA = 16
KEEP = 4
SLOTS = STRATA * KEEP
EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_NEVER = np.int16(-32768)


class IntervalSamples:
    """For each feature and stratum, the first few events in hash order.

    Attributes:
        keys: Hash above, context's index in the corpus below; uint64, shape (m, STRATA, KEEP); EMPTY where there is none.
        slots: Where the example at each place is stored, a permutation of 0 … SLOTS − 1 for each feature, uint8, shape
            (m, SLOTS). Places move when strata are joined; what is stored never does.
        exponent: e of the range [0, 2^e), int16, shape (m,).
    """

    ARRAYS = ("keys", "slots", "exponent")

    def __init__(self, features: int) -> None:
        self.keys = np.full((features, STRATA, KEEP), EMPTY, dtype=np.uint64)
        self.slots = np.tile(np.arange(SLOTS, dtype=np.uint8), (features, 1))
        self.exponent = np.full(features, _NEVER, dtype=np.int16)

    def offer(self, peaks: Peaks, contexts: NDArray[np.int64], order: NDArray[np.uint32]) -> Accepted:
        """Keep those of a tile's peaks that come early enough in the order of their stratum.

        Args:
            peaks: The tile's.
            contexts: Corpus indices of the tile's rows, below 2³².
            order: `random_order` of the peaks.
        """
        if not len(peaks.value):
            return Accepted(peaks.feature, peaks.feature)
        self._grow(peaks)
        stratum = strata_of(peaks.value, self.exponent[peaks.feature])
        keys = (order.astype(np.uint64) << np.uint64(32)) | contexts[peaks.context].astype(np.uint64)
        candidates = np.flatnonzero(keys < self.keys[peaks.feature, stratum].max(axis=1))
        if not len(candidates):
            return Accepted(candidates, candidates)
        group = peaks.feature[candidates] * STRATA + stratum[candidates]
        by_group = np.argsort(group, kind="stable")
        candidates, rank = candidates[by_group], rank_in_group(group[by_group])
        accepted = [
            self._round(peaks.feature, stratum, keys, candidates[rank == r]) for r in range(int(rank.max()) + 1)
        ]
        return Accepted(*(np.concatenate(columns) for columns in zip(*accepted, strict=True)))

    def _round(
        self,
        feature: NDArray[np.int64],
        stratum: NDArray[np.int64],
        keys: NDArray[np.uint64],
        peak: NDArray[np.int64],
    ) -> Accepted:
        """Offer at most one candidate a feature and stratum."""
        kept = self.keys[feature[peak], stratum[peak]]
        place = kept.argmax(axis=1)
        better = keys[peak] < kept[np.arange(len(peak)), place]
        peak, place = peak[better], place[better]
        self.keys[feature[peak], stratum[peak], place] = keys[peak]
        return Accepted(peak, self.slots[feature[peak], stratum[peak] * KEEP + place].astype(np.int64))

    def _grow(self, peaks: Peaks) -> None:
        """Raise the range of every feature whose maximum has passed its end."""
        starts = group_starts(peaks.feature)
        feature = peaks.feature[starts]
        needed = exponents_of(np.maximum.reduceat(peaks.value, starts))
        before = self.exponent[feature]
        grown = needed > before
        feature, needed, before = feature[grown], needed[grown], before[grown]
        self.exponent[feature] = needed
        old = before != _NEVER
        if old.any():
            self._join(feature[old], needed[old].astype(np.int64) - before[old])

    def _join(self, feature: NDArray[np.int64], doublings: NDArray[np.int64]) -> None:
        """Join 2^doublings strata into one for some features, keeping the first few of each union."""
        keys = self.keys[feature].reshape(-1, SLOTS)
        rows = np.arange(len(feature))[:, None]
        stratum = np.broadcast_to(np.repeat(np.arange(STRATA), KEEP), keys.shape) >> np.minimum(doublings, 31)[:, None]
        by_order = np.lexsort((keys, stratum), axis=1)
        keys, stratum = keys[rows, by_order], np.ascontiguousarray(stratum[rows, by_order])
        slots = self.slots[feature][rows, by_order]
        rank = rank_in_group((stratum + rows * STRATA).reshape(-1)).reshape(keys.shape)
        kept = (rank < KEEP) & (keys != EMPTY)
        # Kept examples go to their new places; the slots of all others fill, in order, the places left over.
        place = np.zeros(keys.shape, dtype=np.int64)
        place[kept] = (stratum * KEEP + rank)[kept]
        free = np.ones(keys.shape, dtype=np.bool_)
        free[np.nonzero(kept)[0], place[kept]] = False
        place[~kept] = np.nonzero(free)[1]
        joined = np.full(keys.shape, EMPTY, dtype=np.uint64)
        joined[np.nonzero(kept)[0], place[kept]] = keys[kept]
        moved = np.empty_like(slots)
        moved[rows, place] = slots
        self.keys[feature] = joined.reshape(-1, STRATA, KEEP)
        self.slots[feature] = moved


def exponents_of(maximum: NDArray[np.float32]) -> NDArray[np.int16]:
    """e with 2^(e−1) ≤ maximum < 2^e, for maxima above zero."""
    return np.frexp(maximum)[1].astype(np.int16)


def strata_of(value: NDArray[np.float32], exponent: NDArray[np.int16]) -> NDArray[np.int64]:
    """Stratum of each value in [0, 2^exponent); exact, since scaling by a power of two rounds nothing."""
    return np.ldexp(value.astype(np.float64) * STRATA, -exponent.astype(np.int32)).astype(np.int64)


def random_order(seed: int, *parts: NDArray[np.int64]) -> NDArray[np.uint32]:
    """A hash of `seed` and of each row of `parts`, uint32, shape (n,): splitmix64 (Steele, Lea and Flood 2014), chained."""
    state = np.full(len(parts[0]), seed & 0xFFFFFFFFFFFFFFFF, dtype=np.uint64)
    for part in parts:
        state += part.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(32)).astype(np.uint32)


def choose(
    keys: NDArray[np.uint64], values: NDArray[np.float32], maximum: NDArray[np.float32], samples: int = SAMPLES
) -> NDArray[np.int64]:
    """Sample every interval of some features from what was kept.

    Where the uniform sample is smaller than `samples`, the next kept events in hash order fill it up; these favour, a little, the
    rarer end of their interval.

    Args:
        keys: As kept, shape (n, STRATA, KEEP).
        values: The activation of each, shape (n, SLOTS), in the order of the places.
        maximum: Of each feature, shape (n,).
        samples: How many from each interval.

    Returns:
        Places, lowest interval first, int64, shape (n, INTERVALS, samples); −1 where there are too few.
    """
    flat = keys.reshape(-1, SLOTS)
    width = 2.0 ** exponents_of(np.maximum(maximum, np.finfo(np.float32).tiny)).astype(np.float64) / STRATA
    below = np.arange(STRATA) * width[:, None]
    last = keys.max(axis=2)  # EMPTY unless the stratum is full
    chosen = np.full((len(flat), INTERVALS, samples), -1, dtype=np.int64)
    for interval in range(INTERVALS):
        low, high = (bound[:, None] for bound in bounds(maximum, interval))
        touched = (below <= high) & (below + width[:, None] > low)
        limit = np.where(touched, last, EMPTY).min(axis=1)[:, None]
        inside = (values > low) & (values <= high) & (flat != EMPTY)
        order = np.lexsort((flat, flat >= limit, ~inside), axis=1)[:, :samples]
        chosen[:, interval] = np.where(np.take_along_axis(inside, order, axis=1), order, -1)
    return chosen


def bounds(maximum: NDArray[np.float32], interval: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The ends (low, high] of an interval, float32; the last one's high is the maximum itself."""
    low = (maximum * np.float32(interval / INTERVALS)).astype(np.float32)
    high = (
        maximum if interval == INTERVALS - 1 else (maximum * np.float32((interval + 1) / INTERVALS)).astype(np.float32)
    )
    return low, high
