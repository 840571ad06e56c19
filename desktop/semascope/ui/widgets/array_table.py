"""A table of millions of rows: columns of functions over ids, and one array that says which ids are shown in which order.

Sorting and filtering are somebody else's work (numpy, in `core.features.table`); its result is swapped in whole. What
keeps it fast, all of it measured: the true row count and no proxy model; a vertical header that is hidden and has fixed
sections; a horizontal header that never asks the selection (`quiet_header`); scrolled to the top before every reset.
The row that was selected is found again by its id.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemDelegate, QAbstractItemView, QHeaderView, QTableView, QWidget

from semascope.ui.theme import theme, themes
from semascope.ui.widgets.plain_text import plain_tooltip
from semascope.ui.widgets.quiet_header import QuietHeader

VALUE_ROLE = int(Qt.ItemDataRole.UserRole)
"""What a delegate paints from; whatever the column's `value` answers."""

Index = QModelIndex | QPersistentModelIndex
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        key: What the sort order is called ("density").
        title: The header's words; "" for a column that needs none.
        text: The cell's text for an id; also what assistive technology reads.
        value: What the delegate paints from, where that is not the text.
        width: Pixels at 100 %; 0 takes what is left.
        right: Numbers stand right.
        sortable: Whether a click on the header asks for another order.
        name: What assistive technology calls a column without title.
    """

    key: str
    title: str
    text: Callable[[int], str]
    value: Callable[[int], Any] | None = None
    width: int = 0
    right: bool = False
    sortable: bool = True
    name: str = ""


class ArrayTableModel(QAbstractTableModel):
    """Rows are `order`: uint32 (rows,), the id shown in each row."""

    def __init__(self, columns: Sequence[Column], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.columns = tuple(columns)
        self.order = np.zeros(0, np.uint32)

    def set_order(self, order: np.ndarray) -> None:
        """Show these ids. Call with the view scrolled to the top."""
        self.beginResetModel()
        self.order = order
        self.endResetModel()

    def id_at(self, row: int) -> int:
        return int(self.order[row])

    def row_of(self, id: int) -> int:
        """The row that shows an id, or −1."""
        rows = np.flatnonzero(self.order == id)
        return int(rows[0]) if len(rows) else -1

    def set_title(self, key: str, title: str, *, right: bool = False) -> None:
        """Call a column otherwise; numbers stand right."""
        self.columns = tuple(
            replace(each, title=title, right=right) if each.key == key else each for each in self.columns
        )
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(self.columns) - 1)

    def refresh(self, id: int | None = None) -> None:
        """Cells changed: those of one id, or all."""
        first, last = (0, len(self.order) - 1) if id is None else (self.row_of(id),) * 2
        if 0 <= first <= last:
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(self.columns) - 1))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        return 0 if parent.isValid() else len(self.order)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role not in _SERVED or not index.isValid():
            return None
        column = self.columns[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if column.right else _LEFT
        id = int(self.order[index.row()])
        if role == VALUE_ROLE:
            return column.value(id) if column.value else column.text(id)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tooltip(column.text(id))
        return column.text(id)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = self.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if column.right else _LEFT
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return column.name or column.title
        return None


_SERVED = {
    int(Qt.ItemDataRole.DisplayRole),
    int(Qt.ItemDataRole.AccessibleTextRole),
    int(Qt.ItemDataRole.TextAlignmentRole),
    int(Qt.ItemDataRole.ToolTipRole),
    VALUE_ROLE,
}


class ArrayTable(QTableView):
    """The view of an ArrayTableModel.

    Signals:
        id_selected: the id of the row that became current by mouse or keyboard.
        id_opened: the id of a row on which Enter was pressed, or that was double-clicked.
        sort_asked: the key of a column whose header was clicked.
    """

    id_selected = Signal(object)
    id_opened = Signal(object)
    sort_asked = Signal(str)

    def __init__(self, columns: Sequence[Column], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = ArrayTableModel(columns, self)
        self._selected: int | None = None
        self._widths = {column.key: column.width for column in self.rows.columns}
        self._restoring = False
        self._set_up_headers()
        self.setModel(self.rows)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setMouseTracking(True)
        self.selectionModel().currentRowChanged.connect(self._on_current)
        self.doubleClicked.connect(lambda index: self.id_opened.emit(self.rows.id_at(index.row())))
        themes().changed.connect(self._fit)
        self._fit()

    def set_width(self, key: str, width: int) -> None:
        """Give a column another width (pixels at 100 %; 0 takes what is left)."""
        self._widths[key] = width
        self._fit()

    def set_shown(self, key: str, shown: bool) -> None:
        """Show or hide a column."""
        if self.isColumnHidden(self.column_of(key)) == shown:
            self.setColumnHidden(self.column_of(key), not shown)
            self._fit()

    def set_delegate(self, key: str, delegate: QAbstractItemDelegate) -> None:
        """Paint a column with a delegate, which the table keeps alive."""
        delegate.setParent(self)
        self.setItemDelegateForColumn(self.column_of(key), delegate)

    def column_of(self, key: str) -> int:
        return next(place for place, column in enumerate(self.rows.columns) if column.key == key)

    def show_order(self, order: np.ndarray) -> None:
        """Show these ids (uint32) in this order and keep the selection where it is still there."""
        self._restoring = True
        try:
            self.verticalScrollBar().setValue(0)
            self.rows.set_order(order)
        finally:
            self._restoring = False
        self.select_id(self._selected)

    def show_sort(self, key: str, descending: bool) -> None:
        """Mark the sorted column; an unknown key marks none."""
        header = self.horizontalHeader()
        keys = [column.key for column in self.rows.columns]
        header.setSortIndicatorShown(key in keys)
        if key in keys:
            order = Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder
            header.setSortIndicator(keys.index(key), order)

    @property
    def selected_id(self) -> int | None:
        """The id that is selected, though it may be filtered out at the moment."""
        return self._selected

    def select_id(self, id: int | None) -> None:
        """Select a row by its id without a signal, and bring it into view."""
        self._selected = id
        self._restoring = True
        try:
            row = -1 if id is None else self.rows.row_of(id)
            if row < 0:
                self.clearSelection()
                self.selectionModel().clearCurrentIndex()
            elif row != self.currentIndex().row() or not self.selectionModel().hasSelection():
                self.setCurrentIndex(self.rows.index(row, 0))
                self.scrollTo(self.rows.index(row, 0), QAbstractItemView.ScrollHint.EnsureVisible)
        finally:
            self._restoring = False

    def step(self, by: int) -> None:
        """Select the row `by` rows further down, or the first when none is selected."""
        if len(self.rows.order):
            row = self.currentIndex().row()
            row = 0 if row < 0 else min(max(row + by, 0), len(self.rows.order) - 1)
            self.setCurrentIndex(self.rows.index(row, 0))

    def _on_current(self, current: QModelIndex) -> None:
        if not self._restoring and current.isValid():
            self._selected = self.rows.id_at(current.row())
            self.id_selected.emit(self._selected)

    def _set_up_headers(self) -> None:
        header = QuietHeader(self)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.sectionClicked.connect(self._on_header)
        self.setHorizontalHeader(header)
        vertical = self.verticalHeader()
        vertical.hide()
        vertical.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)

    def _on_header(self, section: int) -> None:
        if self.rows.columns[section].sortable:
            self.sort_asked.emit(self.rows.columns[section].key)

    def _fit(self) -> None:
        """Give the columns their widths; those without one share what is left."""
        self.verticalHeader().setDefaultSectionSize(theme().row)
        widths = {
            place: round(self._widths[column.key] * theme().scale)
            for place, column in enumerate(self.rows.columns)
            if not self.isColumnHidden(place)
        }
        open_ended = sum(1 for width in widths.values() if not width)
        left = max(self.viewport().width() - sum(widths.values()), 40 * open_ended)
        for place, width in widths.items():
            self.setColumnWidth(place, width or left // open_ended)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.id_opened.emit(self.rows.id_at(self.currentIndex().row()))
            return
        if event.key() == Qt.Key.Key_Home or event.key() == Qt.Key.Key_End:
            self.step(-len(self.rows.order) if event.key() == Qt.Key.Key_Home else len(self.rows.order))
            return
        super().keyPressEvent(event)

    def keyboardSearch(self, search: str) -> None:
        """Nothing: Qt's own would ask the model for every row."""
