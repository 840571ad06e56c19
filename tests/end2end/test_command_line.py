"""The real program in its own process: signals, pipes, terminals, and what it leaves on stdout and stderr."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEMASCOPE = (sys.executable, "-m", "semascope")


@pytest.fixture
def harvest(demo_model_path: Path, small_sae_path: Path, small_corpus_path: Path) -> tuple[str, ...]:
    """The command line of a harvest that takes some seconds, but for where it goes."""
    where = ("--model", str(demo_model_path), "--sae", str(small_sae_path), "--corpus", str(small_corpus_path))
    return (*SEMASCOPE, "harvest", *where, "--context", "64", "--batch-tokens", "64")


def test_a_document_stands_alone_on_stdout_and_no_library_speaks(demo_model_path: Path, small_sae_path: Path) -> None:
    done = subprocess.run(
        [*SEMASCOPE, "activations", "--model", demo_model_path, "--sae", small_sae_path, "--text", "Hi", "--json"],
        capture_output=True,
        text=True,
        env=os.environ | {"TRANSFORMERS_VERBOSITY": "info"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["tokens"] == ["Hi"]


def test_ctrl_c_ends_a_harvest_cleanly_and_resume_completes_it(harvest: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "harvest"
    process = subprocess.Popen([*harvest, "--out", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not any(tmp_path.iterdir()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)  # until the harvest has claimed its place, so that the signal meets it at work
    process.send_signal(signal.SIGINT)
    printed, told = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, "")
    assert told.splitlines()[-1].startswith("semascope: Cancelled; ")
    assert "Traceback" not in told
    assert not out.exists()
    done = subprocess.run([*harvest, "--out", out, "--resume", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["features"] == 512
    assert [path.name for path in tmp_path.iterdir()] == ["harvest"]


def test_a_terminal_gets_one_line_that_updates_itself(harvest: tuple[str, ...], tmp_path: Path) -> None:
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [*harvest, "--out", tmp_path / "harvest", "--json"], stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(terminal)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(printed)["alive"] > 0
    assert b"\rharvest: " in shown
    assert b"tokens" in shown
    assert shown.endswith(b"\r\x1b[K")  # wiped at the end
    announced, rest = shown.split(b"\n", 1)
    assert b"of memory and" in announced
    assert b"\n" not in rest


def test_a_reader_that_has_enough_is_no_error(small_harvest_path: Path) -> None:
    process = subprocess.Popen(
        [*SEMASCOPE, "features", small_harvest_path, "--limit", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    told = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), told) == (141, b"")


def test_a_full_device_behind_stdout_is_told(small_harvest_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with full.open("wb") as stdout:
        done = subprocess.run(
            [*SEMASCOPE, "features", small_harvest_path], stdout=stdout, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "disk is full" in done.stderr


def test_an_argument_that_is_no_text_is_told(demo_model_path: Path, small_sae_path: Path) -> None:
    done = subprocess.run(
        [*SEMASCOPE, "activations", "--model", demo_model_path, "--sae", small_sae_path, "--text", b"\xff\xfe"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "semascope: The prompt is not valid Unicode text. Give it in UTF-8.\n"


def test_a_terminal_of_few_letters_still_gets_the_whole_document(small_harvest_path: Path) -> None:
    """Where stdout is no UTF-8, JSON escapes what it can't write."""
    command = [*SEMASCOPE, "features", small_harvest_path, "--limit", "0", "--json"]
    narrow, wide = (
        subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}).stdout
        for encoding in ("ascii", "utf-8")
    )
    assert narrow.isascii()
    assert not wide.isascii()
    assert json.loads(narrow) == json.loads(wide)


def test_a_checkout_runs_without_being_installed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "desktop", "demo", "--json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "model" in json.loads(done.stdout)
