"""A plain-text field for a prompt that grows with its text, up to a limit.

Its text belongs to the session: the field has no undo of its own (Ctrl+Z undoes in the session, which hands the old text
back through `show_text`), and it says in which burst of typing a change was made, so that one burst is one step.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QMimeData, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QResizeEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QWidget

from semascope.ui.widgets.gesture import Gesture

BURST_PAUSE = 1.0  # seconds without a key after which a new burst of typing begins
SETTLE_PAUSE = 350  # milliseconds without a key after which the text is acted upon


class PromptEdit(QPlainTextEdit):
    """A prompt.

    Args:
        least: Lines shown at least. most: lines shown at most, beyond which it scrolls.

    Signals:
        edited(str, int): the person changed the text; the number names the burst of typing, unique in the program.
        settled(): the person paused.
        submitted(): Ctrl+Enter.
    """

    edited = Signal(str, int)
    settled = Signal()
    submitted = Signal()

    def __init__(self, least: int = 1, most: int = 6, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._least, self._most = least, most
        self._burst = Gesture(BURST_PAUSE)
        self._showing = False
        self.setUndoRedoEnabled(False)
        self.setTabChangesFocus(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.document().setDocumentMargin(2)
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_PAUSE)
        self._settle.timeout.connect(self.settled)
        self.textChanged.connect(self._changed)
        # Queued: to resize the field inside the layout pass that tells its size would lay out again within it.
        self.document().documentLayout().documentSizeChanged.connect(self._fit, Qt.ConnectionType.QueuedConnection)
        self._fit()

    def show_text(self, text: str) -> None:
        """Show the session's text; nothing happens when it is the one shown."""
        if text == self.toPlainText():
            return
        self._showing = True
        self.setPlainText(text)
        self.moveCursor(QTextCursor.MoveOperation.End)
        self._showing = False

    def _changed(self) -> None:
        self._fit()
        if self._showing:
            return
        self._settle.start()
        self.edited.emit(self.toPlainText(), self._burst.go_on())

    def _fit(self) -> None:
        self.ensurePolished()
        lines = max(self._least, min(self._most, round(self.document().size().height())))
        margins = self.contentsMargins()
        inner = lines * self.fontMetrics().lineSpacing() + 2 * self.document().documentMargin()
        height = round(inner) + margins.top() + margins.bottom()
        if height != self.maximumHeight():
            self.setFixedHeight(height)
        scrolls = self.document().size().height() > self._most
        policy = Qt.ScrollBarPolicy
        self.setVerticalScrollBarPolicy(policy.ScrollBarAsNeeded if scrolls else policy.ScrollBarAlwaysOff)

    # Qt

    def sizeHint(self) -> QSize:
        return QSize(240, self.maximumHeight())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and _is_undo(event):
            event.ignore()  # the window's undo, not the field's
            return False
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if _is_undo(event):
            event.ignore()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and (
            event.modifiers() & Qt.KeyboardModifier.ControlModifier
        ):
            self._settle.stop()
            self.submitted.emit()
        else:
            super().keyPressEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        return source.hasText() and not source.hasUrls()  # files dropped here are the window's to open

    def insertFromMimeData(self, source: QMimeData) -> None:
        if source.hasText():
            self.insertPlainText(source.text())


def _is_undo(event: QKeyEvent) -> bool:
    return event.matches(QKeySequence.StandardKey.Undo) or event.matches(QKeySequence.StandardKey.Redo)
