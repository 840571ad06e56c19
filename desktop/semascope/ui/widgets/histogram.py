"""A feature's histogram: log counts over activations in bins of constant ratio, quietly labelled.

It paints what it is given (`core.features` and the harvest count); a bin says its numbers under the pointer and to ← →.
"""

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QAccessible, QFontMetrics, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets import spoken
from semascope.ui.widgets.numbers import activation_text, count_text
from semascope.ui.widgets.table_cells import soft_accent

_LEAST_BINS = 14  # a feature that fires in one bin only should not look like a wall


class Histogram(QWidget, spoken.Spoken):
    """Counts of one feature, cropped to the bins that hold anything."""

    spoken_role = QAccessible.Role.Chart

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        spoken.install()
        self._edges = np.zeros(1, np.float64)
        self._counts = np.zeros(0, np.int64)
        self._current = -1
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_counts(self, edges: np.ndarray, counts: np.ndarray) -> None:
        """Show another feature.

        Args:
            edges: (B + 1,) rising activations.
            counts: (B + 2,) tokens below the first edge, in each bin, and above the last edge.
        """
        self._edges, self._counts = crop(np.asarray(edges, np.float64), np.asarray(counts, np.int64))
        self._current = -1
        self.update()

    def bin_text(self, place: int) -> str:
        """A bin in words: "2.31 – 2.66: 1,204 tokens"."""
        low, high, count = self._edges[place], self._edges[place + 1], int(self._counts[place])
        if np.isinf(high):
            span = self.tr("above {low}").format(low=activation_text(low))
        elif low == 0.0:
            span = self.tr("below {high}").format(high=activation_text(high))
        else:
            span = f"{activation_text(low)} – {activation_text(high)}"
        return self.tr("{span}: {count} tokens").format(span=span, count=count_text(count))

    def spoken_value(self) -> str:
        return self.bin_text(self._current) if self._current >= 0 else ""

    def spoken_text(self) -> str:
        return "; ".join(self.bin_text(place) for place in np.flatnonzero(self._counts).tolist())

    def sizeHint(self) -> QSize:
        return QSize(180, round(132 * theme().scale))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.sizeHint().height())

    def _plot(self) -> QRectF:
        foot = QFontMetrics(theme().small()).height() + 4
        return QRectF(0, 6, self.width(), self.height() - 6 - foot)

    def _bin_at(self, x: float) -> int:
        count = len(self._counts)
        place = int(x / max(self.width(), 1) * count) if count else -1
        return place if 0 <= place < count else -1

    def paintEvent(self, _event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        plot = self._plot()
        painter.fillRect(QRectF(plot.left(), plot.bottom(), plot.width(), 1), look.line)
        if not len(self._counts):
            painter.setFont(look.small())
            painter.setPen(look.quiet)
            painter.drawText(plot, Qt.AlignmentFlag.AlignCenter, self.tr("never fired"))
            return
        heights = log_heights(self._counts)
        pitch = plot.width() / len(heights)
        gap = 1.0 if pitch < 6 else 1.5
        for place, height in enumerate(heights.tolist()):
            if height > 0:
                tall = max(height * plot.height(), 1.5)
                bar = QRectF(plot.left() + place * pitch, plot.bottom() - tall, max(pitch - gap, 1.0), tall)
                painter.fillRect(bar, look.accent if place == self._current else soft_accent(look))
        painter.setFont(look.small())
        painter.setPen(look.quiet)
        line = plot.bottom() + QFontMetrics(look.small()).ascent() + 4
        left, right = self._axis_texts()
        painter.drawText(QPointF(0, line), left)
        painter.drawText(QPointF(self.width() - QFontMetrics(look.small()).horizontalAdvance(right), line), right)

    def _axis_texts(self) -> tuple[str, str]:
        left = activation_text(self._edges[0])
        last = self._edges[-1]
        return left, activation_text(last) if np.isfinite(last) else f"{activation_text(self._edges[-2])}+"

    def _set_current(self, place: int) -> None:
        if place != self._current:
            self._current = place
            self.update()
            spoken.announce(self)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._set_current(self._bin_at(event.position().x()))

    def leaveEvent(self, event: QEvent) -> None:
        self._set_current(-1)
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if by is None or not len(self._counts):
            return super().keyPressEvent(event)
        self._set_current(min(max(self._current + by, 0), len(self._counts) - 1))

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            place = self._bin_at(event.pos().x())
            QToolTip.showText(event.globalPos(), self.bin_text(place) if place >= 0 else "", self)
            return True
        return super().event(event)


def crop(edges: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bins from the first to the last that hold anything, as edges (b + 1,) and counts (b,).

    The under- and overflow bins take part where they hold something; their outer edges are 0 and infinity.
    """
    wide = np.concatenate([[0.0], edges, [np.inf]])
    filled = np.flatnonzero(counts)
    if not len(filled):
        return wide[:1], counts[:0]
    first, last = int(filled[0]), int(filled[-1])
    first = max(min(first, last - _LEAST_BINS + 1), min(first, 1))
    return wide[first : last + 2], counts[first : last + 1]


def log_heights(counts: np.ndarray) -> np.ndarray:
    """Bar heights 0…1: log of count, so that the rare strong firings are seen beside the many weak ones."""
    heights = np.log1p(np.asarray(counts, np.float64))
    top = heights.max(initial=0.0)
    return heights / top if top > 0 else heights


def sparkline(counts: np.ndarray, bars: int = 14) -> np.ndarray | None:
    """The histogram (B + 2,) in a few bars, heights 0…1; None for a feature that never fired."""
    filled = np.flatnonzero(counts)
    if not len(filled):
        return None
    first, last = int(filled[0]), int(filled[-1])
    used = np.asarray(counts[first : last + 1], np.int64)
    if len(used) < bars:
        used = np.pad(used, (0, bars - len(used)))
    return log_heights(np.add.reduceat(used, np.arange(bars) * len(used) // bars))
