"""Two columns of facts and a button to close them: shortcuts, folders, about."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QFormLayout, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_label


class InfoSheet(QDialog):
    """See the module."""

    def __init__(self, title: str, rows: list[tuple[str, str]], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        heading = plain_label(title)
        heading.setFont(theme().title())
        inside = QWidget()
        form = QFormLayout(inside)
        form.setContentsMargins(0, 0, theme().spacing(3), 0)
        form.setHorizontalSpacing(theme().spacing(5))
        form.setVerticalSpacing(theme().spacing(2))
        for name, value in rows:
            shown = plain_label(value)
            shown.setWordWrap(True)
            shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            form.addRow(plain_label(name, tone="quiet"), shown)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(inside)
        close = QPushButton("Close")
        close.setDefault(True)
        close.clicked.connect(self.accept)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[theme().spacing(5)] * 4)
        layout.setSpacing(theme().spacing(4))
        layout.addWidget(heading)
        layout.addWidget(area, 1)
        layout.addLayout(buttons)
        wanted = inside.sizeHint().height() + round(140 * theme().scale)
        self.resize(round(520 * theme().scale), min(wanted, round(620 * theme().scale)))
