"""Bring a widget to where it can be seen: through its docks, tabs and windows, whatever they are."""

from PySide6.QtWidgets import QDockWidget, QTabWidget, QWidget


def bring_to_front(widget: QWidget) -> None:
    """Show every dock, tab and window around a widget and raise it."""
    inner, outer = widget, widget.parentWidget()
    while outer is not None:
        if isinstance(outer, QDockWidget):
            outer.show()
            outer.raise_()
        elif isinstance(outer, QTabWidget):
            page = next((i for i in range(outer.count()) if outer.widget(i).isAncestorOf(inner)), -1)
            if page >= 0:
                outer.setCurrentIndex(page)
        inner, outer = outer, outer.parentWidget()
    widget.window().activateWindow()
