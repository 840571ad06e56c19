"""Keeps the program's own keys from the text fields: Ctrl+K finds a command wherever the cursor stands.

On some desktops a text field takes Ctrl+K (delete to the end of the line) and Ctrl+E (go there) for itself. What
everybody expects of a field stays the field's: undo, redo, cut, copy, paste, select all.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QApplication, QWidget

from semascope.ui.commands.registry import Commands

_THE_FIELDS_OWN = (
    QKeySequence.StandardKey.Undo,
    QKeySequence.StandardKey.Redo,
    QKeySequence.StandardKey.Cut,
    QKeySequence.StandardKey.Copy,
    QKeySequence.StandardKey.Paste,
    QKeySequence.StandardKey.SelectAll,
)


class KeyGuard(QObject):
    """Watches the widget that has the keyboard, and no other."""

    def __init__(self, commands: Commands, parent: QObject) -> None:
        super().__init__(parent)
        self._commands = commands
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._follow)

    def keeps(self, key: QKeySequence) -> bool:
        """Whether a key is the program's even while a text is being written."""
        if any(own == key for name in _THE_FIELDS_OWN for own in QKeySequence.keyBindings(name)):
            return False
        return any(QKeySequence(command.shortcut) == key for command in self._commands if "Ctrl" in command.shortcut)

    def _follow(self, old: QWidget | None, new: QWidget | None) -> None:
        if old is not None:
            old.removeEventFilter(self)
        if new is not None:
            new.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
            if control and self.keeps(QKeySequence(event.keyCombination())):
                event.ignore()  # not a key for this widget: let it run the command
                return True
        return False
