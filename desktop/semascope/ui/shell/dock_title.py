"""The head of a dock that stands alone: its name, and two quiet words to float and to close it.

A dock that shares its place has a tab instead, and this is hidden. Dragging is QDockWidget's own: what is not accepted
here reaches it.
"""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QPushButton, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_label


class DockTitle(QWidget):
    """Title bar of `dock`. As high as the tab bar beside it, so that all heads stand on one line."""

    def __init__(self, dock: QDockWidget) -> None:
        super().__init__(dock)
        self.setObjectName("dockTitle")
        self._dock = dock
        self._name = plain_label(dock.windowTitle())
        self._float = self._word("Float", f"Take {dock.windowTitle()} out of the window", self._toggle_float)
        self._close = self._word("Close", f"Hide {dock.windowTitle()}", dock.close)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme().spacing(3), 0, theme().spacing(1), 1)
        layout.setSpacing(0)
        layout.addWidget(self._name, 1)
        layout.addWidget(self._float)
        layout.addWidget(self._close)
        self._reveal(False)

    def sizeHint(self) -> QSize:
        return QSize(80, theme().tab_height)

    minimumSizeHint = sizeHint

    def _word(self, words: str, name: str, action: object) -> QPushButton:
        button = QPushButton(words)
        button.setProperty("kind", "quiet")
        button.setAccessibleName(name)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # both are commands of the View menu
        button.clicked.connect(action)
        return button

    def _toggle_float(self) -> None:
        self._dock.setFloating(not self._dock.isFloating())
        self._float.setText("Dock" if self._dock.isFloating() else "Float")

    def _reveal(self, shown: bool) -> None:
        self._float.setVisible(shown)
        self._close.setVisible(shown)

    def enterEvent(self, event: object) -> None:
        self._reveal(True)

    def leaveEvent(self, event: object) -> None:
        self._reveal(False)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        event.ignore()  # QDockWidget drags

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme().pane)
        painter.fillRect(0, self.height() - 1, self.width(), 1, theme().line)


class TabLine(QWidget):
    """What a dock has in place of a title while it has a tab: the line under the tab bar."""

    def sizeHint(self) -> QSize:
        return QSize(0, 1)

    minimumSizeHint = sizeHint

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), theme().line)
