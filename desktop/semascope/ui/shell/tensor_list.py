"""The tensors of a file, to look at: name, shape, number format. They can be selected and copied, not changed."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from semascope.core.foreign.headers import FLOATS, TensorInfo
from semascope.ui.shell import words
from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_tooltip

_MOST = 2000


class TensorList(QTreeWidget):
    """A flat list of three columns."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Tensors of the file")
        self.setObjectName("tensorList")
        self.setColumnCount(3)
        self.setHeaderLabels(["Tensor", "Shape", "Numbers"])
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setFrameShape(QTreeWidget.Shape.NoFrame)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)

    def show_header(self, header: Mapping[str, TensorInfo]) -> None:
        """Show these, of very many only the first."""
        self.clear()
        for name, info in list(header.items())[:_MOST]:
            shape = " × ".join(f"{length:,}" for length in info.shape) or "one number"
            item = QTreeWidgetItem([name, shape, words.dtype(FLOATS.get(info.dtype, info.dtype.lower()))])
            item.setSizeHint(0, QSize(0, theme().row))
            item.setToolTip(0, plain_tooltip(name))
            self.addTopLevelItem(item)
        if len(header) > _MOST:
            self.addTopLevelItem(QTreeWidgetItem([f"and {len(header) - _MOST:,} more"]))
