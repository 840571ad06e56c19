"""A feature's number and name in one line: "#1499" quiet, the name in the text colour, cut off with "…" where it must be.

A button: a click or Enter opens the feature. It paints plain text only, whatever a label contains.
"""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from semascope.ui.theme import theme


def one_line(text: str) -> str:
    """The text with line breaks and tabs as visible marks, so that a label cannot break a row."""
    return text.replace("\r\n", "↵").replace("\n", "↵").replace("\r", "↵").replace("\t", "⇥")


class FeatureName(QAbstractButton):
    """ "#1499  France and things French"."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._number = ""
        self._name = ""
        self._labelled = True

    def show_feature(self, feature: int, name: str, labelled: bool) -> None:
        """Show this feature; `labelled` False sets the name quiet and in italics ("no label")."""
        self._number, self._name, self._labelled = f"#{feature}", one_line(name), labelled
        self.setAccessibleName(f"Feature {feature}, {name}")
        self.setToolTip("")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        number = QFontMetrics(theme().tabular()).horizontalAdvance(self._number)
        font = theme().ui()
        font.setItalic(not self._labelled)
        metrics = QFontMetrics(font)
        width = number + theme().spacing(2) + metrics.horizontalAdvance(self._name)
        return QSize(width + 6, metrics.height() + 4)  # italics lean over their advance

    def minimumSizeHint(self) -> QSize:
        metrics = QFontMetrics(theme().ui())
        return QSize(metrics.horizontalAdvance(f"{self._number}  …") + 4, metrics.height() + 4)

    def paintEvent(self, _event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.setFont(look.tabular())
        painter.setPen(look.quiet)
        metrics = painter.fontMetrics()
        whole = self.rect()
        middle = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(whole, middle, self._number)
        used = metrics.horizontalAdvance(self._number) + look.spacing(2)
        font = look.ui()
        font.setItalic(not self._labelled)
        font.setUnderline(self.hasFocus())
        painter.setFont(font)
        painter.setPen(look.text if self._labelled else look.quiet)
        rest = QRect(whole.left() + used, whole.top(), max(0, whole.width() - used), whole.height())
        shown = QFontMetrics(font).elidedText(self._name, Qt.TextElideMode.ElideRight, rest.width())
        painter.drawText(rest, middle, shown)
        painter.end()
