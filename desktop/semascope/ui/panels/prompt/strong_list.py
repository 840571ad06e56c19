"""The list of strongest features: dot, number, name, share of its maximum as a bar, activation. Layout and painting only."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import QFrame, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from semascope.ui.panels.prompt.strong_row import StrongRow
from semascope.ui.theme import theme, themes
from semascope.ui.widgets.feature_name import one_line
from semascope.ui.widgets.plain_text import plain_tooltip

Index = QModelIndex | QPersistentModelIndex
BAR = 44  # pixels of the share bar, at 100 %
DOT = 8


class StrongModel(QAbstractListModel):
    """Lines by row; the whole line is the UserRole's data."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[StrongRow, ...] = ()

    def show_rows(self, rows: tuple[StrongRow, ...]) -> None:
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    @property
    def rows(self) -> tuple[StrongRow, ...]:
        return self._rows

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = self._rows[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return row.name if row.feature is None else f"#{row.feature} {row.name} {row.activation}"
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return row.about or row.name
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tooltip(row.about)
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid() or self._rows[index.row()].feature is None:
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren


class StrongDelegate(QStyledItemDelegate):
    """Paints a `StrongRow`."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return QSize(160, theme().row)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row: StrongRow = index.data(Qt.ItemDataRole.UserRole)
        look = theme()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(option.rect)  # type: ignore[attr-defined]
        state = option.state  # type: ignore[attr-defined]
        if row.feature is not None and state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, look.selection)
        elif row.feature is not None and state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, look.soft)
        inner = rect.adjusted(look.spacing(4), 0, -look.spacing(4), 0)
        if row.feature is None:
            self._paint_heading(painter, inner, row)
        else:
            self._paint_feature(painter, inner, row)
        painter.restore()

    def _paint_heading(self, painter: QPainter, inner: QRectF, row: StrongRow) -> None:
        painter.setFont(theme().small())
        painter.setPen(theme().quiet)
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter, row.name)

    def _paint_feature(self, painter: QPainter, inner: QRectF, row: StrongRow) -> None:
        look = theme()
        middle = Qt.AlignmentFlag.AlignVCenter
        dot, bar = DOT * look.scale, BAR * look.scale
        digits = QFontMetrics(look.tabular())
        number_width = digits.horizontalAdvance("#000000") + look.spacing(1)
        value_width = digits.horizontalAdvance("0000.0")
        if row.colour is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.feature_colour(row.colour))
            painter.drawEllipse(QRectF(inner.left(), inner.center().y() - dot / 2, dot, dot))
        left = inner.left() + dot + look.spacing(2)
        painter.setFont(look.tabular())
        painter.setPen(look.quiet)
        painter.drawText(QRectF(left, inner.top(), number_width, inner.height()), middle, f"#{row.feature}")
        painter.setPen(look.text)
        value = QRectF(inner.right() - value_width, inner.top(), value_width, inner.height())
        painter.drawText(value, middle | Qt.AlignmentFlag.AlignRight, row.activation)
        right = value.left() - look.spacing(3)
        if row.share is not None:
            track = QRectF(right - bar, inner.center().y() - 1.5, bar, 3)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.soft)
            painter.drawRoundedRect(track, 1.5, 1.5)
            painter.setBrush(look.activation(1.0))
            painter.drawRoundedRect(track.adjusted(0, 0, bar * (min(1.0, row.share) - 1), 0), 1.5, 1.5)
            right = track.left() - look.spacing(3)
        font = look.ui()
        font.setItalic(not row.labelled)
        painter.setFont(font)
        painter.setPen(look.text if row.labelled else look.quiet)
        room = QRectF(left + number_width, inner.top(), max(0.0, right - left - number_width), inner.height())
        shown = QFontMetrics(font).elidedText(one_line(row.name), Qt.TextElideMode.ElideRight, int(room.width()))
        painter.drawText(room, middle, shown)


class StrongList(QListView):
    """Features to pick from; the list is short by construction.

    Signals:
        picked(int): a feature was clicked, or chosen with Enter.
        pin_wanted(int): P on a feature.
    """

    picked = Signal(int)
    pin_wanted = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines = StrongModel()
        self.setModel(self._lines)
        self.setItemDelegate(StrongDelegate(self))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Strongest features")
        self.setToolTip("")
        themes().changed.connect(self._dress)

    def show_rows(self, rows: tuple[StrongRow, ...], selected: int | None) -> None:
        """Show these lines and select that feature's, if it is among them."""
        if rows != self._lines.rows:
            at = self.verticalScrollBar().value()
            self._lines.show_rows(rows)
            self.verticalScrollBar().setValue(at)
        place = next((i for i, row in enumerate(rows) if row.feature is not None and row.feature == selected), None)
        if place is None:
            self.clearSelection()
        else:
            self.setAutoScroll(False)  # the list stays where it is; only keys scroll it
            self.setCurrentIndex(self._lines.index(place))
            self.setAutoScroll(True)

    @property
    def rows(self) -> tuple[StrongRow, ...]:
        return self._lines.rows

    def _dress(self) -> None:
        self.scheduleDelayedItemsLayout()
        self.viewport().update()

    def _feature(self) -> int | None:
        row: StrongRow | None = self.currentIndex().data(Qt.ItemDataRole.UserRole)
        return row.feature if row is not None else None

    # Qt

    def keyPressEvent(self, event: QKeyEvent) -> None:
        feature = self._feature()
        if feature is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.picked.emit(feature)
        elif feature is not None and event.key() == Qt.Key.Key_P and not event.modifiers():
            self.pin_wanted.emit(feature)
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        row: StrongRow | None = self.indexAt(event.position().toPoint()).data(Qt.ItemDataRole.UserRole)
        if event.button() == Qt.MouseButton.LeftButton and row is not None and row.feature is not None:
            self.picked.emit(row.feature)
