"""The semantic colours of the light and the dark theme, and the sizes everything is set in.

The only file in the program that spells a colour. It knows nothing of Qt; `theme.py` turns these into QColor,
`ramps.py` into colour ramps, `stylesheet.py` into style rules.
"""

from __future__ import annotations

from dataclasses import dataclass

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Tokens:
    """One theme. Colours are "#RRGGBB"; their names say what they are for, not what they look like."""

    name: str
    background: str  # the window
    pane: str  # docks, cards, fields
    text: str
    quiet: str  # secondary text
    line: str  # borders of fields, separators between areas
    hairline: str  # separators between rows
    soft: str  # fills of chips, tracks of progress bars
    accent: str  # focus, progress, density bars
    on_accent: str  # text on the accent
    selection: str
    error: str  # the words of a failure; never the only sign of one
    doubt: str  # the words of what may be wrong; like `error`
    good: str  # the words of what was checked and is right
    activation: RGB  # where a feature fires hardest; the ramp starts at the pane


LIGHT = Tokens(
    name="light",
    background="#FBFBFA",
    pane="#FFFFFF",
    text="#1D1F23",
    quiet="#6B7079",
    line="#DDDEE1",
    hairline="#EFEFF1",
    soft="#ECEDF0",
    accent="#3B5BDB",
    on_accent="#FFFFFF",
    selection="#E8EDFB",
    error="#B3261E",
    doubt="#8A5300",
    good="#1B7443",
    activation=(245, 158, 11),
)

DARK = Tokens(
    name="dark",
    background="#17181B",
    pane="#1E2024",
    text="#E7E8EA",
    quiet="#989DA6",
    line="#34373D",
    hairline="#292C31",
    soft="#2E3137",
    accent="#6C8CFF",
    on_accent="#101218",
    selection="#2A3352",
    error="#FF8A80",
    doubt="#F0B04B",
    good="#6CCB93",
    activation=(214, 137, 16),
)

UP, DOWN = "#D98200", "#2F7FC1"  # signed values: logit effects, differences
FEATURES = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00")  # Okabe–Ito, safe for the colour-blind
INKS = ("#17181B", "#E7E8EA", "#000000", "#FFFFFF")  # texts to try on a coloured ground, the calm ones first

BASE_PX = 13  # interface text at 100 %
SMALL_PX = 12
TITLE_PX = 19
ROW_PX = 26
HEAD_PX = 36  # heads of docks: tabs and titles stand on one line
CORNER_PX = 6
SPACE_PX = 4
