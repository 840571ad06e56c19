"""How the palette draws a command: its words at the left, its shortcut, or else its menu, quiet at the right."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from semascope.ui.commands.keys import keys_text
from semascope.ui.theme import theme

Index = QModelIndex | QPersistentModelIndex


class PaletteDelegate(QStyledItemDelegate):
    """Paints one row; the item's user data is the Command."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(0, theme().row)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        look = theme()
        command = index.data(Qt.ItemDataRole.UserRole)
        enabled = bool(option.state & QStyle.StateFlag.State_Enabled)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.selection)
            painter.drawRoundedRect(option.rect, 4, 4)
        room = option.rect.adjusted(look.spacing(2), 0, -look.spacing(2), 0)
        aside = keys_text(command.shortcut) or command.menu
        painter.setFont(look.small())
        painter.setPen(look.quiet)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, aside)
        taken = QFontMetrics(look.small()).horizontalAdvance(aside) + look.spacing(4)
        painter.setFont(look.ui())
        painter.setPen(look.text if enabled else look.quiet)
        words = QFontMetrics(look.ui()).elidedText(command.words_now, Qt.TextElideMode.ElideRight, room.width() - taken)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)
        painter.restore()
