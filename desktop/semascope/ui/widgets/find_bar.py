"""A small field at the foot of a token view in which a text is looked for; it goes when the keyboard leaves it."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QLineEdit, QWidget

from semascope.ui.theme import theme


class Findable(Protocol):
    """A widget with text to find."""

    def find_text(self, needle: str, *, backwards: bool = False, go_on: bool = True) -> bool: ...


class FindBar(QLineEdit):
    """Typing selects the next place; Enter and Shift+Enter go on and back; Esc closes."""

    def __init__(self, parent: QWidget, target: Findable) -> None:
        super().__init__(parent)
        self._parent, self._target = parent, target
        self.setPlaceholderText(self.tr("Find in the text"))
        self.setAccessibleName(self.tr("Find in the text"))
        self.textEdited.connect(lambda _text: self._find(go_on=False))
        self.hide()

    def open(self) -> None:
        """Show the field in the lower right corner, with what was looked for last."""
        space = theme().spacing(2)
        self.resize(min(220, self._parent.width() - 2 * space), self.sizeHint().height())
        corner = self._parent.rect().bottomRight()
        self.move(corner.x() - self.width() - space, corner.y() - self.height() - space)
        self.show()
        self.raise_()
        self.selectAll()
        self.setFocus(Qt.FocusReason.PopupFocusReason)

    def _find(self, *, backwards: bool = False, go_on: bool = True) -> None:
        """Look for the text; words that are nowhere turn the colour of an error."""
        found = not self.text() or self._target.find_text(self.text(), backwards=backwards, go_on=go_on)
        palette = self.palette()
        palette.setColor(palette.ColorRole.Text, theme().text if found else theme().error)
        self.setPalette(palette)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._find(backwards=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        elif event.key() == Qt.Key.Key_Escape:
            self._parent.setFocus()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        QTimer.singleShot(0, self, self.hide)
