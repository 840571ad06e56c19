"""The nearest features as a paragraph of links, each with its cosine."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.feature_name import FeatureName
from semascope.ui.widgets.flow_layout import FlowLayout
from semascope.ui.widgets.plain_text import plain_label

_LONGEST_NAME = 190  # pixels at 100 %


class Neighbours(QWidget):
    """Links to other features.

    Signals:
        chosen: the feature that was clicked.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._flow = FlowLayout(self, across=theme().spacing(4), down=theme().spacing(1))

    def show_neighbours(self, neighbours: Sequence[tuple[int, float, str, bool]]) -> None:
        """Show (feature, cosine, name, whether that is a label), nearest first."""
        self._flow.clear()
        self.setVisible(bool(neighbours))
        if neighbours:
            self._flow.addWidget(plain_label(self.tr("Nearest"), tone="quiet", size="small"))
        for neighbour in neighbours:
            self._flow.addWidget(self._link(*neighbour))
        self.updateGeometry()

    def _link(self, feature: int, cosine: float, name: str, labelled: bool) -> QWidget:
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme().spacing(1))
        link = FeatureName()
        link.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        link.show_feature(feature, name, labelled)
        link.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        link.setMaximumWidth(round(_LONGEST_NAME * theme().scale))
        link.clicked.connect(lambda: self.chosen.emit(feature))
        row.addWidget(link)
        row.addWidget(plain_label(f"{cosine:.2f}", tone="quiet", size="small"))
        box.setToolTip(self.tr("Cosine of the decoder directions"))
        return box
