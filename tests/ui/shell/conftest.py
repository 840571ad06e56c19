"""The whole window on the real engine, in a profile of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from semascope.jobs.bridge import Bridge
from semascope.jobs.engine import Engine
from semascope.state.recent import RecentList
from semascope.state.settings import SettingsStore
from semascope.state.workspace import Workspace
from semascope.ui.shell.main_window import MainWindow
from semascope.ui.theme import themes

SLOW = 90_000  # milliseconds that the engine may take on a loaded machine


@pytest.fixture
def window(qtbot: QtBot, qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MainWindow]:
    """A window with nothing open, shown."""
    monkeypatch.setenv("SEMASCOPE_BASEDIR", str(tmp_path / "profile"))
    themes().set("light")
    workspace = Workspace(Bridge(Engine()))
    window = MainWindow(workspace, SettingsStore(), RecentList())
    window.settings.on_change = lambda chosen: themes().set(chosen.theme, chosen.text_scale)
    window.show()
    qtbot.waitExposed(window)
    yield window
    if window.isVisible():
        with qtbot.waitSignal(window.closed, timeout=SLOW):
            window.close()
    themes().set("light")
    window.deleteLater()
