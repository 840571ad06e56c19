"""The middle of the feature page: histogram and logit effects side by side, or under one another where it is narrow."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from semascope.ui.panels.feature.page import Page
from semascope.ui.theme import theme
from semascope.ui.widgets.histogram import Histogram
from semascope.ui.widgets.logit_bars import LogitBars
from semascope.ui.widgets.plain_text import plain_label

_ROOM_FOR_THREE = 560  # pixels at 100 %


class Overview(QWidget):
    """What a feature does, at a glance."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        space = theme().spacing
        self.histogram = Histogram()
        self.histogram.setAccessibleName(self.tr("Activations, log count"))
        self.promotes = LogitBars()
        self.promotes.setAccessibleName(self.tr("Makes more likely"))
        self.suppresses = LogitBars()
        self.suppresses.setAccessibleName(self.tr("Makes less likely"))
        self._parts = (
            _captioned(self.tr("Activations, log count"), self.histogram),
            _captioned(self.tr("Makes more likely"), self.promotes),
            _captioned(self.tr("Makes less likely"), self.suppresses),
        )
        self.convention = plain_label(tone="quiet", size="small")
        self.convention.setWordWrap(True)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(space(5))
        self._grid.setVerticalSpacing(space(4))
        self._wide: bool | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(space(2))
        column.addLayout(self._grid)
        column.addWidget(self.convention)
        self._arrange()

    def show_page(self, page: Page) -> None:
        """Show another feature."""
        self.histogram.set_counts(page.edges, page.histogram)
        self.promotes.set_rows(page.promotes, page.logit_scale)
        self.suppresses.set_rows(page.suppresses, page.logit_scale)
        direct = bool(page.promotes or page.suppresses)
        for part in self._parts[1:]:
            part.setVisible(direct)
        self.convention.setText(
            self.tr("Logit effects: direct path through the final norm's gain; vocabulary mean subtracted.")
            if direct
            else self.tr("No logit effects: this SAE does not write to the residual stream.")
        )

    def _arrange(self) -> None:
        wide = self.width() >= _ROOM_FOR_THREE * theme().scale
        if wide == self._wide:
            return
        self._wide = wide
        places = [(0, 0, 1, 1), (0, 1, 1, 1), (0, 2, 1, 1)] if wide else [(0, 0, 1, 2), (1, 0, 1, 1), (1, 1, 1, 1)]
        for part, place in zip(self._parts, places, strict=True):
            self._grid.addWidget(part, *place, Qt.AlignmentFlag.AlignTop)
        for column in range(3):
            self._grid.setColumnStretch(column, 1 if wide or column < 2 else 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()


def _captioned(caption: str, widget: QWidget) -> QWidget:
    box = QWidget()
    column = QVBoxLayout(box)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(theme().spacing(2))
    column.addWidget(plain_label(caption, tone="quiet", size="small"))
    column.addWidget(widget)
    return box
