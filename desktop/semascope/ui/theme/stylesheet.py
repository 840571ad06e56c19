"""The one style sheet: `base.qss` with the theme's colours put in.

Kept small on purpose: the palette colours widgets, style rules only say what a palette cannot (tabs, chips, buttons,
scroll bars).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from string import Template

from semascope.ui.theme.tokens import BASE_PX, CORNER_PX, HEAD_PX, SMALL_PX, Tokens

_UNDER_TAB = 3  # pixels: the accent under the tab, and the line under the bar


@cache
def _template() -> Template:
    return Template(files("semascope.ui.theme").joinpath("base.qss").read_text(encoding="utf-8"))


def stylesheet(source: Tokens, scale: float = 1.0) -> str:
    """The rules of `base.qss` in this theme; a name the theme lacks is an error, not a black spot."""
    names = {name: value for name, value in vars(source).items() if isinstance(value, str)}
    sizes = {
        "base_px": round(BASE_PX * scale),
        "small_px": round(SMALL_PX * scale),
        "tab_px": round(HEAD_PX * scale) - _UNDER_TAB,
        "corner": CORNER_PX,
    }
    arrow = files("semascope.ui.theme").joinpath(f"arrow-{source.name}.svg")
    tick = files("semascope.ui.theme").joinpath(f"tick-{source.name}.svg")
    return _template().substitute(
        names, arrow=str(arrow), tick=str(tick), **{key: str(value) for key, value in sizes.items()}
    )
