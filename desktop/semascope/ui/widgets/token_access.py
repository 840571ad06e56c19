"""What a screen reader is told about a token heatmap: the text, and the token at the caret with its activation.

Registered once with Qt's accessibility; the widget knows nothing of it but `install` and `announce_caret`.
"""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QAccessible, QAccessibleEvent, QAccessibleInterface
from PySide6.QtWidgets import QAccessibleWidget

if TYPE_CHECKING:
    from semascope.ui.widgets.token_view import TokenView

_LONGEST = 20_000  # characters of text that are offered at once

# Qt keeps the bare pointer, so the Python objects must live as long as their widgets.
_interfaces: dict[int, QAccessibleInterface] = {}
_installed = False


class TokenAccess(QAccessibleWidget):
    """A read-only text whose value is the token at the caret."""

    def __init__(self, view: "TokenView") -> None:
        super().__init__(view, QAccessible.Role.Document)
        self._view = view

    def text(self, kind: QAccessible.Text) -> str:
        view = self._view
        if kind == QAccessible.Text.Value:
            return caret_words(view)
        if kind == QAccessible.Text.Description:
            return view.accessibleDescription() or view.tokens.text()[:_LONGEST]
        return super().text(kind)


def caret_words(view: "TokenView") -> str:
    """The token at the caret in words: "France, token 12 of 40, 85 % of the maximum"."""
    caret = view.caret
    if caret < 0:
        return view.tr("no text")
    token = view.tokens.strings[caret].strip() or view.tr("blank")
    words = view.tr("{token}, token {place} of {count}").format(token=token, place=caret + 1, count=len(view.tokens))
    if view.tokens.grey[caret]:
        return words + view.tr(", not counted")
    if view.values is None:
        return words
    share = int(view.tokens.levels(view.values)[caret]) / 255
    return words + (view.tr(", {share:.0%} of the maximum").format(share=share) if share else view.tr(", silent"))


def announce_caret(view: "TokenView") -> None:
    """Tell assistive technology that the value changed."""
    if QAccessible.isActive():
        QAccessible.updateAccessibility(QAccessibleEvent(view, QAccessible.Event.ValueChanged))


def install() -> None:
    """Register with Qt; calls after the first do nothing."""
    global _installed
    if not _installed:
        _installed = True
        QAccessible.installFactory(_make)


def _make(_class_name: str, target: QObject) -> QAccessibleInterface | None:
    from semascope.ui.widgets.token_view import TokenView

    if not isinstance(target, TokenView):
        return None
    key = id(target)
    if key not in _interfaces:
        _interfaces[key] = TokenAccess(target)
        target.destroyed.connect(lambda: _interfaces.pop(key, None))
    return _interfaces[key]
