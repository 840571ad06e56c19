"""What a harvest folds a tile into: statistics, top examples, interval samples, and the windows of those kept. Numpy only.

The size depends on the number of features and not on the corpus: about 1,050 bytes of memory a feature (histogram 264, top
160, intervals 578, the rest sums), and 84 windows of scratch on the disk.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from semascope.core.harvest import intervals, top
from semascope.core.harvest.events import Events, Peaks, peaks_of
from semascope.core.harvest.scratch import UNCOUNTED, ExampleScratch
from semascope.core.harvest.statistics import Statistics
from semascope.core.harvest.tiles import Tile

WIDTH = 64
BEFORE = 48
BYTES_PER_FEATURE = 1050


class Accumulators:
    """Everything that is kept of the tiles seen so far.

    Attributes:
        statistics: Sums and histograms.
        top: Max-activating examples.
        intervals: Interval samples.
        scratch: Where the examples of each are stored: "top" and "intervals".
    """

    def __init__(self, folder: Path, features: int, edges: NDArray[np.float32], seed: int) -> None:
        """Empty accumulators with scratch files in `folder` (those that are there are taken up).

        Raises:
            OSError: There is no room for the scratch files.
        """
        self.statistics = Statistics(features, edges)
        self.top = top.TopExamples(features)
        self.intervals = intervals.IntervalSamples(features)
        self.scratch = {
            "top": ExampleScratch(folder, "top", features, top.KEEP, WIDTH),
            "intervals": ExampleScratch(folder, "intervals", features, intervals.SLOTS, WIDTH),
        }
        self._seed = seed

    def fold(self, tile: Tile, places: NDArray[np.int64], events: Events) -> None:
        """Fold one tile.

        Args:
            tile: The tile.
            places: Flat index in the tile of each encoded row, ascending, int64, shape (n,).
            events: Of these rows.
        """
        self.statistics.fold(events)
        length = tile.ids.shape[1]
        peaks = peaks_of(events, places // length)
        position = places[peaks.row] % length
        order = intervals.random_order(
            self._seed, peaks.feature, tile.documents[peaks.context], tile.starts[peaks.context] + position
        )
        for name, accepted in (
            ("top", self.top.offer(peaks, tile.contexts)),
            ("intervals", self.intervals.offer(peaks, tile.contexts, order)),
        ):
            kept = peaks.pick(accepted.peak)
            at = position[accepted.peak]
            windows = _windows(tile, places, events, kept, at)
            self.scratch[name].store(kept.feature, accepted.slot, kept.value, at, windows)

    def state(self) -> dict[str, NDArray]:
        """Every array that a checkpoint must hold."""
        parts: dict[str, Statistics | top.TopExamples | intervals.IntervalSamples] = {
            "statistics": self.statistics,
            "top": self.top,
            "intervals": self.intervals,
        }
        return {f"{name}.{array}": getattr(part, array) for name, part in parts.items() for array in part.ARRAYS}

    def restore(self, state: dict[str, NDArray]) -> None:
        """Take up the arrays of `state`."""
        for name, array in state.items():
            part, attribute = name.split(".")
            setattr(getattr(self, part), attribute, array)

    def flush(self) -> None:
        """Bring the scratch files onto the disk."""
        for scratch in self.scratch.values():
            scratch.flush()


def window_start(peak: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where in its context the window around a peak begins: mostly before the peak, and inside the context."""
    return np.clip(peak - BEFORE, 0, np.maximum(length - WIDTH, 0))


def _windows(
    tile: Tile, places: NDArray[np.int64], events: Events, peaks: Peaks, position: NDArray[np.int64]
) -> NDArray[np.float16]:
    """The windows around some peaks, at these positions of their contexts, float16, shape (n, WIDTH)."""
    length = tile.ids.shape[1]
    # What is not counted, with room behind for windows that are longer than their context.
    uncounted = np.full((len(tile.ids), length + WIDTH), UNCOUNTED)
    uncounted.reshape(-1)[places // length * (length + WIDTH) + places % length] = 0
    uncounted[np.arange(length + WIDTH) >= tile.lengths[:, None]] = 0
    begin = window_start(position, tile.lengths[peaks.context])
    # Indexing a view of all windows copies whole windows instead of single values.
    windows: NDArray[np.float16] = sliding_window_view(uncounted, WIDTH, axis=1)[peaks.context, begin]
    # The events of a feature in a context follow one another, so only what is not zero is ever touched.
    peak = np.repeat(np.arange(len(position)), peaks.events)
    event = np.arange(len(peak)) + np.repeat(peaks.first - (np.cumsum(peaks.events) - peaks.events), peaks.events)
    offset = places[events.row[event]] % length - begin[peak]
    inside = (offset >= 0) & (offset < WIDTH)
    values = np.minimum(events.value[event], np.finfo(np.float16).max).astype(np.float16)
    windows[peak[inside], offset[inside]] = values[inside]
    return windows
