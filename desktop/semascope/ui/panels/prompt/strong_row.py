"""One line of the list of strongest features, as plain values: made by the presenter, painted by `strong_list`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StrongRow:
    """A line of the list.

    Attributes:
        feature: The feature, or None for a heading.
        name: Its label, or what stands for one; the heading's words.
        labelled: Whether `name` is a label.
        colour: Index of its pin's colour, or None.
        activation: The activation as text.
        share: Activation over its maximum, or None.
        about: The line in words, for the tooltip and for screen readers.
    """

    feature: int | None
    name: str
    labelled: bool = True
    colour: int | None = None
    activation: str = ""
    share: float | None = None
    about: str = ""
