"""What the feature page shows of one feature, taken from a harvest: plain values, no widgets, no session.

`read_page` reads the disk, and may run on any thread. Labels, tags and pins are the session's and change while the page
stands, so they are not in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from semascope.core.harvest.store import Example, Harvest
from semascope.ui.widgets.example_rows import ExampleRow, ExampleSection
from semascope.ui.widgets.figures import Figure
from semascope.ui.widgets.numbers import activation_text, percent_text
from semascope.ui.widgets.token_text import TokenText, list_form

LOGITS_SHOWN = 8
NEIGHBOURS_SHOWN = 6
TOKENS_ROOM = 26  # characters for the top tokens, so that the figures stay in one row
ALIKE_BEFORE, ALIKE_AFTER = 8, 5  # tokens around the peak that two examples share to be shown as one


@dataclass(frozen=True)
class Page:
    """One feature.

    Attributes:
        feature: its number.
        figures: the row of numbers.
        edges, histogram: as the harvest keeps them.
        promotes, suppresses: (token, effect), strongest first.
        neighbours: (feature, cosine), nearest first.
        sections: examples under their headings, strongest first; those alike are one row.
    """

    feature: int
    figures: tuple[Figure, ...]
    edges: np.ndarray
    histogram: np.ndarray
    promotes: tuple[tuple[str, float], ...]
    suppresses: tuple[tuple[str, float], ...]
    neighbours: tuple[tuple[int, float], ...]
    sections: tuple[ExampleSection, ...]

    @property
    def logit_scale(self) -> float:
        """The largest effect shown: a full bar."""
        return max((abs(value) for _, value in (*self.promotes, *self.suppresses)), default=0.0)


def read_page(harvest: Harvest, feature: int) -> Page:
    """Everything the harvest knows of a feature.

    Raises:
        UserError: The harvest's files can't be read.
    """
    histogram = np.asarray(harvest.histogram(feature))
    effects = harvest.logits(feature)
    return Page(
        feature=feature,
        figures=_figures(harvest, feature),
        edges=np.asarray(harvest.histogram_edges),
        histogram=histogram,
        promotes=tuple(effects.positive[:LOGITS_SHOWN]),
        suppresses=tuple(effects.negative[:LOGITS_SHOWN]),
        neighbours=tuple(harvest.neighbours(feature)[:NEIGHBOURS_SHOWN]),
        sections=_sections(harvest, feature, histogram),
    )


def _figures(harvest: Harvest, feature: int) -> tuple[Figure, ...]:
    fired = int(harvest.count[feature])
    density = percent_text(float(harvest.density[feature]))
    maximum = activation_text(float(harvest.maximum[feature])) if fired else "–"
    mean = activation_text(float(harvest.mean[feature])) if fired else "–"
    norm = activation_text(float(harvest.decoder_norm[feature]))
    tokens = _short_list([list_form(token) for token in harvest.top_tokens(feature)])
    return (
        Figure(density, "of tokens", f"Density: fires on {fired:,} of {harvest.tokens:,} counted tokens"),
        Figure(maximum, "maximum", "The highest activation in the harvest, in the SAE's own units"),
        Figure(mean, "mean when active", "The mean activation over the tokens on which it fires"),
        Figure(norm, "decoder norm", "The length of its decoder direction; activations are shown without it"),
        *(
            [Figure(tokens, "top tokens", "Where it fires, by activation summed over its examples", raw=True)]
            if tokens
            else []
        ),
    )


def _short_list(tokens: list[str]) -> str:
    """As many tokens as there is room for, and at least one."""
    shown = tokens[:1]
    for token in tokens[1:]:
        if len("  ".join([*shown, token])) > TOKENS_ROOM:
            break
        shown.append(token)
    return "  ".join(shown)


def _sections(harvest: Harvest, feature: int, histogram: np.ndarray) -> tuple[ExampleSection, ...]:
    """Examples as the store orders them: the top ones, then the intervals from the highest down."""
    maximum = float(harvest.maximum[feature])
    sections = []
    for interval, examples in groupby(harvest.examples(feature), key=lambda example: example.interval):
        heading = "top examples" if interval is None else _interval_heading(interval, harvest, histogram)
        alike: dict[tuple[str, ...], list[Example]] = {}
        for example in examples:
            alike.setdefault(_around_peak(example), []).append(example)
        rows = tuple(_row(some[0], maximum, len(some)) for some in alike.values())
        sections.append(ExampleSection(heading, rows))
    return tuple(sections)


def _around_peak(example: Example) -> tuple[str, ...]:
    """What makes two examples the same to a reader: a template's words, a text that the corpus holds twice."""
    return example.tokens[max(example.position - ALIKE_BEFORE, 0) : example.position + ALIKE_AFTER]


def _interval_heading(interval: tuple[float, float], harvest: Harvest, histogram: np.ndarray) -> str:
    low, high = interval
    share = share_between(np.asarray(harvest.histogram_edges), histogram, low, high)
    span = f"{activation_text(low)} – {activation_text(high)}"
    if share is None:
        return span
    percent = "under 1 %" if 0 < share < 0.01 else f"{share:.0%}".replace("%", " %")
    return f"{span}  ·  {percent} of firings"


def share_between(edges: np.ndarray, histogram: np.ndarray, low: float, high: float) -> float | None:
    """The share of firings with an activation in (low, high], read off the histogram.

    A bin that the interval cuts counts in proportion to the part inside, so this is right to within a bin.
    """
    total = int(histogram.sum())
    if not total:
        return None
    bounds = np.concatenate([[0.0], edges, [np.inf]]).astype(np.float64)
    left, right = bounds[:-1], bounds[1:]
    inside = np.clip(np.minimum(right, high) - np.maximum(left, low), 0.0, None)
    with np.errstate(invalid="ignore"):
        part = np.where(np.isfinite(right), inside / (right - left), high > left)
    return float(np.clip((part * histogram).sum() / total, 0.0, 1.0))


def _row(example: Example, maximum: float, times: int) -> ExampleRow:
    where = f"{example.document or 'unnamed document'}, token {example.start + example.position:,}"
    text = TokenText(example.tokens, sink=example.special)
    values = np.asarray(example.activations)
    return ExampleRow(example.activation, text, values, maximum, example.position, where, times)
