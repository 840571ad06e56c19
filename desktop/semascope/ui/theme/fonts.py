"""The four fonts of the interface: text, titles, raw tokens, and numbers in columns.

Sizes are device-independent pixels (13 at 100 %), so one setting scales all of them and Qt scales them with the screen.
"""

from __future__ import annotations

import sys
from functools import cache

from PySide6.QtGui import QFont, QFontDatabase

from semascope.ui.theme.tokens import BASE_PX, SMALL_PX, TITLE_PX

# What a Linux desktop without a font setting answers; any of the preferred families reads better.
_NONDESCRIPT = {"", "Sans Serif", "Sans", "DejaVu Sans", "Bitstream Vera Sans", "Arial", "Helvetica"}
_PREFERRED = ("Inter", "Adwaita Sans", "Cantarell", "Ubuntu", "Noto Sans", "DejaVu Sans")
_PREFERRED_MONO = ("JetBrains Mono", "Noto Sans Mono", "DejaVu Sans Mono", "Liberation Mono")


def ui(scale: float = 1.0) -> QFont:
    """The system's interface font."""
    return _sized(_interface(), BASE_PX * scale)


def small(scale: float = 1.0) -> QFont:
    """Captions, column heads, the status strip."""
    return _sized(_interface(), SMALL_PX * scale)


def title(scale: float = 1.0) -> QFont:
    font = _sized(_interface(), TITLE_PX * scale)
    font.setWeight(QFont.Weight.DemiBold)
    return font


def mono(scale: float = 1.0) -> QFont:
    """Raw tokens: every character as wide as the next, leading marks visible."""
    fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    return _sized(_prefer(fixed, _PREFERRED_MONO, {"", "monospace", "Monospace"}), SMALL_PX * scale)


def tabular(scale: float = 1.0) -> QFont:
    """Numbers whose digits line up in a column."""
    font = ui(scale)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


@cache
def _interface() -> QFont:
    system = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    return _prefer(system, _PREFERRED, _NONDESCRIPT) if sys.platform.startswith("linux") else system


def _prefer(font: QFont, families: tuple[str, ...], nondescript: set[str]) -> QFont:
    font = QFont(font)
    if font.family() in nondescript:
        present = set(QFontDatabase.families())
        font.setFamilies([name for name in families if name in present] or [font.family()])
    return font


def _sized(font: QFont, pixels: float) -> QFont:
    font = QFont(font)
    font.setPixelSize(max(1, round(pixels)))
    return font
