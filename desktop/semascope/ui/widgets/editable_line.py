"""A line of text that reads as a title and is edited where it stands: Enter or leaving keeps, Esc takes back."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QFont, QFontMetrics, QKeyEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QSizePolicy, QWidget
from shiboken6 import isValid


class EditableLine(QLineEdit):
    """A line edit without a frame until it has the keyboard.

    Signals:
        committed: the new text, when it differs from what was shown.
    """

    committed = Signal(str)

    def __init__(self, placeholder: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown = ""
        self._came_from: QWidget | None = None
        self.setPlaceholderText(placeholder)
        self.setProperty("kind", "bare")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.textChanged.connect(lambda _: self.updateGeometry())

    def show_text(self, text: str, font: QFont | None = None) -> None:
        """Show another text; one that is being typed is given up."""
        if font is not None:
            self.setFont(font)
        self._shown = text
        self.setText(text)
        self.setCursorPosition(0)

    def edit(self) -> None:
        """Start editing with everything selected; when it ends, the keyboard goes back to where it was."""
        self._came_from = QApplication.focusWidget()
        self.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.selectAll()

    def commit(self) -> None:
        """Keep what was typed."""
        text = self.text().strip()
        self.setModified(False)
        if text != self._shown:
            self._shown = text
            self.committed.emit(text)

    def _leave(self) -> None:
        back = self._came_from
        if back is not None and isValid(back) and back is not self and back.isVisible():
            back.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            self.focusNextChild()

    def sizeHint(self) -> QSize:
        words = self.text() or self.placeholderText()
        hint = super().sizeHint()
        return QSize(QFontMetrics(self.font()).horizontalAdvance(words) + 26, hint.height())

    def minimumSizeHint(self) -> QSize:
        return QSize(80, super().minimumSizeHint().height())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.setText(self._shown)
            self._leave()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.commit()
            self._leave()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self.commit()
            self.setCursorPosition(0)
