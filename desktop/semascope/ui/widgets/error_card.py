"""A failure in the place where its result would be: the sentence, what to do, and a button."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_label


class ErrorCard(QWidget):
    """Shows anything with a `sentence` and a `hint` (UserError, EngineFailure); `details`, where there are any, can be copied."""

    def __init__(
        self, action: str = "", on_action: Callable[[], object] | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._sentence = plain_label(tone="error")
        self._hint = plain_label(tone="quiet")
        self._details = ""
        self.action = QPushButton(action)
        self.action.setVisible(bool(action))
        if on_action is not None:
            self.action.clicked.connect(lambda: on_action())
        self.copy = QPushButton("Copy details")
        self.copy.setProperty("kind", "plain")
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._details))
        buttons = QHBoxLayout()
        buttons.addWidget(self.action)
        buttons.addWidget(self.copy)
        buttons.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[theme().spacing(4)] * 4)
        layout.setSpacing(theme().spacing(1))
        for label in (self._sentence, self._hint):
            label.setWordWrap(True)
            layout.addWidget(label)
        layout.addSpacing(theme().spacing(1))
        layout.addLayout(buttons)
        layout.addStretch()

    def show_error(self, error: Exception) -> None:
        """Show this failure."""
        self._sentence.setText(str(getattr(error, "sentence", error)))
        self._hint.setText(str(getattr(error, "hint", "")))
        self._hint.setVisible(bool(self._hint.text()))
        self._details = str(getattr(error, "details", ""))
        self.copy.setVisible(bool(self._details))
        self.setAccessibleName(self._sentence.text())
        self.setAccessibleDescription(self._hint.text())
        self.show()
