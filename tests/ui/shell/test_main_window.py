"""The window as a person meets it: Welcome, opening by content, undo, layout, theme, drag and drop, closing."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLineEdit, QSlider, QWidget
from pytestqt.qtbot import QtBot

from semascope.core.session import edits
from semascope.core.session.file import read_session
from semascope.ui.shell.main_window import MainWindow
from semascope.ui.shell.top_bar import TopBar
from semascope.ui.shell.welcome import Welcome
from semascope.ui.theme import theme
from semascope.ui.widgets.link_row import LinkRow
from tests.ui.shell.conftest import SLOW


def drop(window: MainWindow, path: Path) -> None:
    """What Qt delivers when a file is dragged over the window and let go."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    either = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(window, QDragEnterEvent(QPoint(200, 200), *either))
    QApplication.sendEvent(window, QDropEvent(QPointF(200, 200), *either))


def test_with_nothing_open_it_welcomes(window: MainWindow) -> None:
    assert window.shows_welcome
    rows = [row.accessibleName() for row in window.welcome.findChildren(LinkRow)]
    assert rows[:4] == ["Open a model…", "Open an SAE…", "Open a harvest…", "Open a session…"]


def test_a_harvest_is_read_without_a_model(window: MainWindow, qtbot: QtBot, small_harvest_path: Path) -> None:
    drop(window, small_harvest_path)
    qtbot.waitUntil(lambda: window.workspace.harvest is not None, timeout=SLOW)
    assert not window.shows_welcome
    bar = window.findChild(TopBar)
    assert bar.harvest.accessibleName() == "Harvest: small"
    assert bar.sae.accessibleDescription() == "not loaded"
    assert window.workspace.session.dictionary, "notes need the fingerprint of the SAE that was harvested"
    assert window.recent.items()[0].kind == "harvest"
    assert window.commands["recent.0"].title == "small (harvest)"
    assert window.commands["recent.0"].menu == "File/Open recent"


@pytest.mark.parametrize("what", ["empty", "rubbish", "gone"])
def test_what_is_nothing_is_refused_in_words(window: MainWindow, qtbot: QtBot, tmp_path: Path, what: str) -> None:
    path = tmp_path / "thing"
    if what == "empty":
        path.mkdir()
    elif what == "rubbish":
        path.write_bytes(bytes(range(256)) * 40)
    drop(window, path)
    qtbot.waitUntil(lambda: window.toast.text != "", timeout=SLOW)
    assert "thing" in window.toast.text
    assert "Traceback" not in window.toast.text
    assert window.shows_welcome


def test_text_that_is_dropped_becomes_a_corpus(window: MainWindow, qtbot: QtBot, small_corpus_path: Path) -> None:
    drop(window, small_corpus_path)
    qtbot.waitUntil(lambda: window.acts.dialog is not None, timeout=SLOW)
    sheet = window.acts.dialog
    assert sheet.corpus.text() == str(small_corpus_path)
    assert "needs a model" in sheet.verdict.text()
    assert not sheet.go.isEnabled()
    sheet.reject()


def test_a_change_is_named_in_the_menu_undone_and_saved(window: MainWindow, qtbot: QtBot) -> None:
    workspace, commands = window.workspace, window.commands
    with qtbot.waitSignal(workspace.saved, timeout=SLOW, check_params_cb=lambda path: path is not None):
        workspace.do(edits.set_prompt("The capital of France"))
    assert commands["edit.undo"].words_now == "Undo “Change the prompt”"
    path = workspace.keeper.path
    assert path is not None
    commands.run("edit.undo")
    assert workspace.session.prompt == ""
    commands.run("edit.redo")
    assert workspace.session.prompt == "The capital of France"
    with qtbot.waitSignal(window.closed, timeout=SLOW):
        window.close()
    assert read_session(path).prompt == "The capital of France"


