"""Does the window answer while a harvest runs? A 10 ms timer on the interface thread, with and without the harvest.

    .venv/bin/python tests/benchmarks/interface_latency.py [--seconds 20] [--model M --sae S --corpus C]

The real window with the demo's model, dictionary and corpus (or those given); a real harvest on the engine lane, of the size and
with the threads that the program uses. Every second another feature is selected, so that pages are drawn meanwhile. What is
measured is how much later than asked the timer fires. Prints one JSON document; the goal is a 99th percentile of 50 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["SEMASCOPE_BASEDIR"] = tempfile.mkdtemp(prefix="semascope-benchmark-")

import numpy as np
from PySide6.QtCore import QEventLoop, Qt, QTimer

from semascope import paths
from semascope.core.session.places import demo_place
from semascope.ui.application import application, build
from semascope.ui.shell.harvest_plan import Plan
from semascope.ui.shell.main_window import MainWindow

GOAL = 50.0  # milliseconds, 99th percentile
STEP = 10  # milliseconds


def wait(milliseconds: int) -> None:
    """Let the program run."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def latencies(window: MainWindow, seconds: float) -> np.ndarray:
    """How late the timer fired, in milliseconds, while features are looked at."""
    late: list[float] = []
    last = time.perf_counter()

    def tick() -> None:
        nonlocal last
        now = time.perf_counter()
        late.append(1000 * (now - last) - STEP)
        last = now

    def look() -> None:
        harvest = window.workspace.harvest
        if harvest is not None:
            window.workspace.select(int(np.random.default_rng(len(late)).integers(harvest.features)))

    ticking = QTimer(window, interval=STEP, timerType=Qt.TimerType.PreciseTimer)
    looking = QTimer(window, interval=1000)
    ticking.timeout.connect(tick)
    looking.timeout.connect(look)
    ticking.start()
    looking.start()
    wait(round(seconds * 1000))
    ticking.stop()
    looking.stop()
    return np.clip(np.array(late[1:]), 0, None)


def summary(late: np.ndarray) -> dict[str, float]:
    p50, p99 = np.percentile(late, [50, 99])
    return {"p50_ms": round(p50, 1), "p99_ms": round(p99, 1), "max_ms": round(late.max(), 1), "ticks": len(late)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--model", type=Path, default=demo_place("model"))
    parser.add_argument("--sae", type=Path, default=demo_place("sae"))
    parser.add_argument("--corpus", type=Path, default=demo_place("corpus"))
    parser.add_argument("--harvest", type=Path, default=demo_place("harvest"))
    args = parser.parse_args()
    window, _ = build(application())
    window.show()
    workspace = window.workspace
    window.open_paths([path for path in (args.harvest, args.model, args.sae) if path and path.exists()])
    while workspace.bridge.pending or not (workspace.model_info and workspace.sae_info):
        wait(100)
    quiet = latencies(window, args.seconds)
    window.acts._run_harvest(Plan((args.corpus,), None, 128, paths.data_dir() / "harvest"))
    while not any(record.progress and record.progress.done for record in workspace.bridge.running()):
        wait(100)
    busy = latencies(window, args.seconds)
    record = next(record for record in workspace.bridge.running() if record.pausable)
    rate = record.progress.rate if record.progress else None
    result = {
        "without_harvest": summary(quiet),
        "during_harvest": summary(busy),
        "p99_ratio": round(float(np.percentile(busy, 99) / max(np.percentile(quiet, 99), 0.1)), 2),
        "harvest_tokens_per_second": rate and round(rate),
        "goal_p99_ms": GOAL,
    }
    print(json.dumps(result, indent=2))
    window.close()
    while window.isVisible():
        wait(50)


if __name__ == "__main__":
    main()
