"""Pages of which one is shown, in whatever height is left over."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QStackedWidget, QWidget


class Stage(QStackedWidget):
    """A stack that asks for no more than its first page needs at least.

    A plain QStackedWidget reserves the height that the wrapped words of any of its pages would need, shown or not, and
    takes it from its neighbours.

    Args:
        pages: From the one that matters most.
    """

    def __init__(self, *pages: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        for page in pages:
            self.addWidget(page)

    # Qt

    def hasHeightForWidth(self) -> bool:
        return False

    def sizeHint(self) -> QSize:
        return self.minimumSizeHint()

    def minimumSizeHint(self) -> QSize:
        first = self.widget(0)
        return first.minimumSizeHint() if first is not None else QSize()
