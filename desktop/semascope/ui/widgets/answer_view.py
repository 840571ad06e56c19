"""An answer in a quiet frame: what it is, a remark, and its text with the activation of a feature behind it.

    ┌──────────────────────────┐
    │ steered           seed 7 │
    │ ▏Bonjour, it's a …       │      the stroke marks where the two answers part
    └──────────────────────────┘

While text is added it stays at the end, unless the person scrolled up. Shows the text as it is, whatever it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_label
from semascope.ui.widgets.token_view import TokenView

MARGIN = 4  # round the text, with room for the stroke


class AnswerText(TokenView):
    """Tokens with a stroke before the one where this answer leaves the other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, margin=MARGIN)
        self.viewport().setAutoFillBackground(False)  # the frame's own ground shows through
        self._parting: int | None = None

    def set_parting(self, token: int | None) -> None:
        """Mark this token; one past the last marks nothing."""
        self._parting = token
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._parting is None or self._parting >= len(self.tokens):
            return
        place = self.token_rect(self._parting)
        painter = QPainter(self.viewport())
        painter.fillRect(QRectF(place.left() - MARGIN, place.top() + 3, 2, place.height() - 6), theme().accent)
        painter.end()


class AnswerView(QWidget):
    """One answer.

    Args:
        title: "baseline" or "steered".
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(f"answer.{title}")
        self.title = plain_label(title, tone="quiet", size="small")
        self.remark = plain_label("", tone="quiet", size="small")
        self.text = AnswerText()
        self.text.setAccessibleName(f"The {title} answer")
        self.waiting = plain_label("", tone="quiet")
        self.waiting.setWordWrap(True)
        self.waiting.setContentsMargins(MARGIN, MARGIN, MARGIN, 0)
        self._strings: tuple[str, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        head = QHBoxLayout()
        head.setContentsMargins(MARGIN, 0, MARGIN, 0)
        head.addWidget(self.title)
        head.addStretch(1)
        head.addWidget(self.remark)
        layout = QVBoxLayout(self)
        space = theme().spacing
        layout.setContentsMargins(space(2), space(2), space(2), space(1))
        layout.setSpacing(space(1))
        layout.addLayout(head)
        layout.addWidget(self.waiting)
        layout.addWidget(self.text, 1)
        self.say("")

    def say(self, sentence: str) -> None:
        """Show a quiet sentence in place of an answer that is not there."""
        self.waiting.setText(sentence)
        self.waiting.setVisible(bool(sentence))

    def show_answer(
        self,
        strings: Sequence[str],
        heat: NDArray[np.float32] | None,
        parting: int | None,
        tooltip_for: Callable[[int], str] | None = None,
    ) -> None:
        """Show an answer, whole or as far as it has come.

        Args:
            strings: Its tokens.
            heat: (T,) 0…1, how strongly to colour each, or None.
            parting: The first token in which it differs from the other answer, or None.
            tooltip_for: What to say about a token.
        """
        strings = tuple(strings)
        self.text.tooltip_for = tooltip_for
        if strings != self._strings:
            bar = self.text.verticalScrollBar()
            at, follows = bar.value(), bar.value() >= bar.maximum()
            self._strings = strings
            self.text.set_tokens(strings)
            bar.setValue(bar.maximum() if follows else at)
        self.text.set_values(heat)
        self.text.set_parting(parting)

    # Qt

    def sizeHint(self) -> QSize:
        return QSize(180, 120)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, round(96 * theme().scale))

    def paintEvent(self, _event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(look.line, 1))
        painter.setBrush(look.background)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), look.corner, look.corner)
        painter.end()
