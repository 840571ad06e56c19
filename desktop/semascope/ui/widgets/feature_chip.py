"""A chip for one feature among a few: its coloured dot, number and name; checked while it is the one that is shown."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.feature_name import one_line

WIDEST_NAME = 150  # pixels at 100 %
DOT = 8  # pixels at 100 %


class FeatureChip(QAbstractButton):
    """ "● #1499 France and things …". `colour` is the index of its pin, None for a feature that is not pinned."""

    def __init__(
        self, feature: int, name: str, labelled: bool, colour: int | None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.feature = feature
        self._colour = colour
        self._labelled = labelled
        self._number = f"#{feature}"
        self._name = one_line(name)
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        pinned = "pinned, " if colour is not None else ""
        self.setAccessibleName(f"Show feature {feature}, {pinned}{name}")

    def _name_font(self) -> QFont:
        font = theme().small()
        font.setItalic(not self._labelled)
        return font

    def _shown(self) -> str:
        """The name, cut where it is too long for a chip."""
        widest = round(WIDEST_NAME * theme().scale)
        return QFontMetrics(self._name_font()).elidedText(self._name, Qt.TextElideMode.ElideRight, widest)

    def _parts(self) -> tuple[int, int, int]:
        """Widths of dot, number and name, each with the gap after it."""
        look = theme()
        dot = round(DOT * look.scale) + look.spacing(1) + 2 if self._colour is not None else 0
        number = QFontMetrics(look.small()).horizontalAdvance(self._number) + look.spacing(1) + 2
        return dot, number, QFontMetrics(self._name_font()).horizontalAdvance(self._shown())

    # Qt

    def sizeHint(self) -> QSize:
        look = theme()
        return QSize(
            sum(self._parts()) + 2 * look.spacing(2) + 4, QFontMetrics(look.small()).height() + look.spacing(2)
        )

    def paintEvent(self, _event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        chosen = self.isChecked()
        edge = look.accent if self.hasFocus() or chosen else look.line if self.underMouse() else look.soft
        painter.setPen(QPen(edge, 1))
        painter.setBrush(look.selection if chosen else look.soft)
        painter.drawRoundedRect(frame, frame.height() / 2, frame.height() / 2)
        dot, number, _ = self._parts()
        x = look.spacing(2) + 2.0
        if self._colour is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.feature_colour(self._colour))
            size = DOT * look.scale
            painter.drawEllipse(QRectF(x, (self.height() - size) / 2, size, size))
        rest = QRectF(x + dot, 0, self.width(), self.height())
        painter.setFont(look.small())
        painter.setPen(look.quiet)
        painter.drawText(rest, Qt.AlignmentFlag.AlignVCenter, self._number)
        painter.setFont(self._name_font())
        painter.setPen(look.text if self._labelled else look.quiet)
        painter.drawText(rest.translated(number, 0), Qt.AlignmentFlag.AlignVCenter, self._shown())
        painter.end()
