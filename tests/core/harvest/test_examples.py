"""Top examples and interval samples on made-up events: kept sets that depend on the events alone, and fair samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from semascope.core.harvest import intervals, top
from semascope.core.harvest.events import Peaks, events_of, peaks_of
from semascope.core.harvest.forward import events_on_device

FEATURES = 3


class Kept:
    """Both kinds of examples after a stream of peaks, given as arrays of (feature, context, value) in batches."""

    def __init__(self, events: np.ndarray, batches: list[np.ndarray], seed: int = 7) -> None:
        self.top = top.TopExamples(FEATURES)
        self.intervals = intervals.IntervalSamples(FEATURES)
        self.stored: dict[str, dict[tuple[int, int], int]] = {"top": {}, "intervals": {}}
        self.values = np.zeros((FEATURES, intervals.SLOTS), dtype=np.float32)
        for batch in batches:
            self._fold(events[np.sort(batch)], seed)

    def _fold(self, events: np.ndarray, seed: int) -> None:
        events = events[np.lexsort((events["context"], events["feature"]))]
        contexts, row = np.unique(events["context"], return_inverse=True)
        peaks = Peaks(events["feature"], row, row, events["value"], row, row)
        order = intervals.random_order(seed, peaks.feature, contexts[row])
        for name, accepted in (
            ("top", self.top.offer(peaks, contexts)),
            ("intervals", self.intervals.offer(peaks, contexts, order)),
        ):
            for peak, slot in zip(accepted.peak, accepted.slot, strict=True):
                self.stored[name][int(peaks.feature[peak]), int(slot)] = int(contexts[row[peak]])
                if name == "intervals":
                    self.values[peaks.feature[peak], slot] = peaks.value[peak]

    def sample(self, maximum: np.ndarray) -> list[list[set[int]]]:
        """The contexts chosen, by feature and interval."""
        places_values = np.take_along_axis(self.values, self.intervals.slots.astype(np.int64), axis=1)
        chosen = intervals.choose(self.intervals.keys, places_values, maximum)
        keys = self.intervals.keys.reshape(FEATURES, -1)
        return [
            [{int(keys[f, place]) & 0xFFFFFFFF for place in chosen[f, i] if place >= 0} for i in range(5)]
            for f in range(FEATURES)
        ]


def make_events(seed: int, contexts: int = 1500) -> np.ndarray:
    random = np.random.default_rng(seed)
    found = [
        (f, c, random.exponential(2.0 * (f + 1)))
        for f in range(FEATURES)
        for c in range(contexts)
        if random.random() < 0.7
    ]
    return np.array(found, dtype=[("feature", "i8"), ("context", "i8"), ("value", "f4")])


def split(order: np.ndarray, size: int) -> list[np.ndarray]:
    return [order[at : at + size] for at in range(0, len(order), size)]


@pytest.fixture(scope="module")
def events() -> np.ndarray:
    return make_events(0)


def maxima(events: np.ndarray) -> np.ndarray:
    return np.array([events["value"][events["feature"] == f].max() for f in range(FEATURES)], dtype=np.float32)


@pytest.mark.parametrize("size", [1, 37, 10_000])
def test_what_is_kept_depends_on_the_events_alone(events: np.ndarray, size: int) -> None:
    one = Kept(events, split(np.arange(len(events)), 50))
    other = Kept(events, split(np.random.default_rng(size).permutation(len(events)), size))
    np.testing.assert_array_equal(np.sort(one.top.keys), np.sort(other.top.keys))
    np.testing.assert_array_equal(np.sort(one.intervals.keys), np.sort(other.intervals.keys))
    assert one.sample(maxima(events)) == other.sample(maxima(events))


def test_the_strongest_are_kept(events: np.ndarray) -> None:
    kept = Kept(events, split(np.arange(len(events)), 64))
    for feature in range(FEATURES):
        mine = events[events["feature"] == feature]
        best = mine[np.lexsort((mine["context"], -mine["value"]))][: top.KEEP]
        values, contexts = top.read_keys(np.sort(kept.top.keys[feature])[::-1])
        np.testing.assert_array_equal(values, best["value"])
        np.testing.assert_array_equal(contexts, best["context"])


def test_of_equals_the_earlier_context_is_kept() -> None:
    events = np.array([(0, c, 1.0) for c in range(60)], dtype=[("feature", "i8"), ("context", "i8"), ("value", "f4")])
    kept = Kept(events, split(np.arange(60)[::-1], 7))
    assert sorted(top.read_keys(kept.top.keys[0])[1]) == list(range(20))
    assert (kept.top.keys[1] == 0).all()
    assert (top.read_keys(kept.top.keys[1])[1] == -1).all()


def test_what_is_stored_is_what_is_kept(events: np.ndarray) -> None:
    kept = Kept(events, split(np.random.default_rng(3).permutation(len(events)), 111))
    for feature in range(FEATURES):
        for slot, context in enumerate(top.read_keys(kept.top.keys[feature])[1]):
            assert kept.stored["top"][feature, slot] == context
        keys = kept.intervals.keys[feature].reshape(-1)
        assert sorted(kept.intervals.slots[feature]) == list(range(intervals.SLOTS))
        for place in np.flatnonzero(keys != intervals.EMPTY):
            slot = int(kept.intervals.slots[feature, place])
            assert kept.stored["intervals"][feature, slot] == int(keys[place]) & 0xFFFFFFFF


def test_samples_lie_in_their_interval_and_fill_it(events: np.ndarray) -> None:
    highest = maxima(events)
    sample = Kept(events, split(np.arange(len(events)), 64)).sample(highest)
    for feature in range(FEATURES):
        mine = events[events["feature"] == feature]
        for interval in range(5):
            low, high = (bound[feature] for bound in intervals.bounds(highest, interval))
            inside = set(mine["context"][(mine["value"] > low) & (mine["value"] <= high)].tolist())
            assert sample[feature][interval] <= inside
            assert len(sample[feature][interval]) >= min(len(inside), 3)


def test_samples_are_uniform() -> None:
    """Over many seeds every event of an interval is drawn about as often as any other (chi-square, one in ten thousand)."""
    random = np.random.default_rng(11)
    events = np.array(
        [(f, c, random.uniform(0, 1)) for f in range(FEATURES) for c in range(400)],
        dtype=[("feature", "i8"), ("context", "i8"), ("value", "f4")],
    )
    highest = maxima(events)
    batches = split(np.arange(len(events)), 200)
    seeds = 300
    drawn = np.zeros((FEATURES, 5, 400))
    for seed in range(seeds):
        for feature, some in enumerate(Kept(events, batches, seed).sample(highest)):
            for interval, contexts in enumerate(some):
                drawn[feature, interval, list(contexts)] += 1
    for feature in range(FEATURES):
        mine = events[events["feature"] == feature]
        for interval in range(5):
            low, high = (bound[feature] for bound in intervals.bounds(highest, interval))
            inside = np.zeros(400, dtype=bool)
            inside[mine["context"][(mine["value"] > low) & (mine["value"] <= high)]] = True
            counts = drawn[feature, interval, inside]
            n = len(counts)
            assert counts.sum() > 4 * seeds
            chi_square = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
            assert chi_square < (n - 1) + 4.5 * np.sqrt(2 * (n - 1))


def test_events_and_peaks_are_those_of_plain_loops() -> None:
    random = np.random.default_rng(5)
    f = np.where(random.random((40, 70)) < 0.1, random.random((40, 70)), 0).astype(np.float32)
    f[3, 4] = f[5, 4] = 2.0  # a maximum twice in one context
    f[9, 9] = np.inf
    f[10, 9] = np.nan
    context = np.repeat(np.arange(8), 5)
    events = events_of(f)
    plain = [(j, i, f[i, j]) for j in range(70) for i in range(40) if f[i, j] > 0 and np.isfinite(f[i, j])]
    assert list(zip(*(column.tolist() for column in events), strict=True)) == [(j, i, float(v)) for j, i, v in plain]
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for j, i, v in plain:
        if v > best.get((j, int(context[i])), (0.0, -1))[0]:
            best[j, int(context[i])] = (float(v), i)
    peaks = peaks_of(events, context)
    found = {(int(j), int(c)): (float(v), int(i)) for j, c, i, v, _, _ in zip(*peaks, strict=True)}
    assert found == best
    assert len(peaks.value) == len(best)
    for j, c, first, n in zip(peaks.feature, peaks.context, peaks.first, peaks.events, strict=True):
        rows = [i for k, i, _ in plain if k == j and context[i] == c]
        assert events.row[first : first + n].tolist() == rows
        assert (events.feature[first : first + n] == j).all()


def test_a_device_finds_the_same_events() -> None:
    f = torch.rand(50, 90, generator=torch.Generator().manual_seed(0)).sub_(0.8).relu_()
    f[7, 8] = torch.inf
    for one, other in zip(events_of(f.numpy()), events_on_device(f), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_events() -> None:
    events = events_of(np.zeros((4, 6), dtype=np.float32))
    peaks = peaks_of(events, np.zeros(4, dtype=np.int64))
    assert len(peaks.value) == 0
    assert len(top.TopExamples(6).offer(peaks, np.zeros(1, np.int64)).peak) == 0
    order = intervals.random_order(0, peaks.feature)
    assert len(intervals.IntervalSamples(6).offer(peaks, np.zeros(1, np.int64), order).peak) == 0
