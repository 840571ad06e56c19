"""The scale of a heatmap: from 0 to the activation at full colour, with a mark at the value that is pointed at.

0 ▁▁▂▂▃▃▄▄▅▅▆▆▇▇ 14.2   its maximum in the harvest
"""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.numbers import activation_text

BAR = (140, 8)  # pixels at 100 %


class ActivationScale(QWidget):
    """A colour bar with its two ends and a few words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._end = 0.0
        self._words = ""
        self._mark: float | None = None

    def show_scale(self, end: float, words: str) -> None:
        """Show a scale of 0 to `end`; `words` say what the end is. An end of 0 shows only the words."""
        self._end, self._words, self._mark = end, words, None
        self.setAccessibleName(f"Scale from 0 to {activation_text(end)}, {words}" if end > 0 else words)
        self.update()

    def set_mark(self, value: float | None) -> None:
        """Mark this activation, or none; one beyond the end is marked at the end."""
        if value != self._mark:
            self._mark = value
            self.update()

    @property
    def mark(self) -> float | None:
        return self._mark

    # Qt

    def sizeHint(self) -> QSize:
        return QSize(round(2 * BAR[0] * theme().scale), QFontMetrics(theme().small()).height() + 6)

    def minimumSizeHint(self) -> QSize:
        return QSize(round(BAR[0] * theme().scale) + 60, self.sizeHint().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(look.small())
        metrics = painter.fontMetrics()
        x = 0.0
        if self._end > 0:
            x = self._paint_bar(painter, metrics)
        painter.setPen(look.quiet)
        room = QRectF(x, 0, max(0.0, self.width() - x), self.height())
        words = metrics.elidedText(self._words, Qt.TextElideMode.ElideRight, int(room.width()))
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)
        painter.end()

    def _paint_bar(self, painter: QPainter, metrics: QFontMetrics) -> float:
        """Draw zero, bar, end and mark; returns where the words begin."""
        look = theme()
        gap = look.spacing(2)
        middle = self.height() / 2
        baseline = middle + (metrics.ascent() - metrics.descent()) / 2
        painter.setPen(look.quiet)
        painter.drawText(QPointF(0, baseline), "0")
        left = metrics.horizontalAdvance("0") + gap
        width, height = BAR[0] * look.scale, BAR[1] * look.scale
        bar = QRectF(left, middle - height / 2, width, height)
        ramp = np.ascontiguousarray(look.activation_lut[None])
        image = QImage(ramp.data, 256, 1, 1024, QImage.Format.Format_RGBA8888)
        frame = QPainterPath()
        frame.addRoundedRect(bar, 2, 2)
        painter.save()
        painter.setClipPath(frame)
        painter.drawImage(bar, image)
        painter.restore()
        painter.setPen(QPen(look.line, 1))
        painter.drawPath(frame)
        if self._mark is not None:
            at = bar.left() + bar.width() * min(1.0, max(0.0, self._mark / self._end))
            painter.setPen(QPen(look.text, 1.5))
            painter.drawLine(QPointF(at, bar.top() - 3), QPointF(at, bar.bottom() + 3))
        end = activation_text(self._end)
        painter.setPen(look.text)
        painter.drawText(QPointF(bar.right() + gap, baseline), end)
        return bar.right() + gap + metrics.horizontalAdvance(end) + gap
