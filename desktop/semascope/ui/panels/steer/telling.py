"""A comparison in the words and values that the two answer views show. Pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from semascope.ui.panels.steer.comparison import Comparison, Side
from semascope.ui.widgets.numbers import activation_text
from semascope.ui.widgets.token_text import list_form


@dataclass(frozen=True, eq=False)
class Told:
    """What one answer view shows.

    Attributes:
        strings: The answer's tokens.
        heat: (T,) 0…1, or None.
        parting: The first token in which it differs from the other answer, or None.
        remark: A few words at the top right.
        waiting: A sentence in place of an answer, or "".
        tooltip: What to say about a token, or None.
    """

    strings: tuple[str, ...] = ()
    heat: NDArray[np.float32] | None = None
    parting: int | None = None
    remark: str = ""
    waiting: str = ""
    tooltip: Callable[[int], str] | None = field(default=None, repr=False)


def tell(comparison: Comparison | None, which: str, streaming: bool) -> Told:
    """The view of `which` answer, "baseline" or "steered"."""
    if comparison is None:
        own = which == "baseline"
        return Told(waiting="What the model says by itself." if own else "What it says with the sliders.")
    side: Side = getattr(comparison, which)
    if not side.strings and streaming:
        return Told(waiting="Reading the prompt …")
    remarks = [side.remark.rstrip(".").lower()] if side.remark else []
    if which == "steered":
        remarks += [f"#{comparison.lit}"] if comparison.lit is not None else []
        remarks.append(f"seed {comparison.seed}")
    return Told(
        side.strings,
        side.heat,
        comparison.parting if which == "steered" else None,
        " · ".join(remarks),
        "" if side.text or not side.over else "The model answered with nothing.",
        _tooltip(side, comparison),
    )


def _tooltip(side: Side, comparison: Comparison) -> Callable[[int], str] | None:
    activations, lit, strings = side.activations, comparison.lit, side.strings
    if activations is None or lit is None:
        return None
    return lambda token: (
        f"{list_form(strings[token])}\n#{lit} reads {activation_text(float(activations[token]))} here, with no edit in place"
    )
