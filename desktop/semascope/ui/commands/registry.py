"""The registry of commands: every action of the program, once, with its words, its shortcut and its place in the menus.

Panels add theirs in their constructors; `menus.py` and `palette.py` show them. A command that cannot run now answers
False from `enabled`; it is greyed wherever it is shown, and `run` does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence


def _always() -> bool:
    return True


@dataclass(frozen=True)
class Command:
    """One thing the program can do.

    Attributes:
        id: "room.verb", unique ("feature.pin").
        title: A verb first, sentence case, ending in "…" when it asks for more before it acts.
        help: One sentence that says what it does, for the palette and the status tip.
        run: Does it. Called on the interface thread without arguments.
        shortcut: As Qt spells it ("Ctrl+K"), or "".
        menu: The menu it stands in ("File"), or "" for palette only. "View/Theme" is a submenu.
        enabled: Whether it can run now.
        checked: Whether its tick is set, for commands that switch something; None for all others.
        live_title: The title now, for commands whose words follow the state ("Undo label feature 12").
        section: Commands of one menu with different sections are parted by a line.
        words: Other words that find it in the palette ("colour", "dark").
    """

    id: str
    title: str
    help: str
    run: Callable[[], object]
    shortcut: str = ""
    menu: str = ""
    enabled: Callable[[], bool] = _always
    checked: Callable[[], bool] | None = None
    live_title: Callable[[], str] | None = None
    section: str = ""
    words: str = ""

    @property
    def words_now(self) -> str:
        """The title as it reads at this moment."""
        return self.live_title() if self.live_title else self.title


class Commands(QObject):
    """All commands by id, in the order in which they were added.

    Signals:
        changed: commands were added or removed.
        used: str, the id of a command that has just run.
    """

    changed = Signal()
    used = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._commands: dict[str, Command] = {}
        self._actions: dict[str, QAction] = {}
        self._recent: list[str] = []

    def add(self, command: Command) -> None:
        """Register a command; an id twice, or a shortcut twice, is a fault of the program."""
        if command.id in self._commands:
            raise ValueError(f"command {command.id!r} is registered twice")
        if command.shortcut:
            sequence = QKeySequence(command.shortcut)
            taken = [c.id for c in self if c.shortcut and QKeySequence(c.shortcut) == sequence]
            if taken:
                raise ValueError(f"{command.id!r} and {taken[0]!r} both want {command.shortcut}")
        self._commands[command.id] = command
        self.changed.emit()

    def remove(self, id: str) -> None:
        """Forget a command (one that belonged to a closed panel, a recent file that is gone)."""
        self._commands.pop(id, None)
        action = self._actions.pop(id, None)
        if action is not None:
            action.deleteLater()
        self.changed.emit()

    def __iter__(self) -> Iterator[Command]:
        return iter(tuple(self._commands.values()))

    def __contains__(self, id: object) -> bool:
        return id in self._commands

    def __getitem__(self, id: str) -> Command:
        return self._commands[id]

    def recent(self) -> tuple[str, ...]:
        """Ids of the commands used lately, the last one first."""
        return tuple(self._recent)

    def run(self, id: str) -> bool:
        """Run a command; False when it cannot run now."""
        command = self._commands[id]
        if not command.enabled():
            return False
        self._recent = [id, *(other for other in self._recent if other != id)][:50]
        command.run()
        self.used.emit(id)
        return True

    def action(self, id: str) -> QAction:
        """The command as a QAction, the same object every time, for menus, buttons and shortcuts."""
        if id not in self._actions:
            self._actions[id] = self._make_action(self._commands[id])
        return self._actions[id]

    def refresh(self, id: str) -> None:
        """Bring the words, the grey and the tick of a command's action up to date."""
        command, action = self._commands[id], self.action(id)
        action.setText(command.words_now.replace("&", "&&"))
        action.setEnabled(command.enabled())
        if command.checked is not None:
            action.setChecked(command.checked())

    def _make_action(self, command: Command) -> QAction:
        action = QAction(command.words_now.replace("&", "&&"), self)
        action.setObjectName(command.id)
        action.setStatusTip(command.help)
        action.setToolTip(command.help)
        action.setCheckable(command.checked is not None)
        if command.shortcut:
            action.setShortcut(QKeySequence(command.shortcut))
            action.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)
        action.triggered.connect(lambda _checked=False, id=command.id: self.run(id))
        return action
