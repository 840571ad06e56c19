"""What stands where nothing is yet: what would be here, and the one action that fills it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_label


class EmptyState(QWidget):
    """A sentence in the middle of the place it is given, quiet, with at most one button under it."""

    def __init__(
        self,
        title: str,
        text: str = "",
        action: str = "",
        on_action: Callable[[], object] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._title = plain_label(title)
        self._text = plain_label(text, tone="quiet")
        self.button = QPushButton(action)
        self.button.setVisible(bool(action))
        if on_action is not None:
            self.button.clicked.connect(lambda: on_action())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[theme().spacing(6)] * 4)
        layout.setSpacing(theme().spacing(2))
        layout.addStretch(2)
        for label in (self._title, self._text):
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            layout.addWidget(label)
        layout.addSpacing(theme().spacing(1))
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(3)
        self.say(title, text)

    def say(self, title: str, text: str = "", action: str | None = None) -> None:
        """Change the words; `action` None keeps the button as it is, "" hides it."""
        self._title.setText(title)
        self._text.setText(text)
        self._text.setVisible(bool(text))
        if action is not None:
            self.button.setText(action)
            self.button.setVisible(bool(action))
        self.setAccessibleName(title)
        self.setAccessibleDescription(text)
