"""Text from models, corpora and files, made safe for places where Qt would read mark-up into it."""

from html import escape

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget


def plain_tooltip(text: str) -> str:
    """`text` as a tooltip shows it letter for letter: tooltips guess, and would render what looks like HTML."""
    return f'<span style="white-space: pre-wrap">{escape(text)}</span>' if text else ""


def plain_label(text: str = "", parent: QWidget | None = None, *, tone: str = "", size: str = "") -> QLabel:
    """A label that never interprets mark-up. `tone` and `size` are the theme's ("quiet", "small")."""
    label = QLabel(text, parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    if tone:
        label.setProperty("tone", tone)
    if size:
        label.setProperty("textSize", size)  # "size" is a property that every widget has
    return label
