"""How long until the window is on the screen, beside a bare Qt window.

    .venv/bin/python tests/benchmarks/start_up.py [--rounds 7]

Each round starts both programs, one after the other, as processes of their own, and measures from before the process is made until
the window is exposed and painted. The program starts as it does without arguments, with its settings read and every panel
built. Besides the clock's time it prints the processor's, which other work on the machine disturbs less. Prints one JSON
document; the goal is at most one second more than bare Qt.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

GOAL = 1.0  # seconds more than a bare window

_PAINTED = """
import json, sys, time
from PySide6.QtCore import QEvent, QObject, QTimer
class Painted(QObject):
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint and watched.isVisible() and not getattr(self, "told", False):
            self.told = True
            QTimer.singleShot(0, self.tell)
        return False
    def tell(self):
        heavy = [name for name in ("torch", "transformers") if name in sys.modules]
        print(json.dumps({"at": time.monotonic(), "cpu": time.process_time(), "heavy": heavy}), flush=True)
        self.window.close()
painted = Painted()
"""
_BARE = (
    _PAINTED
    + """
from PySide6.QtWidgets import QApplication, QLabel, QMainWindow
app = QApplication([])
window = painted.window = QMainWindow()
window.setCentralWidget(QLabel("bare"))
window.resize(1480, 920)
window.installEventFilter(painted)
window.show()
app.exec()
"""
)
_PROGRAM = (
    _PAINTED
    + """
from semascope.ui import application
built = application.build
def build(app):
    window, recovery = built(app)
    painted.window = window
    window.installEventFilter(painted)
    return window, recovery
application.build = build
sys.exit(application.run())
"""
)


def start(code: str, basedir: str) -> dict[str, float]:
    """Run one of the two and return its times in seconds."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "SEMASCOPE_BASEDIR": basedir}
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[0])
    assert not told["heavy"], f"{told['heavy']} was imported before the window stood"
    return {"clock": told["at"] - began, "cpu": told["cpu"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as basedir:
        start(_PROGRAM, basedir), start(_BARE, basedir)  # once, to have the files in memory
        pairs = [(start(_PROGRAM, basedir), start(_BARE, basedir)) for _ in range(rounds)]
    result: dict[str, object] = {"rounds": rounds}
    for kind in ("clock", "cpu"):
        program, bare = (statistics.median(pair[index][kind] for pair in pairs) for index in (0, 1))
        more = statistics.median(one[kind] - other[kind] for one, other in pairs)
        result[kind] = {
            "window_seconds": round(program, 3),
            "bare_seconds": round(bare, 3),
            "more_seconds": round(more, 3),
            "ratio": round(program / bare, 2),
        }
    result["goal_more_seconds"] = GOAL
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
