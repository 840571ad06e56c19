"""A row of figures: each a number over a quiet word that says what it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import QVBoxLayout, QWidget

from semascope.ui.theme import theme, themes
from semascope.ui.widgets.flow_layout import FlowLayout
from semascope.ui.widgets.plain_text import plain_label


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        value: what is read.
        caption: what it is, in a word or two.
        help: what it is, in a sentence.
        raw: the value is made of raw tokens, not of digits.
    """

    value: str
    caption: str
    help: str = ""
    raw: bool = False


class Figures(QWidget):
    """Figures side by side, in as many rows as they need."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._figures: tuple[Figure, ...] = ()
        self._flow = FlowLayout(self, across=theme().spacing(6), down=theme().spacing(2))
        themes().changed.connect(self._restyle)

    def show_figures(self, figures: Sequence[Figure]) -> None:
        """Show these and no others."""
        self._figures = tuple(figures)
        self._flow.clear()
        for figure in self._figures:
            self._flow.addWidget(_box(figure))
        self.updateGeometry()

    def _restyle(self) -> None:
        self.show_figures(self._figures)


def _box(figure: Figure) -> QWidget:
    box = QWidget()
    column = QVBoxLayout(box)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    value = plain_label(figure.value)
    value.setFont(theme().mono() if figure.raw else _large_digits())
    value.setMinimumHeight(QFontMetrics(_large_digits()).height())
    column.addWidget(value)
    column.addWidget(plain_label(figure.caption, tone="quiet", size="small"))
    box.setToolTip(figure.help)
    box.setAccessibleName(f"{figure.caption}: {figure.value}")
    return box


def _large_digits() -> QFont:
    font = theme().tabular()
    font.setWeight(QFont.Weight.Medium)
    font.setPixelSize(round(font.pixelSize() * 1.12))
    return font
