"""A chip of the top bar: what kind of thing, its name, and a few quiet words about it. A click shows the details."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.verdict_mark import Sign, paint_sign, sign_colour


class Chip(QAbstractButton):
    """`kind` **name** · facts, in a rounded frame. The facts give way first when room is short."""

    def __init__(self, kind: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind = kind
        self._name = ""
        self._facts = ""
        self._mark: tuple[str, Sign] = ("", "")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.say("", "")

    def say(self, name: str, facts: str, mark: str = "", sign: Sign = "") -> None:
        """Show this; without a name the chip invites to open something. `mark` says in a word how it is, beside its sign."""
        self._name, self._facts, self._mark = name, facts, (mark, sign)
        self.setAccessibleName(f"{self._kind}: {name or 'none'}")
        self.setAccessibleDescription(" · ".join(filter(None, (facts, mark))))
        self.updateGeometry()
        self.update()

    def pieces(self) -> list[tuple[str, bool]]:
        """The words in order, and whether each is strong."""
        if not self._name:
            return [(f"No {self._kind if self._kind == 'SAE' else self._kind.lower()}", False)]
        facts = [(f" · {self._facts}", False)] if self._facts else []
        return [(f"{self._kind} ", False), (self._name, True), *facts]

    def _font(self, strong: bool) -> QFont:
        font = theme().ui()
        if strong:
            font.setWeight(QFont.Weight.Medium)
        return font

    def _width(self, pieces: list[tuple[str, bool]]) -> int:
        padding = 2 * theme().spacing(2) + theme().spacing(1)
        return padding + sum(QFontMetrics(self._font(s)).horizontalAdvance(words) for words, s in pieces) + 2

    @property
    def _mark_width(self) -> int:
        """Room for the sign and its word at the right."""
        words, sign = self._mark
        if not words or not self._name:
            return 0
        side = round(14 * theme().scale) + theme().spacing(1) if sign else 0
        return theme().spacing(2) + side + QFontMetrics(self._font(False)).horizontalAdvance(words)

    def sizeHint(self) -> QSize:
        width = self._width(self.pieces()) + self._mark_width
        return QSize(width, QFontMetrics(self._font(False)).height() + theme().spacing(3))

    def minimumSizeHint(self) -> QSize:
        width = min(self._width(self.pieces()[:2]), round(180 * theme().scale)) + self._mark_width
        return QSize(width, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(look.accent if self.hasFocus() else look.line, 1))
        painter.setBrush(look.soft if self.underMouse() else look.pane)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), look.corner, look.corner)
        left, right = look.spacing(2) + 2, self.width() - look.spacing(2)
        right = self._paint_mark(painter, right)
        for words, strong in self.pieces():
            metrics = QFontMetrics(self._font(strong))
            painter.setFont(self._font(strong))
            painter.setPen(look.text if strong else look.quiet)
            shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, max(0, right - left))
            room = QRect(left, 0, max(0, right - left), self.height())
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, shown)
            left += metrics.horizontalAdvance(words)

    def _paint_mark(self, painter: QPainter, right: int) -> int:
        """Paint the sign and its word at the right; returns where the rest ends."""
        if not self._mark_width:
            return right
        look = theme()
        words, sign = self._mark
        left = right - self._mark_width + look.spacing(2)
        side = round(14 * look.scale)
        if sign:
            paint_sign(painter, QRectF(left, (self.height() - side) / 2, side, side), sign)
        painter.setFont(self._font(False))
        painter.setPen(sign_colour(sign))
        room = QRect(left, 0, right - left, self.height())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, words)
        return left - look.spacing(2)
