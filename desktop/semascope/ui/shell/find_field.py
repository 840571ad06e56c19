"""The field at the top right that opens the command palette. It looks like a field because that is what it opens."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy

from semascope.ui.commands.keys import keys_text
from semascope.ui.theme import theme


class FindField(QAbstractButton):
    """ "Find a command" and its shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Find a command")
        self.setCursor(Qt.CursorShape.IBeamCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(round(250 * theme().scale), QFontMetrics(theme().ui()).height() + theme().spacing(3))

    def minimumSizeHint(self) -> QSize:
        return QSize(round(170 * theme().scale), self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(look.accent if self.hasFocus() else look.line, 1))
        painter.setBrush(look.background)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), look.corner, look.corner)
        room = self.rect().adjusted(look.spacing(2) + 2, 0, -look.spacing(2) - 2, 0)
        painter.setPen(look.quiet)
        painter.setFont(look.ui())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, "Find a command")
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, keys_text("Ctrl+K"))
