"""The pinned features, one row each; as tall as they need, scrolling where the panel has no room for all. Layout only."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from semascope.ui.panels.steer.strength import MODE_TITLES
from semascope.ui.widgets.row_state import RowState
from semascope.ui.widgets.slider_row import SliderRow

LEAST_ROWS = 2


class PinnedList(QScrollArea):
    """Rows that keep their widgets while their features stay, so that a drag is never cut short.

    Signals:
        made: a SliderRow and its feature; connect its signals.
    """

    made = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Pinned features")
        self._rows: dict[int, SliderRow] = {}
        self._column = QWidget()
        self._column.setBackgroundRole(QPalette.ColorRole.Base)
        self._layout = QVBoxLayout(self._column)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)
        self._layout.addStretch(1)
        self.setWidget(self._column)

    def row(self, feature: int) -> SliderRow:
        """The row of a pinned feature."""
        return self._rows[feature]

    def show_rows(self, states: tuple[RowState, ...]) -> None:
        """Show these, in this order."""
        wanted = [state.feature for state in states]
        for feature in [feature for feature in self._rows if feature not in wanted]:
            row = self._rows.pop(feature)
            self._layout.removeWidget(row)
            row.deleteLater()
        for place, state in enumerate(states):
            row = self._rows.get(state.feature) or self._make(state.feature)
            if self._layout.indexOf(row) != place:
                self._layout.removeWidget(row)
                self._layout.insertWidget(place, row)
            row.show_state(state)
        self.updateGeometry()

    def _make(self, feature: int) -> SliderRow:
        row = self._rows[feature] = SliderRow(MODE_TITLES, self._column)
        for child in (row.name, row.value, row.slider):
            child.installEventFilter(self)
        self.made.emit(row, feature)
        return row

    # Qt

    def sizeHint(self) -> QSize:
        # Of the rows and not of their column, which counts a new row only once it is shown.
        return QSize(320, sum(row.sizeHint().height() for row in self._rows.values()))

    def minimumSizeHint(self) -> QSize:
        heights = [row.sizeHint().height() for row in self._rows.values()]
        return QSize(200, sum(heights[:LEAST_ROWS]))

    def eventFilter(self, watched: QWidget, event: QEvent) -> bool:  # type: ignore[override]
        if event.type() == QEvent.Type.FocusIn:
            self.ensureWidgetVisible(watched, 0, 24)
        return False
