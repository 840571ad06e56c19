"""A list of tokens with signed values: what a direction makes more or less likely, as bars.

Tokens are raw tokens: monospaced, leading spaces as ·. It knows nothing of how the values came about.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QAccessible,
    QFontMetrics,
    QGuiApplication,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets import spoken
from semascope.ui.widgets.numbers import signed_text
from semascope.ui.widgets.plain_text import plain_tooltip
from semascope.ui.widgets.table_cells import draw_elided
from semascope.ui.widgets.token_text import list_form

_BAR_HEIGHT = 7


class LogitBars(QWidget, spoken.Spoken):
    """Tokens, strongest first."""

    spoken_role = QAccessible.Role.List

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        spoken.install()
        self._rows: tuple[tuple[str, float], ...] = ()
        self._scale = 1.0
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_rows(self, rows: Sequence[tuple[str, float]], scale: float) -> None:
        """Show (token, value) rows; a bar of |value| = `scale` has full length."""
        self._rows = tuple(rows)
        self._scale = scale or 1.0
        self.updateGeometry()
        self.update()

    def spoken_text(self) -> str:
        return "; ".join(f"{token.strip() or 'blank'} {signed_text(value)}" for token, value in self._rows)

    def sizeHint(self) -> QSize:
        return QSize(190, self._pitch() * len(self._rows))

    def minimumSizeHint(self) -> QSize:
        return QSize(130, self.sizeHint().height())

    def _pitch(self) -> int:
        return round(17 * theme().scale)

    def paintEvent(self, _event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pitch = self._pitch()
        numbers = look.tabular()
        value_width = QFontMetrics(numbers).horizontalAdvance("+00.00")
        name_width = min(round(84 * look.scale), round(self.width() * 0.42))
        room = max(self.width() - name_width - value_width - 14, 8)
        thick = round(_BAR_HEIGHT * look.scale)
        for place, (token, value) in enumerate(self._rows):
            top = place * pitch
            draw_elided(painter, QRect(0, top, name_width - 6, pitch), list_form(token), look.mono(), look.text)
            bar = QRectF(name_width, top + (pitch - thick) / 2, 0, thick)
            bar.setWidth(max(min(abs(value) / self._scale, 1.0) * room, 1.0))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.up if value > 0 else look.down)
            painter.drawRoundedRect(bar, 1.5, 1.5)
            where = QRect(self.width() - value_width, top, value_width, pitch)
            side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            draw_elided(painter, where, signed_text(value), numbers, look.quiet, side)
        if self.hasFocus():
            painter.setPen(look.accent)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)

    def _row_at(self, point: QPoint) -> int:
        place = point.y() // self._pitch()
        return place if 0 <= place < len(self._rows) else -1

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            place = self._row_at(event.pos())
            if place >= 0:
                token, value = self._rows[place]
                QToolTip.showText(event.globalPos(), plain_tooltip(f"{list_form(token)}   {signed_text(value)}"), self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            rows = (f"{token}\t{signed_text(value)}" for token, value in self._rows)
            QGuiApplication.clipboard().setText("\n".join(rows))
        else:
            super().keyPressEvent(event)
