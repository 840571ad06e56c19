"""A layout that sets its items in rows, as words in a paragraph: for tags, links and figures of unknown number."""

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget


class FlowLayout(QLayout):
    """Rows of items, centred on their row; `across` and `down` are the gaps in pixels."""

    def __init__(self, parent: QWidget | None = None, *, across: int = 8, down: int = 4) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self._across, self._down = across, down
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def clear(self) -> None:
        """Take out and delete every widget."""
        while (item := self.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._arrange(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._arrange(rect, move=True)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _arrange(self, rect: QRect, move: bool) -> int:
        """Place the items (if `move`) and answer the height they take."""
        x, y, row = rect.left(), rect.top(), 0
        placed: list[tuple[QLayoutItem, QPoint, QSize]] = []

        def finish_row() -> None:
            for item, point, size in placed:
                if move:
                    item.setGeometry(QRect(point + QPoint(0, (row - size.height()) // 2), size))
            placed.clear()

        for item in self._items:
            size = item.sizeHint().boundedTo(QSize(max(rect.width(), 1), 10_000))
            if placed and x + size.width() > rect.right() + 1:
                finish_row()
                x, y, row = rect.left(), y + row + self._down, 0
            placed.append((item, QPoint(x, y), size))
            x += size.width() + self._across
            row = max(row, size.height())
        finish_row()
        return y + row - rect.top()
