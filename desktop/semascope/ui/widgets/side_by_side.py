"""Two views beside each other, or one above the other where there is no room."""

from __future__ import annotations

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from semascope.ui.theme import theme


class SideBySide(QWidget):
    """Lays out two widgets by its own width."""

    NARROW = 300  # pixels below which they are stacked

    def __init__(self, first: QWidget, second: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(theme().spacing(2))
        self._layout.addWidget(first, 1)
        self._layout.addWidget(second, 1)

    def resizeEvent(self, _event: QResizeEvent) -> None:
        direction = QHBoxLayout.Direction
        narrow = self.width() < self.NARROW * theme().scale
        self._layout.setDirection(direction.TopToBottom if narrow else direction.LeftToRight)
