"""Events: the (feature, row, value) triplets in which a feature fires, found in a tile's activations. Numpy only.

Activations are sparse, so everything after the encoder works on triplets, sorted by feature and then by row. A *peak* is the
strongest event of one feature in one context: the one by which a context is an example of a feature.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Events(NamedTuple):
    """Firings, sorted by feature, then row.

    Attributes:
        feature: int64, shape (n,).
        row: Row of the activations, int64, shape (n,).
        value: float32, shape (n,), above zero and finite.
    """

    feature: NDArray[np.int64]
    row: NDArray[np.int64]
    value: NDArray[np.float32]

    def pick(self, which: NDArray) -> Events:
        """Some of the events, by mask or index."""
        return Events(self.feature[which], self.row[which], self.value[which])


class Peaks(NamedTuple):
    """The strongest event of each feature in each context, sorted by feature, then context; of equals, the first.

    Attributes:
        feature: int64, shape (n,).
        context: Row of the tile, int64, shape (n,).
        row: Row of the activations, int64, shape (n,).
        value: float32, shape (n,).
        first, events: Index of the feature's first event in the context, and how many follow one another there, int64,
            shape (n,).
    """

    feature: NDArray[np.int64]
    context: NDArray[np.int64]
    row: NDArray[np.int64]
    value: NDArray[np.float32]
    first: NDArray[np.int64]
    events: NDArray[np.int64]

    def pick(self, which: NDArray) -> Peaks:
        """Some of the peaks, by mask or index."""
        return Peaks(
            self.feature[which],
            self.context[which],
            self.row[which],
            self.value[which],
            self.first[which],
            self.events[which],
        )


def events_of(activations: NDArray[np.float32]) -> Events:
    """The events in `activations`, float32, shape (rows, features)."""
    rows, features = activations.shape
    # One dense pass (the comparison) and one over bytes; flatnonzero on a mask is several times faster than nonzero on floats.
    found = np.flatnonzero(activations > 0)
    row, feature = np.divmod(found, features)
    # Sorting the transposed flat index sorts by feature, then row, without an argsort.
    order = np.sort(feature * rows + row)
    feature, row = np.divmod(order, rows)
    return finite(Events(feature, row, activations[row, feature]))


def finite(events: Events) -> Events:
    """Without infinite values, which a float16 model can overflow to and no sum survives."""
    keep = np.isfinite(events.value)
    return events if keep.all() else events.pick(keep)


def peaks_of(events: Events, context: NDArray[np.int64]) -> Peaks:
    """The peaks of `events`; `context` says which context each row of the activations belongs to, ascending, shape (rows,)."""
    if not len(events.value):
        none = events.row
        return Peaks(none, none, none, events.value, none, none)
    contexts = int(context[-1]) + 1
    starts = group_starts(events.feature * contexts + context[events.row])
    sizes = np.diff(starts, append=len(events.value))
    highest = np.maximum.reduceat(events.value, starts)
    at = np.flatnonzero(events.value == np.repeat(highest, sizes))
    group = np.repeat(np.arange(len(starts)), sizes)[at]
    at = at[group_starts(group)]  # where a maximum occurs twice, the first
    row = events.row[at]
    return Peaks(events.feature[at], context[row], row, events.value[at], starts, sizes)


def group_starts(sorted_keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the first of each run of equal keys; the keys are not empty."""
    return np.flatnonzero(np.concatenate(([True], sorted_keys[1:] != sorted_keys[:-1])))


def rank_in_group(sorted_keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of each key within its run of equal keys."""
    starts = group_starts(sorted_keys)
    return np.arange(len(sorted_keys)) - np.repeat(starts, np.diff(starts, append=len(sorted_keys)))
