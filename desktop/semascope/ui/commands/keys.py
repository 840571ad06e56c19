"""A shortcut as people read it: "Ctrl Shift H", with the names this desktop uses."""

from __future__ import annotations

from PySide6.QtGui import QKeySequence


def keys_text(shortcut: str) -> str:
    """The keys of a shortcut, parted by spaces; "" for none. The plus key itself stays one."""
    native = QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText)
    if native.endswith("++"):
        return f"{native[:-2].replace('+', ' ')} +"
    return native.replace("+", " ")
