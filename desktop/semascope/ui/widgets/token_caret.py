"""Where a key takes the caret in a laid-out token text. Pure: reads a layout, answers a token."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import Qt

from semascope.ui.widgets.token_layout import TokenLayout

Key = Qt.Key


@dataclass(frozen=True, slots=True)
class Step:
    token: int
    goal_x: float | None = None
    """the column that ↑ and ↓ keep to"""


def step(
    key: Qt.Key,
    modifiers: Qt.KeyboardModifier,
    caret: int,
    goal_x: float | None,
    layout: TokenLayout,
    levels: np.ndarray,
    page: int,
) -> Step | None:
    """The caret's next place, or None for a key that does not move it. `page` is in lines."""
    control = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
    drawn = layout.token
    if len(drawn) == 0:
        return None
    if key in (Key.Key_Left, Key.Key_Right):
        forwards = key == Key.Key_Right
        return Step(_firing(caret, forwards, levels) if control else _beside(caret, forwards, drawn))
    if key in (Key.Key_Home, Key.Key_End) and control:
        return Step(int(drawn[0] if key == Key.Key_Home else drawn[-1]))
    line = layout.line_of(caret)
    if key in (Key.Key_Home, Key.Key_End):
        start, stop = int(layout.line_fragment[line]), int(layout.line_fragment[line + 1])
        return Step(int(drawn[start if key == Key.Key_Home else max(stop - 1, start)]))
    lines = {Key.Key_Up: -1, Key.Key_Down: 1, Key.Key_PageUp: -page, Key.Key_PageDown: page}.get(key)
    if lines is None:
        return None
    fragment = min(int(layout.first_fragment[caret]), len(drawn) - 1)
    column = float(layout.x[fragment] + layout.width[fragment] / 2) if goal_x is None else goal_x
    return Step(_on_line(line, lines, column, caret, layout), column)


def _beside(caret: int, forwards: bool, drawn: np.ndarray) -> int:
    """The next or previous token that is drawn at all."""
    if forwards:
        at = int(np.searchsorted(drawn, caret, side="right"))
        return int(drawn[at]) if at < len(drawn) else caret
    at = int(np.searchsorted(drawn, caret, side="left"))
    return int(drawn[at - 1]) if at > 0 else caret


def _firing(caret: int, forwards: bool, levels: np.ndarray) -> int:
    """The next or previous token with any activation."""
    firing = np.flatnonzero(levels)
    if forwards:
        later = firing[firing > caret]
        return int(later[0]) if len(later) else caret
    earlier = firing[firing < caret]
    return int(earlier[-1]) if len(earlier) else caret


def _on_line(line: int, by: int, column: float, caret: int, layout: TokenLayout) -> int:
    """The token nearest to a column, `by` lines away; lines that start no token are passed over."""
    target = min(max(line + by, 0), layout.lines - 1)
    direction = 1 if by > 0 else -1
    while target != line:
        token = layout.token_at(column, (target + 0.5) * layout.line_height, nearest=True)
        if token >= 0 and token != caret:
            return token
        target += direction
        if not 0 <= target < layout.lines:
            break
    return caret
