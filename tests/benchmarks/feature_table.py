"""The features panel with a million rows: opened, sorted, filtered, searched, scrolled; with ratios to what numpy must do at least.

    .venv/bin/python tests/benchmarks/feature_table.py [--features 1000000]

The panel is the real one over a synthetic harvest. Each time runs from the request to the painted list and so includes the
disk pool, the way back to the interface thread, the swap and a paint; the floors are the bare numpy operations in the
same process. `longest_gap_ms` is the longest time in which the interface thread did not answer a 5 ms timer.
Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("SEMASCOPE_BASEDIR", tempfile.mkdtemp())

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication

from semascope.jobs.bridge import Bridge
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.panels.features.panel import FeaturesPanel
from semascope.ui.preview import NoEngine
from semascope.ui.theme import themes

VOCABULARY = 49_152
BINS = 64


class Vocabulary:
    """The part of a harvest's strings that lists need."""

    def __init__(self) -> None:
        self.pieces_stripped = [f"word{token}" for token in range(VOCABULARY)]
        self.pieces_folded = list(self.pieces_stripped)


class SyntheticHarvest:
    """What the features panel reads of a harvest, made up."""

    def __init__(self, features: int) -> None:
        rng = np.random.default_rng(0)
        self.features = features
        self.tokens = 10_000_000
        self.count = (rng.pareto(0.7, features) * 100).astype(np.int64).clip(0, self.tokens // 10)
        self.density = self.count / self.tokens
        self.maximum = np.where(self.count > 0, rng.gamma(4, 4, features), 0).astype(np.float32)
        self.top_token = rng.integers(0, VOCABULARY, (features, 5), dtype=np.int32)
        self.labels = {
            int(id): f"label {id % 977}" for id in rng.choice(features, min(5000, features // 2), replace=False)
        }
        self.alive = int((self.count > 0).sum())
        self.strings = Vocabulary()
        self._histogram = rng.poisson(np.linspace(30, 0, BINS + 2))

    def top_tokens(self, feature: int) -> list[str]:
        return [self.strings.pieces_stripped[token] for token in self.top_token[feature]]

    def histogram(self, _feature: int) -> np.ndarray:
        return self._histogram

    def neighbours(self, _feature: int) -> list[tuple[int, float]]:
        return []


class GapTimer(QTimer):
    """Remembers the longest time between two of its ticks while it runs."""

    def __init__(self) -> None:
        super().__init__(interval=5, timerType=Qt.TimerType.PreciseTimer)
        self.last = 0.0
        self.longest = 0.0
        self.timeout.connect(self._tick)

    def begin(self) -> None:
        self.last = time.perf_counter()
        self.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self.last)
        self.last = now


def milliseconds(work: Callable[[], object], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def measure(features: int) -> dict[str, float]:
    app = QApplication.instance() or QApplication([])
    themes().set("light")
    workspace = Workspace(Bridge(NoEngine()))
    workspace.save = lambda: None  # type: ignore[method-assign]
    panel = FeaturesPanel(workspace, Commands())
    panel.resize(400, 900)
    panel.show()
    presenter, table = panel.presenter, panel.table
    gaps = GapTimer()
    told = [0]
    presenter.listed.connect(lambda: told.__setitem__(0, told[0] + 1))

    def until_listed(act: Callable[[], object]) -> float:
        before, start = told[0], time.perf_counter()
        gaps.begin()
        act()
        while told[0] == before:
            app.processEvents()
        table.viewport().repaint()
        took = time.perf_counter() - start
        gaps.stop()
        gaps.longest = max(gaps.longest, time.perf_counter() - gaps.last)
        return 1000 * took

    harvest = SyntheticHarvest(features)
    workspace.harvest = harvest  # type: ignore[assignment]
    opened = until_listed(workspace.harvest_changed.emit)
    gaps.longest = 0.0
    result = {"features": features, "open_ms": opened}
    for key, column in (("density", harvest.density), ("max", harvest.maximum)):
        floor = milliseconds(lambda column=column: np.argsort(column), 3)  # type: ignore[misc]
        if presenter.query.sort == key:
            until_listed(lambda key=key: presenter.ask(sort=key, descending=False))  # type: ignore[misc]
        first = until_listed(lambda key=key: presenter.ask(sort=key, descending=True))  # type: ignore[misc]
        until_listed(lambda: presenter.ask(sort="id", descending=False))
        again = until_listed(lambda key=key: presenter.ask(sort=key, descending=True))  # type: ignore[misc]
        result |= {f"sort_{key}_ms": first, f"sort_{key}_over_argsort": first / floor, f"sort_{key}_again_ms": again}
    floor = milliseconds(lambda: np.flatnonzero((harvest.count > 0) & (harvest.density < 0.001)))
    filtered = until_listed(lambda: presenter.ask(density_below=0.001))
    result |= {"filter_ms": filtered, "filter_over_numpy": filtered / floor}
    until_listed(lambda: presenter.ask(density_below=None))
    floor = milliseconds(lambda: np.isin(harvest.top_token, [4321]).any(axis=1), 3)
    searched = until_listed(lambda: presenter.ask(text="word4321"))
    result |= {"search_ms": searched, "search_over_numpy": searched / floor}
    until_listed(lambda: presenter.ask(text=""))
    bar = table.verticalScrollBar()

    def scroll() -> None:
        bar.setValue((bar.value() + 7919) % bar.maximum())
        table.viewport().repaint()

    start = time.process_time()
    for _ in range(40):
        scroll()
    result["scroll_a_page_processor_ms"] = 1000 * (time.process_time() - start) / 40
    result["longest_gap_ms"] = 1000 * gaps.longest
    workspace.bridge.close()
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--features", type=int, default=1_000_000)
    result = measure(parser.parse_args().features)
    print(json.dumps({name: round(value, 3) for name, value in result.items()}, indent=2))


if __name__ == "__main__":
    main()
