"""A value that reads as text and is typed over when wanted: "+4.0 ×" at the right of a slider.

Without focus it is plain, right-aligned text; with it, a field whose text is selected. Enter takes the value, Escape or
leaving unchanged puts the old text back. What the text means is the listener's affair.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QPalette
from PySide6.QtWidgets import QLineEdit, QWidget

from semascope.ui.theme import theme, themes

WIDEST = "scale ×10.00"


class ValueEdit(QLineEdit):
    """A quiet field for one value.

    Signals:
        typed(str): the person entered this text, different from the one shown.
    """

    typed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "bare")
        self.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setMaxLength(24)
        self.setTextMargins(0, 0, -3, 0)  # the text ends where the slider below it ends
        self._shown = ""
        self._quiet = False
        self.editingFinished.connect(self._finish)
        themes().changed.connect(self._dress)
        self._dress()

    def show_value(self, text: str, quiet: bool = False) -> None:
        """Show this value, unless the person is typing another."""
        self._shown, self._quiet = text, quiet
        if not (self.hasFocus() and self.isModified()):
            self.setText(text)
        self._dress()

    def begin(self, text: str) -> None:
        """Start typing with this character in place of the old value."""
        self.setFocus(Qt.FocusReason.OtherFocusReason)
        self.setText(text)
        self.setModified(True)

    def _finish(self) -> None:
        if self.isModified() and self.text() != self._shown:
            self.setModified(False)
            self.typed.emit(self.text())
        self.setText(self._shown)

    def _dress(self) -> None:
        look = theme()
        self.setFont(look.tabular())
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Text, look.quiet if self._quiet else look.text)
        self.setPalette(palette)
        self.updateGeometry()

    # Qt

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(WIDEST), self.fontMetrics().height() + 4)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.selectAll()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.setModified(False)
            self.setText(self._shown)
            self.selectAll()
            return
        super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        # Escape typed here puts the old value back rather than leaving for a shortcut.
        if event.type() == QEvent.Type.ShortcutOverride and self.isModified():
            event.accept()
            return True
        return bool(super().event(event))
