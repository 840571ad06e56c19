"""A quiet note in a dashed frame, in which the numbers are set in the text colour: the truth beside an effect.

    Effect KL 1.84 · fluency cost +0.21 nats · random push of equal norm KL 0.09

The words are given in pieces and painted as plain text; nothing in them is markup.
"""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QPainter, QPaintEvent, QPen, QTextCharFormat, QTextLayout, QTextOption
from PySide6.QtWidgets import QSizePolicy, QWidget

from semascope.ui.theme import theme

Pieces = tuple[tuple[str, bool], ...]  # (words, whether they are the measured ones)


class MeasuredNote(QWidget):
    """Shows pieces of text, the measured ones stronger; as tall as its width makes it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._pieces: Pieces = ()

    @property
    def text(self) -> str:
        """The whole note as plain text."""
        return "".join(words for words, _ in self._pieces)

    def show_pieces(self, pieces: Pieces) -> None:
        """Show these words, joined as they are."""
        if pieces != self._pieces:
            self._pieces = pieces
            self.setAccessibleName(self.text)
            self.updateGeometry()
            self.update()

    def _layout(self, width: float) -> tuple[QTextLayout, float]:
        """The text laid out in `width` pixels, and its height."""
        look = theme()
        layout = QTextLayout(self.text, look.small())
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WordWrap)
        layout.setTextOption(option)
        formats, at = [], 0
        for words, measured in self._pieces:
            style = QTextCharFormat()
            style.setForeground(look.text if measured else look.quiet)
            style.setFontWeight(QFont.Weight.Medium if measured else QFont.Weight.Normal)
            span = QTextLayout.FormatRange()
            length = len(words.encode("utf-16-le")) // 2
            span.start, span.length, span.format = at, length, style
            formats.append(span)
            at += length
        layout.setFormats(formats)
        layout.beginLayout()
        height = 0.0
        while (line := layout.createLine()).isValid():
            line.setLineWidth(max(40.0, width))
            line.setPosition(QPointF(0, height))
            height += line.height() * 1.2
        layout.endLayout()
        return layout, height

    # Qt

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        space = theme().spacing
        return round(self._layout(width - 2 * space(3))[1]) + 2 * space(2)

    def sizeHint(self) -> QSize:
        return QSize(320, self.heightForWidth(320))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.heightForWidth(self.width() or 320))

    def paintEvent(self, _event: QPaintEvent) -> None:
        look = theme()
        space = look.spacing
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(look.line, 1, Qt.PenStyle.CustomDashLine))
        pen = painter.pen()
        pen.setDashPattern([3, 3])
        painter.setPen(pen)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), look.corner, look.corner)
        layout, _ = self._layout(self.width() - 2 * space(3))
        layout.draw(painter, QPointF(space(3), space(2)))
        painter.end()
