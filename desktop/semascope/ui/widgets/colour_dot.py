"""A feature's coloured dot: full when the feature is in force, a ring when it is muted. A click mutes.

Mouse only; what it does is also in the row's menu and on its M key.
"""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from semascope.ui.theme import theme


class ColourDot(QAbstractButton):
    """Checked means muted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._colour = 0

    def set_colour(self, colour: int) -> None:
        """Wear the theme's feature colour of this index."""
        if colour != self._colour:
            self._colour = colour
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(round(16 * theme().scale), round(20 * theme().scale))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = theme().feature_colour(self._colour)
        hollow = self.isChecked()
        painter.setPen(QPen(colour, 1.6) if hollow else Qt.PenStyle.NoPen)
        painter.setBrush(Qt.BrushStyle.NoBrush if hollow else colour)
        radius = (3.7 if hollow else 4.5) * theme().scale
        centre = self.rect().center().toPointF()
        centre.setX(radius + 1.0)
        painter.drawEllipse(centre, radius, radius)
        painter.end()
