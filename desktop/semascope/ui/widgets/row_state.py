"""What a `SliderRow` shows: plain values, so that whoever decides them needs no widget."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RowState:
    """What a row shows.

    Attributes:
        feature: The feature's id.
        name: Its label, or what stands for one; plain text.
        labelled: Whether `name` is a label (else it is set in quiet italics).
        colour: Index of its colour everywhere in the program (`Theme.feature_colour`).
        strength: The slider's place.
        value: The strength in words, at the right.
        explanation: The effect in a sentence, with the raw value.
        mode: One of the keys of `modes`.
        muted: Whether the edit is left out for now.
        adjustable: Whether the slider means anything in this mode.
        solo: Whether this is the only feature that is not muted, among several.
    """

    feature: int
    name: str
    labelled: bool
    colour: int
    strength: float
    value: str
    explanation: str
    mode: str
    muted: bool
    adjustable: bool
    solo: bool