def test_a_session_is_opened_again(window: MainWindow, qtbot: QtBot, small_harvest_path: Path, tmp_path: Path) -> None:
    workspace = window.workspace
    workspace.open_path(small_harvest_path)
    qtbot.waitUntil(lambda: workspace.harvest is not None, timeout=SLOW)
    workspace.do(edits.set_label(3, "rivers"))
    workspace.select(3)
    workspace.save_as(tmp_path / "mine.semascope")
    qtbot.waitUntil(lambda: workspace.keeper.path == tmp_path / "mine.semascope", timeout=SLOW)
    window.commands.run("session.new")
    qtbot.waitUntil(lambda: window.shows_welcome, timeout=SLOW)
    assert workspace.selected is None
    workspace.open_path(tmp_path / "mine.semascope")
    qtbot.waitUntil(lambda: workspace.harvest is not None, timeout=SLOW)
    assert workspace.selected == 3
    assert workspace.label(3) == "rivers"
    assert "mine" in window.windowTitle()


def test_the_theme_and_the_size_are_commands(window: MainWindow) -> None:
    window.commands.run("view.theme.dark")
    assert theme().dark
    window.commands.run("view.larger")
    assert theme().scale > 1
    window.commands.run("view.normal")
    assert theme().scale == 1
    assert window.settings.current.theme == "dark"


def test_panels_are_hidden_shown_and_put_back(window: MainWindow, qtbot: QtBot) -> None:
    window.show_docks()
    QTest.qWait(50)
    assert window.docks.is_shown("steer")
    assert not window.docks.is_shown("jobs")
    window.commands.run("view.steer")
    assert not window.docks.is_shown("steer")
    window.commands.run("view.jobs")
    assert window.docks.is_shown("jobs")
    window.commands.run("view.reset_layout")
    qtbot.waitUntil(lambda: window.docks.is_shown("steer") and not window.docks.is_shown("jobs"))


def test_a_layout_comes_back_and_that_of_another_version_does_not(window: MainWindow) -> None:
    window.show_docks()
    window.commands.run("view.steer")
    state = window.docks.state()
    window.docks.reset()
    window.docks.restore(state)
    assert not window.docks.is_shown("steer")
    window.docks.restore(window.docks.saveState(99))
    assert window.docks.is_shown("steer")


def test_every_command_says_what_it_does(window: MainWindow) -> None:
    for command in window.commands:
        assert command.help.endswith("."), command.id
        assert command.title[0].isupper() or not command.title[0].isalpha(), command.id
        assert not command.title.endswith("!"), command.id
        assert command.words_now
        command.enabled()


def test_every_control_has_a_name(window: MainWindow) -> None:
    window.show_docks()
    for control in window.findChildren(QWidget):
        if isinstance(control, (QAbstractButton, QLineEdit, QComboBox, QSlider)) and control.isVisible():
            text = control.accessibleName() or getattr(control, "text", lambda: "")()
            if isinstance(control, QLineEdit) and isinstance(control.parent(), QComboBox):
                continue
            assert text or control.toolTip(), f"{control!r} in {control.parentWidget()!r}"


def test_the_welcome_page_is_walked_by_keyboard(window: MainWindow) -> None:
    welcome = window.findChild(Welcome)
    welcome.setFocus()
    seen = set()
    for _ in range(12):
        QTest.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        focus = window.focusWidget()
        if isinstance(focus, LinkRow):
            seen.add(focus.accessibleName())
    assert {"Open a model…", "Open an SAE…", "Open a harvest…", "Open a session…"} <= seen


def test_the_palette_opens_while_a_text_is_written(window: MainWindow, qtbot: QtBot) -> None:
    """On X11 a text field takes Ctrl+K for "delete to the end of the line"."""
    window.show_docks()
    field = QLineEdit("some words", window)
    field.show()
    field.setFocus()
    override = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    override.ignore()
    QApplication.sendEvent(field, override)
    assert not override.isAccepted(), "the field would swallow the key"
    undo = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    undo.ignore()
    QApplication.sendEvent(field, undo)
    assert undo.isAccepted(), "undo in a field undoes what was typed there"
