"""The menu bar: a view of the command registry. Menus appear in a fixed order, commands in the order they were registered."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from semascope.ui.commands.registry import Commands

LAST = "quit"  # the section that stands at the foot of its menu
ORDER = ("File", "Edit", "View", "Model", "Features", "Help")


class Menus:
    """Fills a menu bar and keeps it true: words, ticks and greys are asked for when a menu opens.

    Actions are greyed only while their menu is open. A shortcut always reaches the registry, which knows whether the
    command can run at that moment; an action that was left grey would swallow the key.
    """

    def __init__(self, bar: QMenuBar, commands: Commands, window: QWidget) -> None:
        self._bar, self._commands, self._window = bar, commands, window
        self._menus: dict[str, QMenu] = {}
        self._soon = QTimer(singleShot=True, interval=0)  # many commands may come at once
        self._soon.timeout.connect(self.fill)
        commands.changed.connect(self._soon.start)
        self.fill()

    def fill(self) -> None:
        """Build all menus anew from the registry."""
        self._bar.clear()
        self._menus = {}
        sections: dict[str, str] = {}
        for name in ORDER:
            self._menu(name)
        for command in sorted(self._commands, key=lambda command: command.section == LAST):
            action = self._commands.action(command.id)
            if action not in self._window.actions():
                self._window.addAction(action)
            if not command.menu:
                continue
            menu = self._menu(command.menu)
            if sections.get(command.menu, command.section) != command.section:
                menu.addSeparator()
            sections[command.menu] = command.section
            menu.addAction(action)
        for menu in self._menus.values():
            menu.menuAction().setVisible(not menu.isEmpty())

    def _menu(self, path: str) -> QMenu:
        """The menu at "View" or "View/Theme", made when it is missing."""
        if path not in self._menus:
            parent, _, name = path.rpartition("/")
            menu = self._menu(parent).addMenu(name) if parent else self._bar.addMenu(f"&{name}")
            menu.aboutToShow.connect(lambda menu=menu: self._open(menu))
            menu.aboutToHide.connect(lambda menu=menu: self._close(menu))
            self._menus[path] = menu
        return self._menus[path]

    def _open(self, menu: QMenu) -> None:
        for action in menu.actions():
            if action.objectName() in self._commands:
                self._commands.refresh(action.objectName())

    def _close(self, menu: QMenu) -> None:
        for action in menu.actions():
            action.setEnabled(True)
