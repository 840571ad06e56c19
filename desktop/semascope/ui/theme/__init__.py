"""Colours, fonts and distances by what they are for. `theme()` is the theme in force; `themes().changed` says when it is not."""

from semascope.ui.theme.theme import Mode, Theme, Themes, theme, themes

__all__ = ["Mode", "Theme", "Themes", "theme", "themes"]
