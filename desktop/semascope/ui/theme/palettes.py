"""A complete QPalette from the semantic colours, so that Fusion draws every stock widget in them."""

from __future__ import annotations

from PySide6.QtGui import QColor, QPalette

from semascope.ui.theme.tokens import Tokens


def palette(source: Tokens) -> QPalette:
    """Every role of every group; what is disabled is quiet."""
    role = QPalette.ColorRole
    colours = {
        role.Window: source.background,
        role.WindowText: source.text,
        role.Base: source.pane,
        role.AlternateBase: source.background,
        role.Text: source.text,
        role.PlaceholderText: source.quiet,
        role.Button: source.pane,
        role.ButtonText: source.text,
        role.BrightText: source.on_accent,
        role.ToolTipBase: source.pane,
        role.ToolTipText: source.text,
        role.Highlight: source.selection,
        role.HighlightedText: source.text,
        role.Link: source.accent,
        role.LinkVisited: source.accent,
        role.Accent: source.accent,
        role.Light: source.pane,
        role.Midlight: source.hairline,
        role.Mid: source.line,
        role.Dark: source.line,
        role.Shadow: source.line,
    }
    result = QPalette()
    for name, colour in colours.items():
        result.setColor(name, QColor(colour))
    for name in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        result.setColor(QPalette.ColorGroup.Disabled, name, QColor(source.quiet))
    return result
