"""A message at the foot of the window that goes away by itself, unless it is a failure: that one waits to be closed.

One toast is shown at a time. The same message again while it is up is counted, not stacked.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_label

LINGER = 6000  # milliseconds that a message stays
WIDTH = 460


class Toast(QFrame):
    """Floats over `parent`, at the bottom in the middle."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._over = parent
        self.setObjectName("toast")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._sentence = plain_label()
        self._hint = plain_label(tone="quiet")
        self._count = 1
        self._details = ""
        self._copy = self._button("Copy details", self._copy_details)
        self._close = self._button("Close", self.hide)
        words = QVBoxLayout()
        words.setSpacing(theme().spacing(1) // 2)
        for label in (self._sentence, self._hint):
            label.setWordWrap(True)
            words.addWidget(label)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(*[theme().spacing(n) for n in (4, 3, 2, 3)])
        layout.addLayout(words, 1)
        layout.addWidget(self._copy, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        self._timer = QTimer(self, singleShot=True, interval=LINGER)
        self._timer.timeout.connect(self.hide)
        parent.installEventFilter(self)
        self.hide()

    @property
    def text(self) -> str:
        """What it says now, or "" while hidden."""
        return f"{self._sentence.text()} {self._hint.text()}".strip() if not self.isHidden() else ""

    def say(self, sentence: str, hint: str = "") -> None:
        """Show a message that needs no answer."""
        self._show(sentence, hint, "", failure=False)

    def fail(self, error: BaseException) -> None:
        """Show a failure (anything with `sentence`, `hint` and perhaps `details`)."""
        self._show(
            str(getattr(error, "sentence", error)),
            str(getattr(error, "hint", "")),
            str(getattr(error, "details", "")),
            failure=True,
        )

    def _show(self, sentence: str, hint: str, details: str, failure: bool) -> None:
        again = not self.isHidden() and self._sentence.property("said") == sentence
        self._count = self._count + 1 if again else 1
        self._sentence.setProperty("said", sentence)
        self._sentence.setText(f"{sentence} ({self._count} times)" if again else sentence)
        self._sentence.setProperty("tone", "error" if failure else "")
        self._sentence.style().unpolish(self._sentence)
        self._sentence.style().polish(self._sentence)
        self._hint.setText(hint)
        self._hint.setVisible(bool(hint))
        self._details = details
        self._copy.setVisible(bool(details))
        self._timer.stop() if failure else self._timer.start()
        self.setAccessibleName(f"{sentence} {hint}".strip())
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, self.accessibleName()))
        self.show()
        self._place()

    def _button(self, words: str, action: object) -> QPushButton:
        button = QPushButton(words)
        button.setProperty("kind", "plain")
        button.clicked.connect(action)
        return button

    def _copy_details(self) -> None:
        QGuiApplication.clipboard().setText(f"{self._sentence.text()}\n\n{self._details}")

    def _place(self) -> None:
        parent = self._over
        margin = theme().spacing(6)
        width = min(round(WIDTH * theme().scale), parent.width() - 2 * margin)
        self.setFixedWidth(width)
        self.adjustSize()
        height = max(self.heightForWidth(width), self.sizeHint().height())
        self.setGeometry((parent.width() - width) // 2, parent.height() - height - 2 * margin, width, height)
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and not self.isHidden():
            self._place()
        return super().eventFilter(watched, event)
