"""The still part of a token heatmap: a text, its colours, its lines, painted where they are visible and scrolled.

Caret, selection and everything a person does is `token_view`, which inherits this. New values cost one pass over a byte
array; a new text, font or width one layout pass (`token_layout`).
"""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractScrollArea, QSizePolicy, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.token_layout import TokenLayout, lay_out
from semascope.ui.widgets.token_metrics import TokenMetrics
from semascope.ui.widgets.token_paint import Marks, TokenPainter
from semascope.ui.widgets.token_text import TokenText


class TokenCanvas(QAbstractScrollArea):
    """Tokens and values, shown. `margin` is in pixels, on all sides."""

    def __init__(self, parent: QWidget | None = None, *, margin: int = 12) -> None:
        super().__init__(parent)
        self._margin = margin
        self._text = TokenText(())
        self._values: np.ndarray | None = None
        self._levels = np.zeros(0, np.uint8)
        self._marks = Marks()
        self._metrics: TokenMetrics | None = None
        self._layout: TokenLayout | None = None
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    # What is shown

    def set_tokens(
        self,
        strings: Sequence[str],
        special: Sequence[bool] | np.ndarray | None = None,
        sink: Sequence[bool] | np.ndarray | None = None,
    ) -> None:
        """Show another text. Values and marks are forgotten.

        Args:
            special: (T,) special tokens, drawn grey and without activation.
            sink: (T,) attention sinks, likewise.
        """
        self._text = TokenText(strings, special, sink)
        self._values = None
        self._levels = self._text.levels(None)
        self._marks = Marks(visible_blanks=self._marks.visible_blanks)
        self._drop_layout()
        self.verticalScrollBar().setValue(0)

    def set_values(self, values: np.ndarray | None) -> None:
        """Colour the tokens by values (T,) in 0…1; None takes the colours away."""
        self._values = values
        self._levels = self._text.levels(values)
        self.viewport().update()

    @property
    def tokens(self) -> TokenText:
        return self._text

    @property
    def values(self) -> np.ndarray | None:
        return self._values

    @property
    def visible_blanks(self) -> bool:
        return self._marks.visible_blanks

    def set_visible_blanks(self, visible: bool) -> None:
        """Show blanks as · and newlines as ↵ everywhere; otherwise only newlines that fire are marked."""
        self._marks.visible_blanks = visible
        self.viewport().update()

    # Geometry

    def content_height(self, width: int | None = None) -> int:
        """The height the whole text needs at a width (the present one if None), margins included."""
        if width is None or width == self.viewport().width():
            return round(self._lines().height) + 2 * self._margin
        return round(lay_out(self._text, self._fonts(), width - 2 * self._margin).height) + 2 * self._margin

    def token_rect(self, token: int) -> QRectF:
        """Where a token's first part stands, in viewport pixels; empty for one that has none."""
        layout = self._lines()
        for fragment in layout.fragments_of(token):
            top = float(layout.line[fragment]) * layout.line_height
            rect = QRectF(float(layout.x[fragment]), top, float(layout.width[fragment]), layout.line_height)
            return rect.translated(self._origin())
        return QRectF()

    def token_at(self, point: QPointF, *, nearest: bool = False) -> int:
        """The token under a point of the viewport, or −1."""
        at = point - self._origin()
        return self._lines().token_at(at.x(), at.y(), nearest) if len(self._text) else -1

    def _origin(self) -> QPointF:
        return QPointF(self._margin, self._margin - self.verticalScrollBar().value())

    def _fonts(self) -> TokenMetrics:
        if self._metrics is None:
            self._metrics = TokenMetrics(self.font())
        return self._metrics

    def _lines(self) -> TokenLayout:
        if self._layout is None:
            self._layout = lay_out(self._text, self._fonts(), self.viewport().width() - 2 * self._margin)
            self._update_scroll_bar()
        return self._layout

    def _drop_layout(self) -> None:
        self._layout = None
        self._update_scroll_bar()
        self.updateGeometry()
        self.viewport().update()

    def _update_scroll_bar(self) -> None:
        layout = self._lines()
        page = self.viewport().height()
        bar = self.verticalScrollBar()
        bar.setPageStep(page)
        bar.setSingleStep(round(layout.line_height))
        bar.setRange(0, max(0, round(layout.height) + 2 * self._margin - page))

    def _show_line(self, line: int) -> None:
        layout = self._lines()
        bar = self.verticalScrollBar()
        top = round(line * layout.line_height)
        bottom = round(top + layout.line_height) + 2 * self._margin
        if top < bar.value():
            bar.setValue(top)
        elif bottom > bar.value() + self.viewport().height():
            bar.setValue(bottom - self.viewport().height())

    # Events

    def paintEvent(self, event: QPaintEvent) -> None:
        layout = self._lines()
        painter = QPainter(self.viewport())
        origin = self._origin()
        area = event.rect()
        painter.translate(origin)
        tokens = TokenPainter(painter, theme(), self._fonts(), self._text, layout, self._levels, self._marks)
        tokens.paint(area.top() - origin.y(), area.bottom() - origin.y())

    def resizeEvent(self, event: QResizeEvent) -> None:
        if event.oldSize().width() != event.size().width():
            self._drop_layout()
        else:
            self._update_scroll_bar()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._metrics = None
            self._drop_layout()
        super().changeEvent(event)

    def sizeHint(self) -> QSize:
        return QSize(480, 200)
