"""How wide tokens are in one font: remembered advances for plain scripts, shaping for those that join or combine."""

from itertools import accumulate

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QFontMetricsF, QTextLayout, QTextOption

LINE_SPACING = 1.5
LEAST_WIDTH = 3.0
_PLAIN_BELOW = "\u02b0"  # below it nothing joins, combines or runs right to left

Piece = tuple[int, str]
"""A token's index and what it draws on one line."""


class TokenMetrics:
    """The widths of token strings in one font, remembered."""

    def __init__(self, font: QFont) -> None:
        self.font = font
        self.metrics = QFontMetricsF(font)
        self.line_height = float(round(self.metrics.height() * LINE_SPACING))
        self.blank = self.metrics.horizontalAdvance(" ")
        self._advance: dict[str, float] = {"": 0.0}

    def advance(self, text: str) -> float:
        """The width of one string, never so small that it could not be seen."""
        width = self._advance.get(text)
        if width is None:
            width = self._advance[text] = max(self.metrics.horizontalAdvance(text), LEAST_WIDTH)
        return width

    def boxes(self, word: list[Piece]) -> list[tuple[float, float]]:
        """Left edge and width of each piece of a word, shaped as a whole where its script asks for it."""
        if all(ink.isascii() or max(ink) < _PLAIN_BELOW for _, ink in word):
            widths = [self.advance(ink) for _, ink in word]
            return list(zip(accumulate(widths, initial=0.0), widths, strict=False))
        return self._shaped([ink for _, ink in word])

    def elided(self, text: str, width: float) -> str:
        return self.metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, width)

    def _shaped(self, inks: list[str]) -> list[tuple[float, float]]:
        layout = QTextLayout("".join(inks), self.font)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.NoWrap)
        layout.setTextOption(option)
        layout.beginLayout()
        line = layout.createLine()
        layout.endLayout()
        boxes = []
        at, edge = 0, _x(line.cursorToX(0))  # positions in UTF-16 units, as Qt counts
        for ink in inks:
            at += len(ink.encode("utf-16-le")) // 2
            before, edge = edge, _x(line.cursorToX(at))
            boxes.append((min(before, edge), max(abs(edge - before), LEAST_WIDTH)))
        return boxes


def _x(answer: object) -> float:
    """QTextLine.cursorToX answers (x, position) or x, by binding version."""
    return float(answer[0] if isinstance(answer, tuple) else answer)  # type: ignore[arg-type]
