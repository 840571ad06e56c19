"""How the cells of a calm table are painted: plain text, quiet stand-ins, a coloured dot, a share with its bar, a sparkline.

Each delegate draws from the cell's VALUE_ROLE; the row's ground (selection, hover, hairline) is the same in all of them.
"""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from semascope.ui.theme import Theme, theme
from semascope.ui.widgets.array_table import VALUE_ROLE
from semascope.ui.widgets.quiet_header import PADDING

Index = QModelIndex | QPersistentModelIndex
_BAR = 34  # longest density bar, pixels at 100 %


class CellDelegate(QStyledItemDelegate):
    """The ground of a cell, and its text; subclasses paint something else on it.

    Args:
        tabular: digits of equal width, for columns of numbers.
        quiet: quiet colour.
        mono: the font of raw tokens.
    """

    def __init__(self, *, tabular: bool = False, quiet: bool = False, mono: bool = False) -> None:
        super().__init__()
        self._tabular, self._quiet, self._mono = tabular, quiet, mono

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        look = theme()
        painter.save()
        state = option.state
        rect = option.rect
        if state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, look.selection)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, look.background)
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, look.hairline)
        self.paint_cell(painter, rect.adjusted(PADDING, 0, -PADDING, 0), index, look)
        painter.restore()

    def paint_cell(self, painter: QPainter, rect: QRect, index: Index, look: Theme) -> None:
        """Paint the content into the padded `rect`."""
        font = look.mono() if self._mono else look.tabular() if self._tabular else look.ui()
        colour = look.quiet if self._quiet else look.text
        side = Qt.AlignmentFlag(index.data(Qt.ItemDataRole.TextAlignmentRole))
        draw_elided(painter, rect, str(index.data(VALUE_ROLE)), font, colour, side)


@dataclass(frozen=True)
class Name:
    """A feature's name: its label, or what stands for one."""

    text: str
    labelled: bool


class NameDelegate(CellDelegate):
    """Paints a Name: labels as text, what merely stands for one quiet and in italics."""

    def paint_cell(self, painter: QPainter, rect: QRect, index: Index, look: Theme) -> None:
        name: Name = index.data(VALUE_ROLE)
        font = look.ui()
        font.setItalic(not name.labelled)
        draw_elided(painter, rect, name.text, font, look.text if name.labelled else look.quiet)


class DotDelegate(CellDelegate):
    """Paints a pinned feature's colour, given by its place among the pins, or None."""

    def paint_cell(self, painter: QPainter, rect: QRect, index: Index, look: Theme) -> None:
        place = index.data(VALUE_ROLE)
        if place is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.feature_colour(place))
        size = 8.0 * look.scale
        painter.drawEllipse(QRectF(rect.left() - 2.0, rect.center().y() + 0.5 - size / 2, size, size))


@dataclass(frozen=True)
class Share:
    """A number with a bar: `length` in 0…1."""

    text: str
    length: float


class BarDelegate(CellDelegate):
    """Paints a Share: the number on the right, a thin bar before it."""

    def paint_cell(self, painter: QPainter, rect: QRect, index: Index, look: Theme) -> None:
        share: Share = index.data(VALUE_ROLE)
        font = look.tabular()
        draw_elided(
            painter, rect, share.text, font, look.text, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        )
        # Every bar ends at the same place, so that its length can be compared from row to row.
        right = rect.right() - QFontMetrics(font).horizontalAdvance("00.00 %") - 6
        length = min(round(share.length * _BAR * look.scale), max(right - rect.left(), 0))
        if length > 0:
            thick = round(3 * look.scale)
            painter.fillRect(right - length, rect.center().y() + 1 - thick // 2, length, thick, soft_accent(look))


class SparklineDelegate(CellDelegate):
    """Paints an array of heights 0…1 (None for nothing) as thin bars."""

    def paint_cell(self, painter: QPainter, rect: QRect, index: Index, look: Theme) -> None:
        heights: np.ndarray | None = index.data(VALUE_ROLE)
        if heights is None or not len(heights):
            return
        foot, room = rect.bottom() - 5, rect.height() - 11
        pitch = max(rect.width() // len(heights), 2)
        colour = QColor(look.quiet)
        for place, height in enumerate(np.ceil(np.asarray(heights) * room).astype(int).tolist()):
            if height:
                painter.fillRect(rect.left() + place * pitch, foot - height, pitch - 1, height, colour)


def draw_elided(
    painter: QPainter,
    rect: QRect,
    text: str,
    font: QFont,
    colour: QColor,
    side: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter,
) -> None:
    """One line of plain text, cut off with "…" where the room ends."""
    painter.setFont(font)
    painter.setPen(colour)
    shown = QFontMetrics(font).elidedText(text.replace("\n", "↵"), Qt.TextElideMode.ElideRight, max(rect.width(), 0))
    painter.drawText(rect, int(side), shown)


def soft_accent(look: Theme) -> QColor:
    """The accent at half strength over the pane: bars that are read, not looked at."""
    weight = 0.55 if not look.dark else 0.6
    accent, pane = look.accent, look.pane
    return QColor(
        round(accent.red() * weight + pane.red() * (1 - weight)),
        round(accent.green() * weight + pane.green() * (1 - weight)),
        round(accent.blue() * weight + pane.blue() * (1 - weight)),
    )
