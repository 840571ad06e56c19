"""Bring a widget to where it can be seen, whatever docks it is in."""

from PySide6.QtWidgets import QDockWidget, QWidget


def bring_to_front(widget: QWidget) -> None:
    """Show and raise every dock around a widget, and make its window the active one."""
    outer = widget.parentWidget()
    while outer is not None:
        if isinstance(outer, QDockWidget):
            outer.show()
            outer.raise_()
        outer = outer.parentWidget()
    widget.window().activateWindow()
