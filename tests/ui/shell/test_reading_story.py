"""From the open harvest to a found, read, pinned and labelled feature without a mouse."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from semascope.ui.panels.feature.panel import FeaturePanel
from semascope.ui.panels.features.panel import FeaturesPanel
from semascope.ui.shell.main_window import MainWindow

SLOW = 60_000
Key, Mod = Qt.Key, Qt.KeyboardModifier


def focus() -> QWidget:
    widget = QApplication.focusWidget()
    assert widget is not None, "the keyboard is nowhere"
    return widget


@pytest.fixture
def reading_window(window: MainWindow, qtbot: QtBot, small_harvest_path: Path) -> MainWindow:
    window.open_paths([small_harvest_path])
    qtbot.waitUntil(lambda: window.workspace.harvest is not None, timeout=SLOW)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return window


def test_a_feature_is_found_read_pinned_and_labelled_by_keyboard(reading_window: MainWindow, qtbot: QtBot) -> None:
    window, workspace = reading_window, reading_window.workspace
    features, page = window.findChild(FeaturesPanel), window.findChild(FeaturePanel)
    assert isinstance(features, FeaturesPanel)
    assert isinstance(page, FeaturePanel)
    harvest = workspace.harvest
    assert harvest is not None
    wanted = next(token for id in range(100) for token in harvest.top_tokens(id) if token.strip().isalpha()).strip()

    qtbot.keyClick(window, Key.Key_F, Mod.ControlModifier)
    qtbot.waitUntil(features.search.hasFocus)
    qtbot.keyClicks(focus(), wanted)
    qtbot.waitUntil(lambda: features.presenter.query.text == wanted)
    assert features.search.text() == wanted, "letters that are shortcuts elsewhere are letters here"
    assert workspace.pins() == ()
    qtbot.keyClick(focus(), Key.Key_Down)
    found = workspace.selected
    assert found == int(features.presenter.order[0])

    qtbot.keyClick(focus(), Key.Key_Return)
    qtbot.waitUntil(lambda: page.presenter.page is not None and page.presenter.page.feature == found)
    assert page.examples.hasFocus()
    before = page.examples.height()
    qtbot.keyClick(focus(), Key.Key_Down)
    qtbot.keyClick(focus(), Key.Key_Return)
    assert page.examples.height() > before

    qtbot.keyClick(focus(), Key.Key_P)
    assert [pin.feature for pin in workspace.pins()] == [found]
    qtbot.keyClick(focus(), Key.Key_F2)
    qtbot.keyClicks(focus(), "a name")
    qtbot.keyClick(focus(), Key.Key_Return)
    assert workspace.label(found) == "a name"
    assert page.examples.hasFocus(), "the keyboard is back where it was"
    qtbot.keyClick(focus(), Key.Key_Z, Mod.ControlModifier)
    assert workspace.label(found) == ""
