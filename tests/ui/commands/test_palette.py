"""The registry and its view: everything by keyboard, what cannot run stays grey, what was used comes first."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMainWindow
from pytestqt.qtbot import QtBot

from semascope.ui.commands.keys import keys_text
from semascope.ui.commands.palette import Palette
from semascope.ui.commands.registry import Command, Commands
from semascope.ui.shell.menus import Menus


@pytest.fixture
def ran() -> list[str]:
    return []


@pytest.fixture
def commands(ran: list[str]) -> Commands:
    made = Commands()
    for id, title, can in (("a", "Open a model…", True), ("b", "Save the session", False), ("c", "Dark theme", True)):
        made.add(
            Command(id, title, f"Help of {id}.", lambda id=id: ran.append(id), menu="File", enabled=lambda can=can: can)  # type: ignore[misc]
        )
    return made


@pytest.fixture
def palette(qtbot: QtBot, commands: Commands) -> Palette:
    window = QMainWindow()
    window.resize(900, 600)
    qtbot.addWidget(window)
    window.show()
    made = Palette(commands, window)
    window.palette_ = made  # type: ignore[attr-defined]
    made.open()
    return made


def titles(palette: Palette) -> list[str]:
    return [command.title for command in palette.found()]


def test_letters_and_enter_run_a_command(palette: Palette, ran: list[str]) -> None:
    QTest.keyClicks(palette.field, "dark")
    assert titles(palette) == ["Dark theme"]
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert ran == ["c"]
    assert palette.isHidden()


def test_arrows_pass_over_what_cannot_run(palette: Palette, ran: list[str]) -> None:
    assert palette.list.currentRow() == 0
    QTest.keyClick(palette.field, Qt.Key.Key_Down)
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert ran == ["c"]


def test_what_cannot_run_is_shown_and_does_nothing(palette: Palette, ran: list[str]) -> None:
    QTest.keyClicks(palette.field, "save")
    assert titles(palette) == ["Save the session"]
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert ran == []


def test_what_was_used_last_comes_first(palette: Palette, commands: Commands) -> None:
    commands.run("c")
    palette.open()
    assert titles(palette)[0] == "Dark theme"


def test_nothing_found_is_no_fault(palette: Palette, ran: list[str]) -> None:
    QTest.keyClicks(palette.field, "xyzzy")
    assert titles(palette) == []
    QTest.keyClick(palette.field, Qt.Key.Key_Down)
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert ran == []


def test_an_id_or_a_shortcut_twice_is_refused(commands: Commands) -> None:
    with pytest.raises(ValueError, match="twice"):
        commands.add(Command("a", "Again", "Help.", lambda: None))
    commands.add(Command("d", "One", "Help.", lambda: None, "Ctrl+J"))
    with pytest.raises(ValueError, match="both want"):
        commands.add(Command("e", "Other", "Help.", lambda: None, "ctrl+j"))


def test_a_menu_is_grey_only_while_it_is_open(qtbot: QtBot, commands: Commands, ran: list[str]) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    menus = Menus(window.menuBar(), commands, window)
    (file,) = [a.menu() for a in window.menuBar().actions() if a.text() == "&File"]
    file.aboutToShow.emit()
    assert [action.isEnabled() for action in file.actions()] == [True, False, True]
    file.aboutToHide.emit()
    assert commands.action("b").isEnabled(), "a grey action would swallow its shortcut later"
    commands.action("b").trigger()
    assert ran == [], "the registry still knows that it cannot run"
    menus.fill()


@pytest.mark.parametrize(("shortcut", "words"), [("Ctrl+Shift+H", "Ctrl Shift H"), ("Ctrl++", "Ctrl +"), ("", "")])
def test_keys_in_words(shortcut: str, words: str) -> None:
    assert keys_text(shortcut) == words
