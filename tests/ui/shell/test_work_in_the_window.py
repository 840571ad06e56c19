"""Long work in the window: a harvest from the form to its first page, stopped, paused, refused; and faults that are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from semascope.core.saes.save import write_saelens
from semascope.ui.crash import CrashHooks
from semascope.ui.shell.main_window import MainWindow
from tests.ui.shell.conftest import SLOW


@pytest.fixture
def laboratory(window: MainWindow, qtbot: QtBot, demo_model_path: Path, small_sae_path: Path) -> MainWindow:
    """The window with model and SAE open; nothing else runs."""
    window.workspace.checking.automatic = False
    window.open_paths([demo_model_path, small_sae_path])
    qtbot.waitUntil(lambda: bool(window.workspace.model_info and window.workspace.sae_info), timeout=SLOW)
    return window


def begin_harvest(window: MainWindow, qtbot: QtBot, corpus: Path, out: Path) -> None:
    """As a person does: fill in the form, press Start."""
    window.commands.run("harvest.run")
    sheet = window.acts.dialog
    sheet.corpus.setText(str(corpus))
    sheet.out.setText(str(out))
    sheet.context.setValue(64)
    qtbot.waitUntil(sheet.go.isEnabled, timeout=SLOW)
    assert "tokens for 512 features" in sheet.verdict.text()
    sheet.go.click()


def test_a_harvest_from_the_form_to_its_first_page(
    laboratory: MainWindow, qtbot: QtBot, small_corpus_path: Path, tmp_path: Path
) -> None:
    window, out = laboratory, tmp_path / "made"
    begin_harvest(window, qtbot, small_corpus_path, out)
    qtbot.waitUntil(lambda: "Harvest small.jsonl" in window.status.text, timeout=SLOW)
    assert window.docks.is_shown("jobs")
    qtbot.waitUntil(lambda: window.workspace.harvest is not None or window.toast.text != "", timeout=SLOW)
    assert "ready" in window.toast.text
    qtbot.waitUntil(lambda: window.workspace.harvest is not None, timeout=SLOW)
    assert window.workspace.harvest is not None
    assert window.workspace.harvest.path == out
    assert window.workspace.harvest.features == 512


def test_a_harvest_is_paused_and_cancelled_from_the_strip(laboratory: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    window, out = laboratory, tmp_path / "made"
    corpus = tmp_path / "long.txt"
    corpus.write_text("The river runs through the old town to the sea. " * 50_000)
    begin_harvest(window, qtbot, corpus, out)
    running = window.workspace.bridge.running
    qtbot.waitUntil(lambda: [r.state for r in running()] == ["running"], timeout=SLOW)
    qtbot.waitUntil(window.status.pause.isVisible, timeout=SLOW)
    window.status.pause.click()
    qtbot.waitUntil(lambda: "paused" in window.status.text, timeout=SLOW)
    window.status.pause.click()
    qtbot.waitUntil(lambda: "paused" not in window.status.text, timeout=SLOW)
    window.status.cancel.click()
    qtbot.waitUntil(lambda: running() == [], timeout=SLOW)
    assert not out.exists()
    assert window.workspace.harvest is None


def test_an_sae_of_another_width_is_refused_and_the_old_one_stays(
    laboratory: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    import torch

    from semascope.core.models.hookpoint import HookPoint

    torch.manual_seed(0)
    tensors = {
        "W_enc": torch.randn(100, 8),
        "W_dec": torch.randn(8, 100),
        "b_enc": torch.zeros(8),
        "b_dec": torch.zeros(100),
        "threshold": torch.zeros(8),
    }
    folder = tmp_path / "narrow"
    write_saelens(
        folder, tensors, architecture="jumprelu", hook_point=HookPoint("resid_post", 3), model_name="other", metadata={}
    )
    before = laboratory.workspace.sae_info
    laboratory.workspace.open_path(folder)
    qtbot.waitUntil(lambda: laboratory.acts.dialog is not None, timeout=SLOW)
    sheet = laboratory.acts.dialog
    assert "100" in sheet.verdict.text()
    assert "576" in sheet.verdict.text()
    assert not sheet.go.isEnabled()
    sheet.reject()
    assert laboratory.workspace.sae_info == before


def test_a_fault_is_told_once_with_its_details(window: MainWindow, qtbot: QtBot, capfd: pytest.CaptureFixture) -> None:
    hooks = CrashHooks(window.fail)
    told: list[object] = []
    hooks._raised.connect(told.append)
    try:
        for _ in range(3):
            hooks._hook(*_raised())
        qtbot.waitUntil(lambda: "ZeroDivisionError" in window.toast.text)
    finally:
        hooks.remove()
    assert len(told) == 1
    assert "Traceback" in told[0].details  # type: ignore[attr-defined]
    assert "Traceback" not in window.toast.text
    assert "ZeroDivisionError" in capfd.readouterr().err


def _raised() -> tuple:
    import sys

    try:
        raise ZeroDivisionError("x")
    except ZeroDivisionError:
        return sys.exc_info()


def test_closing_waits_in_sight_for_the_step_that_runs(laboratory: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    corpus = tmp_path / "long.txt"
    corpus.write_text("The river runs through the old town to the sea. " * 50_000)
    begin_harvest(laboratory, qtbot, corpus, tmp_path / "made")
    qtbot.waitUntil(lambda: bool(laboratory.workspace.bridge.running()), timeout=SLOW)
    seen: list[str] = []
    QTimer.singleShot(0, lambda: seen.append(laboratory.status.text))
    with qtbot.waitSignal(laboratory.closed, timeout=SLOW):
        laboratory.close()
    assert "Stopping" in seen[0]
    assert not (tmp_path / "made").exists()
