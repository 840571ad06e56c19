"""What an example list shows and where: sections, rows, and the vertical place of each.

No widget and no painting (`example_list` does that). A row lays itself out when it is first seen and remembers it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QRect

from semascope.ui.widgets.numbers import activation_text
from semascope.ui.widgets.token_layout import TokenLayout, lay_out
from semascope.ui.widgets.token_metrics import TokenMetrics
from semascope.ui.widgets.token_text import NEWLINE_MARK, TokenText, list_form

_PEAK_AT = 0.45  # where in a closed row the peak stands, as a share of its width
_ROW, _HEADING, _FOOT, _PADDING = 26, 30, 22, 4  # pixels at 100 %


class ExampleRow:
    """One example.

    Attributes:
        activation: its maximum.
        text: the tokens of its window.
        values: (T,) activations, in the SAE's own units.
        levels: (T,) uint8 steps of the activation ramp, relative to the feature's maximum.
        peak: the token with the maximum.
        source: where it comes from, in words.
        times: how many examples this row stands for, all with the same words around the peak.
        opened: whether the whole window is shown.
    """

    def __init__(
        self,
        activation: float,
        text: TokenText,
        values: np.ndarray,
        maximum: float,
        peak: int,
        source: str,
        times: int = 1,
    ) -> None:
        self.activation = activation
        self.text = text
        self.values = values
        self.levels = text.levels(values / maximum if maximum > 0 else None)
        self.peak = min(max(peak, 0), max(len(text) - 1, 0))
        self.source = source
        self.times = times
        self.opened = False
        self._layout: TokenLayout | None = None
        self._laid_out: tuple[bool, int] | None = None

    def layout_at(self, metrics: TokenMetrics, width: int) -> TokenLayout:
        """The row's layout: wrapped to `width` when opened, else one line of any length."""
        wanted = (self.opened, width if self.opened else 0)
        if self._layout is None or wanted != self._laid_out:
            self._layout = lay_out(self.text, metrics, width if self.opened else None)
            self._laid_out = wanted
        return self._layout

    def forget_layout(self) -> None:
        """The font changed."""
        self._layout = None

    def token_words(self, token: int) -> str:
        """A token and its activation, for a tooltip."""
        name = list_form(self.text.strings[token])
        if self.text.grey[token]:
            return f"{name}   not counted"
        sharing = self.text.carrier == token
        value = float(self.values[sharing].max(initial=0.0))
        return f"{name}   {activation_text(value)}" if value > 0 else name


@dataclass(frozen=True)
class ExampleSection:
    """Rows under a heading."""

    heading: str
    rows: tuple[ExampleRow, ...]


@dataclass(slots=True)
class Place:
    """Where a heading (row None) or a row stands, in pixels from the top of the list."""

    top: int
    bottom: int
    line: int
    """height of a line of text"""
    width: int
    """of the text"""
    heading: str = ""
    row: ExampleRow | None = None

    def text_origin(self, left: int, metrics: TokenMetrics) -> tuple[float, float]:
        """Where the top left corner of the row's text is painted; `left` is the text column's edge."""
        assert self.row is not None
        if self.row.opened:
            return left, self.top + _PADDING
        layout = self.row.layout_at(metrics, self.width)
        centred = (self.line - layout.line_height) / 2
        return left - excerpt_start(layout, self.row.peak, self.width), self.top + centred

    def foot(self, left: int) -> QRect:
        """The line under an opened row."""
        return QRect(left, self.bottom - _FOOT - _PADDING, self.width, _FOOT)


def arrange(sections: Sequence[ExampleSection], metrics: TokenMetrics, width: int, scale: float) -> list[Place]:
    """Every heading and row from top to bottom, for a text column of `width` pixels."""
    places: list[Place] = []
    line = max(round(_ROW * scale), round(metrics.line_height))
    top = 0
    for section in sections:
        bottom = top + round(_HEADING * scale)
        places.append(Place(top, bottom, line, width, heading=section.heading))
        top = bottom
        for row in section.rows:
            place = Place(top, top + line, line, width, row=row)
            if row.opened:
                place.bottom = top + round(row.layout_at(metrics, width).height) + 2 * _PADDING + _FOOT
            places.append(place)
            top = place.bottom
    return places


def excerpt_start(layout: TokenLayout, peak: int, width: float) -> float:
    """How far to move a one-line text to the left, so that the peak is in view and a word starts at the edge."""
    fragments = layout.fragments_of(peak)
    if not len(fragments) or layout.extent <= width:
        return 0.0
    middle = float(layout.x[fragments[0]] + layout.width[fragments[0]] / 2)
    wanted = min(middle - _PEAK_AT * width, layout.extent - width)
    if wanted <= 0.0:
        return 0.0
    starts = np.array([run.x for run in layout.runs if run.text.strip() and run.text != NEWLINE_MARK])
    before_peak = starts[(starts >= wanted) & (starts <= middle)]
    return float(before_peak.min()) - 1.0 if len(before_peak) else wanted
