"""A row of figures: each a number over a quiet word that says what it is."""

from collections.abc import Sequence

from PySide6.QtGui import QFont
from PySide6.QtWidgets import QVBoxLayout, QWidget

from semascope.ui.theme import theme, themes
from semascope.ui.widgets.flow_layout import FlowLayout
from semascope.ui.widgets.plain_text import plain_label


class Figures(QWidget):
    """Pairs of value and caption. The values line up; the captions explain themselves as tooltips."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._figures: tuple[tuple[str, str, str], ...] = ()
        self._flow = FlowLayout(self, across=theme().spacing(6), down=theme().spacing(2))
        themes().changed.connect(lambda: self.show_figures(self._figures))

    def show_figures(self, figures: Sequence[tuple[str, str, str]]) -> None:
        """Show (value, caption, explanation) triples."""
        self._figures = tuple(figures)
        self._flow.clear()
        for value, caption, help in self._figures:
            self._flow.addWidget(self._figure(value, caption, help))
        self.updateGeometry()

    def _figure(self, value: str, caption: str, help: str) -> QWidget:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        number = plain_label(value)
        font = theme().tabular()
        font.setWeight(QFont.Weight.Medium)
        font.setPixelSize(round(font.pixelSize() * 1.12))
        number.setFont(font)
        column.addWidget(number)
        column.addWidget(plain_label(caption, tone="quiet", size="small"))
        box.setToolTip(help)
        box.setAccessibleName(f"{caption}: {value}")
        return box
