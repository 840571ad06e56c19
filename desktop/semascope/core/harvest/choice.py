"""Which of the kept examples a harvest ends up with, and what they say together. Numpy only.

Each feature gets `EXAMPLES` places: the max-activating examples, strongest first, then a sample of every interval, lowest
interval first. The same example may stand in both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semascope.core.harvest import intervals, top
from semascope.core.harvest.accumulate import WIDTH, Accumulators, window_start
from semascope.core.harvest.events import group_starts, rank_in_group
from semascope.core.harvest.scratch import ContextLog

EXAMPLES = top.KEEP + intervals.INTERVALS * intervals.SAMPLES
TOP_TOKENS = 5


class Chosen(NamedTuple):
    """The examples of some features.

    Attributes:
        context: Index in the corpus, int64, shape (n, EXAMPLES); −1 where there is no example.
        activation: Of the peak, float32, shape (n, EXAMPLES).
        peak: Index of the peak in its context, uint32, shape (n, EXAMPLES).
        slot: Where its window is stored in its scratch file, int64, shape (n, EXAMPLES).
    """

    context: NDArray[np.int64]
    activation: NDArray[np.float32]
    peak: NDArray[np.uint32]
    slot: NDArray[np.int64]


def choose(kept: Accumulators, start: int, stop: int) -> Chosen:
    """The examples of features `start` to `stop`."""
    features = np.arange(start, stop)[:, None]
    # Keys of the strongest, in order: they sort as value, then earlier context.
    top_slot = np.argsort(kept.top.keys[start:stop], axis=1, kind="stable")[:, ::-1]
    top_value, top_context = top.read_keys(kept.top.keys[start:stop][np.arange(stop - start)[:, None], top_slot])

    keys = kept.intervals.keys[start:stop]
    slots = kept.intervals.slots[start:stop].astype(np.int64)
    scratch = kept.scratch["intervals"]
    place = intervals.choose(keys, scratch.values[features, slots], kept.statistics.maximum[start:stop])
    place = place.reshape(stop - start, -1)
    there = place >= 0
    place = np.maximum(place, 0)
    slot = np.take_along_axis(slots, place, axis=1)
    key = np.take_along_axis(keys.reshape(stop - start, -1), place, axis=1)
    context = np.where(there, (key & np.uint64(0xFFFFFFFF)).astype(np.int64), -1)
    value = np.where(there, scratch.values[features, slot], np.float32(0))
    return Chosen(
        np.hstack([top_context, context]),
        np.hstack([top_value, value]),
        np.hstack([kept.scratch["top"].positions[features, top_slot], scratch.positions[features, slot]]),
        np.hstack([top_slot, slot]),
    )


def windows_of(
    kept: Accumulators, start: int, slot: NDArray[np.integer], there: NDArray[np.bool_]
) -> NDArray[np.float16]:
    """The windows of examples of the features from `start` on, shape (n, EXAMPLES, WIDTH).

    Args:
        kept: The accumulators.
        start: The first feature.
        slot: As in `Chosen`, shape (n, EXAMPLES).
        there: Which examples there are, bool, shape (n, EXAMPLES); the windows of the others are zeros.
    """
    features = np.arange(start, start + len(slot))[:, None]
    windows = np.concatenate(
        [
            kept.scratch["top"].windows[features, slot[:, : top.KEEP]],
            kept.scratch["intervals"].windows[features, slot[:, top.KEEP :]],
        ],
        axis=1,
    )
    windows[~there] = 0
    return windows


def top_tokens(
    chosen: Chosen, windows: NDArray[np.float16], index: NDArray, tokens: NDArray[np.uint32]
) -> NDArray[np.int32]:
    """The tokens on which each feature fires, by activation summed over its examples; int32, shape (n, TOP_TOKENS), −1 for none.

    Args:
        chosen: The features' examples.
        windows: `windows_of` them.
        index, tokens: The contexts, as `ContextLog.index` and `ContextLog.tokens` give them.
    """
    feature, example, offset = np.nonzero(windows > 0)
    result = np.full((len(windows), TOP_TOKENS), -1, dtype=np.int32)
    if not len(feature):
        return result
    entry = index[chosen.context[feature, example]]
    begin = window_start(chosen.peak[feature, example].astype(np.int64), entry["length"].astype(np.int64))
    token = tokens[entry["offset"] + begin + offset].astype(np.int64)
    key = (feature << 32) | token
    order = np.argsort(key, kind="stable")
    starts = group_starts(key[order])
    total = np.add.reduceat(windows[feature, example, offset][order].astype(np.float64), starts)
    feature, token = key[order][starts] >> 32, key[order][starts] & 0xFFFFFFFF
    by_weight = np.lexsort((token, -total, feature))
    feature, token = feature[by_weight], token[by_weight]
    rank = rank_in_group(feature)
    first = rank < TOP_TOKENS
    result[feature[first], rank[first]] = token[first]
    return result


def compact(log: ContextLog, used: NDArray[np.int64]) -> dict[str, NDArray]:
    """The contexts `used` as arrays: token ids one behind the other, and the offset, document and start of each context."""
    index, tokens = log.index()[used], log.tokens()
    length = index["length"].astype(np.int64)
    offset = np.concatenate(([0], np.cumsum(length)))
    kept = np.empty(int(offset[-1]), dtype=tokens.dtype)
    for i, entry in enumerate(index):
        kept[offset[i] : offset[i + 1]] = tokens[entry["offset"] : entry["offset"] + entry["length"]]
    return {
        "context_offset": offset,
        "context_document": index["document"].astype(np.uint32),
        "context_start": index["start"].astype(np.int32),
        "token": kept,
    }


def sparse(windows: NDArray[np.float16]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float16]]:
    """Windows, shape (n, EXAMPLES, WIDTH), as (non-zero values of each example, their offsets, their values)."""
    mask = windows != 0
    return (
        mask.sum(axis=2).astype(np.uint8),
        (np.flatnonzero(mask) % WIDTH).astype(np.uint8),
        windows[mask],
    )
