"""A field for a whole number, without arrows: the keys and the wheel change it, and it looks like any other field."""

from __future__ import annotations

from PySide6.QtWidgets import QSpinBox

from semascope.ui.theme import theme


def number_field(minimum: int, maximum: int, value: int = 0, *, prefix: str = "", suffix: str = "") -> QSpinBox:
    """The field. (QSpinBox.NoButtons would leave it one pixel wide under a style sheet; the sheet hides the arrows.)"""
    field = QSpinBox(minimum=minimum, maximum=maximum, value=value, prefix=prefix, suffix=suffix)
    field.setProperty("kind", "number")
    field.lineEdit().setTextMargins(theme().spacing(2) - 2, 0, theme().spacing(2), 0)
    return field
