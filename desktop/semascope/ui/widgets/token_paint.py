"""Paints the visible part of a laid-out token text: activation behind the words, marks for caret, hover and selection.

Used by `token_view` (one long text) and `example_list` (many short ones). It keeps nothing between two calls.
"""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from semascope.ui.theme import Theme
from semascope.ui.widgets.token_layout import Run, TokenLayout
from semascope.ui.widgets.token_metrics import TokenMetrics
from semascope.ui.widgets.token_text import NEWLINE_MARK, TokenText

_RADIUS = 2.0
_SELECTION_ALPHA = 70


@dataclass(slots=True)
class Marks:
    """What is pointed at: tokens, or −1."""

    caret: int = -1
    hover: int = -1
    selection: tuple[int, int] = (0, 0)
    visible_blanks: bool = False


class TokenPainter:
    """Paints one text with one painter whose origin is the text's top left corner.

    Args:
        levels: (T,) uint8 steps of the activation ramp, as TokenText.levels gives them.
    """

    def __init__(
        self,
        painter: QPainter,
        theme: Theme,
        metrics: TokenMetrics,
        text: TokenText,
        layout: TokenLayout,
        levels: np.ndarray,
        marks: Marks | None = None,
    ) -> None:
        self.painter = painter
        self.theme = theme
        self.metrics = metrics
        self.text = text
        self.layout = layout
        self.levels = levels
        self.marks = marks or Marks()
        font = metrics.metrics
        self.baseline = (layout.line_height - font.height()) / 2 + font.ascent()
        self.box_height = min(font.height() + 4.0, layout.line_height - 2.0)
        self.box_top = (layout.line_height - self.box_height) / 2

    def paint(self, top: float, bottom: float) -> None:
        """Paint the lines between two heights."""
        layout = self.layout
        first = max(int(top // layout.line_height), 0)
        last = min(int(bottom // layout.line_height) + 1, layout.lines)
        if first >= last:
            return
        self.painter.setFont(self.metrics.font)
        self.painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        start, stop = int(layout.line_fragment[first]), int(layout.line_fragment[last])
        tokens = layout.token[start:stop]
        self._paint_grounds(start, tokens)
        inks = self._inks(tokens)
        for line in range(first, last):
            y = line * layout.line_height + self.baseline
            for run in layout.runs[layout.line_run[line] : layout.line_run[line + 1]]:
                self._paint_run(run, y, inks[run.first - start : run.stop - start])
        self._paint_outline(self.marks.hover, self.theme.quiet)
        self._paint_outline(self.marks.caret, self.theme.accent)

    def _inks(self, tokens: np.ndarray) -> list[int]:
        """The text colour of each token, as 0xAARRGGBB."""
        quiet = np.uint32(self.theme.quiet.rgba())
        inks: list[int] = np.where(
            self.text.grey[tokens], quiet, self.theme.text_on_activation[self.levels[tokens]]
        ).tolist()
        return inks

    def _box(self, fragment: int) -> QRectF:
        layout = self.layout
        top = float(layout.line[fragment]) * layout.line_height + self.box_top
        return QRectF(float(layout.x[fragment]), top, float(layout.width[fragment]), self.box_height)

    def _paint_grounds(self, start: int, tokens: np.ndarray) -> None:
        painter = self.painter
        painter.setPen(Qt.PenStyle.NoPen)
        levels = self.levels[tokens]
        for offset in np.flatnonzero(levels).tolist():
            red, green, blue, _ = self.theme.activation_lut[levels[offset]].tolist()
            painter.setBrush(QColor(red, green, blue))
            painter.drawRoundedRect(self._box(start + offset), _RADIUS, _RADIUS)
        painter.setBrush(self.theme.soft)
        for offset in np.flatnonzero(self.text.special[tokens]).tolist():
            painter.drawRoundedRect(self._box(start + offset), _RADIUS, _RADIUS)
        low, high = self.marks.selection
        if low < high:
            tint = QColor(self.theme.accent)
            tint.setAlpha(_SELECTION_ALPHA)
            painter.setBrush(tint)
            for offset in np.flatnonzero((tokens >= low) & (tokens < high)).tolist():
                painter.drawRect(self._box(start + offset))

    def _paint_run(self, run: Run, y: float, inks: list[int]) -> None:
        painter = self.painter
        if run.text == NEWLINE_MARK and not self.text.special[self.layout.token[run.first]]:
            if self.marks.visible_blanks or self.levels[self.layout.token[run.first]]:
                painter.setPen(QColor.fromRgba(inks[0]))
                painter.drawText(QPointF(run.x, y), run.text)
            return
        if len(inks) == 1 or min(inks) == max(inks):
            painter.setPen(QColor.fromRgba(inks[0]))
            painter.drawText(QPointF(run.x, y), run.text)
        else:  # drawn whole for each colour, so that it is shaped as one word, and clipped to that token's box
            for fragment, ink in zip(range(run.first, run.stop), inks, strict=True):
                painter.save()
                painter.setClipRect(self._box(fragment), Qt.ClipOperation.IntersectClip)
                painter.setPen(QColor.fromRgba(ink))
                painter.drawText(QPointF(run.x, y), run.text)
                painter.restore()
        if self.marks.visible_blanks:
            self._paint_blanks(run, y)

    def _paint_blanks(self, run: Run, y: float) -> None:
        self.painter.setPen(self.theme.quiet)
        for fragment in range(run.first, run.stop):
            left = float(self.layout.x[fragment])
            if run.x <= left and run.text:  # right to left: the blank is at the box's right end
                left += float(self.layout.width[fragment]) - int(self.layout.blanks[fragment]) * self.metrics.blank
            for blank in range(int(self.layout.blanks[fragment])):
                self.painter.drawText(QPointF(left + blank * self.metrics.blank, y), "·")

    def _paint_outline(self, token: int, colour: QColor) -> None:
        if not 0 <= token < len(self.text):
            return
        self.painter.setBrush(Qt.BrushStyle.NoBrush)
        self.painter.setPen(QPen(colour, 1.0))
        for fragment in self.layout.fragments_of(token):
            self.painter.drawRoundedRect(self._box(fragment).adjusted(-0.5, 0.5, 0.5, -0.5), _RADIUS, _RADIUS)
