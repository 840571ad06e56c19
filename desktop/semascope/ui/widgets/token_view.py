"""A token heatmap: text set as reading text, with the activation of a feature behind every token.

What stands still is `token_canvas`; this is what a person does with it. It knows tokens and values in 0…1, not features or
models. Keys:

    ← →  token        ↑ ↓  line          Home End  line's ends     Ctrl+Home Ctrl+End  text's ends
    Page Up/Down      Ctrl+← →  previous or next token that fires  Shift with any of them selects
    Ctrl+A  select all    Ctrl+C  copy    /  find    F3, Shift+F3  find again    Enter  choose the token at the caret
"""

from collections.abc import Callable, Sequence

import numpy as np
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QAction,
    QContextMenuEvent,
    QFocusEvent,
    QGuiApplication,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
)
from PySide6.QtWidgets import QMenu, QToolTip, QWidget

from semascope.ui.widgets import spoken
from semascope.ui.widgets.find_bar import FindBar
from semascope.ui.widgets.plain_text import plain_tooltip
from semascope.ui.widgets.token_canvas import TokenCanvas
from semascope.ui.widgets.token_caret import step

_LONGEST_SPOKEN = 20_000  # characters of text that are offered to a screen reader at once


class TokenView(TokenCanvas, spoken.Spoken):
    """The heatmap of one text.

    Signals:
        hovered: index of the token under the pointer, −1 when it leaves.
        clicked: index of a token that was clicked, or chosen with Enter.
        caret_moved: index of the token at the caret.
        selection_changed: first token of the selection and one past its last (equal: none).

    Attributes:
        tooltip_for: plain text to show for a token, or None.
    """

    hovered = Signal(int)
    clicked = Signal(int)
    caret_moved = Signal(int)
    selection_changed = Signal(int, int)
    spoken_role = QAccessible.Role.Document

    def __init__(self, parent: QWidget | None = None, *, margin: int = 12) -> None:
        super().__init__(parent, margin=margin)
        spoken.install()
        self.tooltip_for: Callable[[int], str] | None = None
        self._anchor = 0
        self._caret = 0
        self._goal_x: float | None = None
        self._needle = ""
        self._find_bar = FindBar(self, self)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        self.viewport().setCursor(Qt.CursorShape.IBeamCursor)

    def set_tokens(
        self,
        strings: Sequence[str],
        special: Sequence[bool] | np.ndarray | None = None,
        sink: Sequence[bool] | np.ndarray | None = None,
    ) -> None:
        """Show another text (see TokenCanvas); caret and selection go to its beginning."""
        self._caret = self._anchor = 0
        self._goal_x = None
        super().set_tokens(strings, special, sink)

    # Caret and selection

    @property
    def caret(self) -> int:
        """The token at the caret; −1 without text."""
        return self._caret if len(self._text) else -1

    def set_caret(self, token: int, *, select: bool = False) -> None:
        """Move the caret and bring it into view; with `select` the selection follows."""
        if not len(self._text):
            return
        token = int(self._text.carrier[min(max(token, 0), len(self._text) - 1)])
        moved = token != self._caret
        self._caret = token
        if not select:
            self._anchor = token
        self._set_selection(*((min(self._anchor, token), max(self._anchor, token) + 1) if select else (0, 0)))
        self._show_line(self._lines().line_of(token))
        self._update_marks()
        if moved:
            self.caret_moved.emit(token)
            spoken.announce(self)

    @property
    def selection(self) -> tuple[int, int]:
        """First selected token and one past the last; equal when nothing is selected."""
        return self._marks.selection

    def selected_text(self) -> str:
        return self._text.text(*self.selection) if self.selection[0] < self.selection[1] else ""

    def select_all(self) -> None:
        self._set_selection(0, len(self._text))

    def copy(self) -> None:
        """Copy the selection, or the whole text when there is none."""
        QGuiApplication.clipboard().setText(self.selected_text() or self._text.text())

    def find_text(self, needle: str, *, backwards: bool = False, go_on: bool = True) -> bool:
        """Select the next place where `needle` stands, in any case; False if there is none.

        Args:
            backwards: look towards the beginning.
            go_on: look behind what is selected; otherwise what is selected may be found again.
        """
        self._needle = needle
        low, high = self.selection
        start = (high if go_on and not backwards else low) if low < high else max(self.caret, 0)
        found = self._text.find(needle, start, backwards)
        if found is None:
            return False
        self._anchor = found[0]
        self.set_caret(found[1] - 1, select=True)
        return True

    # For assistive technology

    def spoken_value(self) -> str:
        """The token at the caret: "France, token 12 of 40, 85% of the maximum"."""
        if self.caret < 0:
            return self.tr("no text")
        token = self._text.strings[self.caret].strip() or self.tr("blank")
        words = self.tr("{token}, token {place} of {count}")
        words = words.format(token=token, place=self.caret + 1, count=len(self._text))
        if self._text.grey[self.caret]:
            return words + self.tr(", not counted")
        if self._values is None:
            return words
        share = int(self._levels[self.caret]) / 255
        return words + (self.tr(", {share:.0%} of the maximum").format(share=share) if share else self.tr(", silent"))

    def spoken_text(self) -> str:
        return self._text.text()[:_LONGEST_SPOKEN]

    def _update_marks(self) -> None:
        self._marks.caret = self._caret if self.hasFocus() and len(self._text) else -1
        self.viewport().update()

    def _set_selection(self, start: int, stop: int) -> None:
        if (start, stop) != self._marks.selection:
            self._marks.selection = (start, stop)
            self.selection_changed.emit(start, stop)
            self.viewport().update()

    def _set_hover(self, token: int) -> None:
        if token != self._marks.hover:
            self._marks.hover = token
            self.hovered.emit(token)
            self.viewport().update()

    # Events

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.matches(QKeySequence.StandardKey.SelectAll):
            self.select_all()
        elif event.matches(QKeySequence.StandardKey.FindNext) and self._needle:
            self.find_text(self._needle)
        elif event.matches(QKeySequence.StandardKey.FindPrevious) and self._needle:
            self.find_text(self._needle, backwards=True)
        elif event.key() == Qt.Key.Key_Slash:
            self._find_bar.open()
        elif event.key() == Qt.Key.Key_Escape and self.selection[0] < self.selection[1]:
            self._set_selection(0, 0)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.caret >= 0:
            self.clicked.emit(self.caret)
        elif len(self._text) and self._move(event):
            return
        else:
            super().keyPressEvent(event)

    def _move(self, event: QKeyEvent) -> bool:
        layout = self._lines()
        page = max(1, int(self.viewport().height() / layout.line_height) - 1)
        move = step(Qt.Key(event.key()), event.modifiers(), self._caret, self._goal_x, layout, self._levels, page)
        if move is None:
            return False
        self.set_caret(move.token, select=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        self._goal_x = move.goal_x
        return True

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or not len(self._text):
            return super().mousePressEvent(event)
        self._goal_x = None
        extend = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self.set_caret(self.token_at(event.position(), nearest=True), select=extend)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and len(self._text):
            token = self.token_at(event.position(), nearest=True)
            if token != self._caret:
                self.set_caret(token, select=True)
        self._set_hover(self.token_at(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._marks.selection == (0, 0):
            token = self.token_at(event.position())
            if token >= 0:
                self.clicked.emit(token)

    def leaveEvent(self, event: QEvent) -> None:
        self._set_hover(-1)
        super().leaveEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._update_marks()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._update_marks()

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            token = self.token_at(QPointF(event.pos()))
            told = self.tooltip_for(token) if token >= 0 and self.tooltip_for else ""
            if told:
                QToolTip.showText(event.globalPos(), plain_tooltip(told), self, self.token_rect(token).toRect())
            else:
                QToolTip.hideText()
            return True
        return super().viewportEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        copy = QAction(self.tr("Copy") if self.selected_text() else self.tr("Copy all"), menu)
        copy.triggered.connect(self.copy)
        every = QAction(self.tr("Select all"), menu)
        every.triggered.connect(self.select_all)
        find = QAction(self.tr("Find…"), menu)
        find.triggered.connect(self._find_bar.open)
        blanks = QAction(self.tr("Show blanks"), menu, checkable=True, checked=self.visible_blanks)
        blanks.toggled.connect(self.set_visible_blanks)
        menu.addActions([copy, every, find, blanks])
        menu.popup(event.globalPos())
