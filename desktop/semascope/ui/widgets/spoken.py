"""What a screen reader is told about widgets that paint their own content.

A widget that inherits `Spoken` says what it is, what stands at its caret and what it holds; the rest is done here, once,
for all of them.
"""

from PySide6.QtCore import QObject
from PySide6.QtGui import QAccessible, QAccessibleEvent, QAccessibleInterface
from PySide6.QtWidgets import QAccessibleWidget, QWidget
from shiboken6 import isValid

# Qt keeps and finally deletes the C++ half of an interface; the Python half must live until then, and not end it sooner.
_interfaces: list[QAccessibleInterface] = []
_installed = False


class Spoken:
    """To be inherited beside QWidget."""

    spoken_role = QAccessible.Role.StaticText

    def spoken_value(self) -> str:
        """What stands at the caret, in words."""
        return ""

    def spoken_text(self) -> str:
        """The whole content, in words."""
        return ""


class SpokenAccess(QAccessibleWidget):
    """The accessible face of a Spoken widget."""

    def __init__(self, widget: QWidget, spoken: Spoken) -> None:
        super().__init__(widget, spoken.spoken_role)
        self._spoken = spoken

    def text(self, kind: QAccessible.Text) -> str:
        if kind == QAccessible.Text.Value:
            return self._spoken.spoken_value()
        if kind == QAccessible.Text.Description:
            return super().text(kind) or self._spoken.spoken_text()
        return super().text(kind)


def install() -> None:
    """Register with Qt; calls after the first do nothing. Spoken widgets call it when they are made."""
    global _installed
    if not _installed:
        _installed = True
        QAccessible.installFactory(_make)


def announce(widget: QWidget) -> None:
    """Tell assistive technology that the spoken value changed."""
    if QAccessible.isActive():
        QAccessible.updateAccessibility(QAccessibleEvent(widget, QAccessible.Event.ValueChanged))


def _make(_class_name: str, target: QObject) -> QAccessibleInterface | None:
    if not (isinstance(target, Spoken) and isinstance(target, QWidget)):
        return None
    _interfaces[:] = [interface for interface in _interfaces if isValid(interface)]
    _interfaces.append(SpokenAccess(target, target))
    return _interfaces[-1]
