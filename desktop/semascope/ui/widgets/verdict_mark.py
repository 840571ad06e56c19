"""A sign for how a check ended, told by its shape as well as by its colour: a tick, a question mark, an exclamation mark."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from semascope.ui.theme import theme

Sign = Literal["", "good", "doubt", "error", "waiting"]


class VerdictMark(QWidget):
    """As large as a line of text. Decoration: whoever shows it says the same in words beside it."""

    def __init__(self, sign: Sign = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sign: Sign = sign
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    @property
    def sign(self) -> Sign:
        return self._sign

    def show_sign(self, sign: Sign) -> None:
        """Show this one."""
        self._sign = sign
        self.setVisible(bool(sign))
        self.update()

    def sizeHint(self) -> QSize:
        side = round(16 * theme().scale)
        return QSize(side, side)

    minimumSizeHint = sizeHint

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        side = min(self.width(), self.height())
        paint_sign(painter, QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side), self._sign)
        painter.end()


def sign_colour(sign: Sign) -> QColor:
    """The colour of the words that stand beside a sign."""
    look = theme()
    return {"good": look.good, "doubt": look.doubt, "error": look.error}.get(sign, look.quiet)


def paint_sign(painter: QPainter, room: QRectF, sign: Sign) -> None:
    """Paint a sign into a square: a circle round a tick or question mark, a triangle round an exclamation mark."""
    if not sign:
        return
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    unit = room.width() / 16
    pen = QPen(sign_colour(sign), 1.6 * unit, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.translate(room.topLeft())
    painter.scale(unit, unit)
    pen.setWidthF(1.6)
    painter.setPen(pen)
    if sign == "error":
        painter.drawPolygon(QPolygonF([QPointF(8, 1.8), QPointF(15, 14.2), QPointF(1, 14.2)]))
        painter.drawLine(QPointF(8, 6), QPointF(8, 9.4))
        painter.drawPoint(QPointF(8, 11.9))
    else:
        painter.drawEllipse(QRectF(1.2, 1.2, 13.6, 13.6))
    if sign == "good":
        painter.drawPolyline(QPolygonF([QPointF(4.9, 8.3), QPointF(7.1, 10.5), QPointF(11.2, 5.9)]))
    elif sign == "doubt":
        hook = QPainterPath(QPointF(6, 6.3))
        hook.cubicTo(QPointF(6, 3.6), QPointF(10.2, 3.8), QPointF(10, 6.3))
        hook.cubicTo(QPointF(9.9, 7.6), QPointF(8, 7.7), QPointF(8, 9.2))
        painter.drawPath(hook)
        painter.drawPoint(QPointF(8, 11.7))
    elif sign == "waiting":
        for x in (5, 8, 11):
            painter.drawPoint(QPointF(x, 8))
    painter.restore()
