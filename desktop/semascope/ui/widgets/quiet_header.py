"""A column header for tables of any length: quiet words, a mark for the sorted column, no questions to the selection.

Qt's own header asks the selection model about whole columns each time a section is painted, which takes seconds to
minutes with a million rows; this one paints from its own state.
"""

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter
from PySide6.QtWidgets import QHeaderView, QWidget

from semascope.ui.theme import theme

PADDING = 8  # left and right, the same as in the cells below


class QuietHeader(QHeaderView):
    """Horizontal header. The sort mark is set with setSortIndicator, as in any header."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setHighlightSections(False)
        self.setSectionsClickable(True)
        self.setSectionsMovable(False)
        self.setMinimumSectionSize(16)
        self.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), theme().row + 2)

    def paintSection(self, painter: QPainter, rect: QRect, logicalIndex: int) -> None:
        look = theme()
        painter.save()
        painter.fillRect(rect, look.pane)
        for edge in (rect.top(), rect.bottom()):
            painter.fillRect(rect.left(), edge, rect.width(), 1, look.line)
        words = str(self.model().headerData(logicalIndex, self.orientation(), Qt.ItemDataRole.DisplayRole) or "")
        side = self.model().headerData(logicalIndex, self.orientation(), Qt.ItemDataRole.TextAlignmentRole)
        font = look.small()
        painter.setFont(font)
        sorted_by = self.isSortIndicatorShown() and self.sortIndicatorSection() == logicalIndex and bool(words)
        painter.setPen(look.text if sorted_by else look.quiet)
        if sorted_by:
            words += " ▾" if self.sortIndicatorOrder() == Qt.SortOrder.DescendingOrder else " ▴"
        inner = rect.adjusted(PADDING, 0, -PADDING, 0)
        shown = QFontMetrics(font).elidedText(words, Qt.TextElideMode.ElideRight, max(inner.width(), 0))
        painter.drawText(inner, int(side or self.defaultAlignment()), shown)
        painter.restore()
