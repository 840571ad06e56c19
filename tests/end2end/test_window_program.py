"""The real program in a process of its own: how it starts, how it is stopped in the middle of anything, and how it comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from semascope.core.session.file import read_session

LONGEST = 240  # seconds that anything may take on a loaded machine

# A window in which something is under way; it says so on stdout and then waits to be stopped.
_BUSY = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from semascope.ui import application
from semascope.ui.shell.harvest_plan import Plan

what, model, sae, corpus, out = sys.argv[1:]
built = application.build

def build(app):
    window, recovery = built(app)
    workspace, ready = window.workspace, [False]

    def look():
        if not ready[0] and workspace.model_info and workspace.sae_info:
            ready[0] = True
            window.acts._run_harvest(Plan((Path(corpus),), None, 64, Path(out)))
        running = [record.state for record in workspace.bridge.running()]
        if (what == "opening" and workspace.opening.pending) or (what == "harvest" and ready[0] and "running" in running):
            print("busy", flush=True)
            timer.stop()

    timer = window.timer = QTimer(window, interval=50)
    timer.timeout.connect(look)
    timer.start()
    return window, recovery

application.build = build
sys.exit(application.run([Path(model), Path(sae)]))
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "SEMASCOPE_BASEDIR": str(tmp_path / "profile"), "QT_QPA_PLATFORM": "offscreen"}


@pytest.mark.parametrize(("what", "number"), [("opening", signal.SIGINT), ("harvest", signal.SIGTERM)])
def test_a_signal_ends_it_well_in_the_middle_of_a_job(
    what: str,
    number: signal.Signals,
    environment: dict[str, str],
    tmp_path: Path,
    demo_model_path: Path,
    small_sae_path: Path,
) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("The river runs through the old town to the sea.\n" * 20_000)
    arguments = [what, str(demo_model_path), str(small_sae_path), str(corpus), str(tmp_path / "harvest")]
    program = subprocess.Popen(
        [sys.executable, "-c", _BUSY, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline().strip() == "busy"
    program.send_signal(number)
    _, errors = program.communicate(timeout=LONGEST)
    assert program.returncode == 0, errors
    assert "Traceback" not in errors
    assert not (tmp_path / "harvest").exists(), "half a harvest under the final name"
    assert list((tmp_path / "profile" / "state" / "running").glob("*")) == []


def test_nobody_waits_for_a_model_to_be_loaded_in_order_to_leave(
    environment: dict[str, str], demo_model_path: Path, small_harvest_path: Path
) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from semascope.jobs.engine import Engine\n"
        "from semascope.ui import application\n"
        "Engine._open_model = lambda self, request: (print('loading', flush=True), time.sleep(600))\n"
        "sys.exit(application.run([Path(path) for path in sys.argv[1:]]))\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code, str(small_harvest_path), str(demo_model_path)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline().strip() == "loading"
    began = time.monotonic()
    program.send_signal(signal.SIGTERM)
    _, errors = program.communicate(timeout=LONGEST)
    assert program.returncode == 0, errors
    assert time.monotonic() - began < 60
    saved = list((Path(environment["SEMASCOPE_BASEDIR"]) / "data" / "sessions").glob("*"))
    assert len(saved) == 1, "one whole file, no log beside it"
    assert read_session(saved[0]).harvest is not None


def test_the_window_stands_before_torch_is_imported(environment: dict[str, str], demo_model_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from semascope.ui import application\n"
        "from semascope.ui.shell.main_window import MainWindow\n"
        "opens = MainWindow.open_paths\n"
        "def opened(window, paths):\n"
        "    assert window.isVisible() and window.windowHandle().isExposed()\n"
        "    print('torch' in sys.modules, 'transformers' in sys.modules, flush=True)\n"
        "    opens(window, paths)\n"
        "    window.close()\n"
        "MainWindow.open_paths = opened\n"
        "sys.exit(application.run([Path(sys.argv[1])]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(demo_model_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "False"]


def test_a_killed_window_is_restored_and_told(
    environment: dict[str, str], tmp_path: Path, small_harvest_path: Path
) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from PySide6.QtCore import QTimer\n"
        "from semascope.core.session import edits\n"
        "from semascope.ui import application\n"
        "built = application.build\n"
        "def build(app):\n"
        "    window, recovery = built(app)\n"
        "    w = window.workspace\n"
        "    w.harvest_changed.connect(lambda: w.do(edits.set_label(5, 'written before the end')))\n"
        "    w.saved.connect(lambda path: path and print(path, flush=True))\n"
        "    return window, recovery\n"
        "application.build = build\n"
        "sys.exit(application.run([Path(p) for p in sys.argv[1:]]))\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code, str(small_harvest_path)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    session = Path(program.stdout.readline().strip())
    program.kill()
    program.wait(LONGEST)
    picture = tmp_path / "again.png"
    again = subprocess.run(
        [sys.executable, "-m", "semascope", "--screenshot", str(picture)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    assert again.returncode == 0, again.stderr
    notes = next(iter(read_session(session).notes.values()))
    assert notes[5].label == "written before the end"
    assert _colours(picture) > 50, "the restored window shows its harvest"


def test_a_screenshot_of_a_harvest(environment: dict[str, str], tmp_path: Path, small_harvest_path: Path) -> None:
    picture = tmp_path / "window.png"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "semascope", str(small_harvest_path), "--screenshot", str(picture)],
        env={name: value for name, value in environment.items() if name != "QT_QPA_PLATFORM"},
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < LONGEST
    image = QImage(str(picture))
    assert (image.width(), image.height()) == (1480, 920)
    assert _colours(picture) > 50


def test_without_a_display_it_says_what_to_do(environment: dict[str, str]) -> None:
    bare = {n: v for n, v in environment.items() if n not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-m", "semascope"], env=bare, capture_output=True, text=True, timeout=LONGEST
    )
    assert done.returncode == 1
    assert "--screenshot" in done.stderr
    assert "Traceback" not in done.stderr


def _colours(picture: Path) -> int:
    """How many colours a picture has, looked at on a coarse grid."""
    image = QImage(str(picture))
    return len({image.pixel(x, y) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)})
