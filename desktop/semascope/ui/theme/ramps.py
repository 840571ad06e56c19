"""Colour ramps for heatmaps, with a legible text colour for every step. Plain numpy, no Qt.

An activation between 0 and 1 becomes an index into 256 colours from the pane to amber; a signed value between −1 and
1 becomes one from blue through the pane to orange. Contrast is that of WCAG 2.2, section 1.4.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semascope.ui.theme.tokens import INKS, RGB

LEAST_CONTRAST = 4.5  # WCAG AA for text of ordinary size


def rgb(colour: str) -> RGB:
    """ "#RRGGBB" as three numbers of 0..255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def luminance(colour: RGB) -> float:
    """Relative luminance, 0 for black to 1 for white."""
    channels = np.asarray(colour, dtype=np.float64) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: RGB, other: RGB) -> float:
    """Contrast ratio of two colours, 1 (the same) to 21 (black on white)."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def ink_on(ground: RGB, preferred: str) -> RGB:
    """The calmest text colour that reads on `ground`: the preferred one where it can be."""
    inks = [rgb(ink) for ink in (preferred, *INKS)]
    legible = [ink for ink in inks if contrast(ink, ground) >= LEAST_CONTRAST]
    return legible[0] if legible else max(inks, key=lambda ink: contrast(ink, ground))


def blend(start: RGB, end: RGB, steps: int = 256) -> NDArray[np.uint8]:
    """`steps` opaque colours from `start` to `end`: uint8 (steps, 4), RGBA."""
    weight = np.linspace(0, 1, steps)[:, None]
    colours = np.asarray(start) * (1 - weight) + np.asarray(end) * weight
    opaque = np.full((steps, 1), 255.0)
    ramp: NDArray[np.uint8] = np.rint(np.hstack([colours, opaque])).astype(np.uint8)
    return ramp


def diverging(low: RGB, middle: RGB, high: RGB) -> NDArray[np.uint8]:
    """256 opaque colours low → middle → high; index 128 is the middle."""
    return np.vstack([blend(low, middle, 129)[:128], blend(middle, high, 128)])


def inks_for(ramp: NDArray[np.uint8], preferred: str) -> NDArray[np.uint32]:
    """A text colour for every step of a ramp: uint32 (256,), 0xFFRRGGBB as QColor.fromRgba takes it."""
    inks = [ink_on((int(r), int(g), int(b)), preferred) for r, g, b, _ in ramp]
    return np.array([0xFF000000 | r << 16 | g << 8 | b for r, g, b in inks], dtype=np.uint32)


def steps(values: ArrayLike) -> NDArray[np.uint8]:
    """Indices into a 256-step ramp for values of 0..1; what lies outside is clipped, NaN counts as 0."""
    indices: NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(values), 0, 1) * 255).astype(np.uint8)
    return indices
