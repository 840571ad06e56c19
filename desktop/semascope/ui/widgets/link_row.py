"""A row that does something: its words at the left, a few quiet ones at the right, a hairline under it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFontMetrics, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from semascope.ui.theme import theme


class LinkRow(QAbstractButton):
    """As wide as it is given. Reached by Tab, run by Space or Enter."""

    def __init__(self, words: str, facts: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words, self._facts = words, facts
        self.setAccessibleName(words)
        self.setAccessibleDescription(facts)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(320, round(34 * theme().scale))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        if self.underMouse() or self.hasFocus():
            painter.fillRect(self.rect(), look.selection if self.hasFocus() else look.soft)
        painter.fillRect(0, self.height() - 1, self.width(), 1, look.hairline)
        room = self.rect().adjusted(look.spacing(2), 0, -look.spacing(2), 0)
        painter.setFont(look.ui())
        metrics = QFontMetrics(look.ui())
        least = min(metrics.horizontalAdvance(self._words), room.width() * 2 // 3) + look.spacing(3)
        facts_width = min(metrics.horizontalAdvance(self._facts) + 1, room.width() - least)
        painter.setPen(look.quiet)
        facts = metrics.elidedText(self._facts, Qt.TextElideMode.ElideRight, facts_width)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, facts)
        painter.setPen(look.accent if self.hasFocus() else look.text)
        words_width = room.width() - facts_width - look.spacing(3)
        words = metrics.elidedText(self._words, Qt.TextElideMode.ElideMiddle, words_width)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)
