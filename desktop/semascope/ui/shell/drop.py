"""Drag and drop: anything may be dropped anywhere on the window; what it is is told by its content, once it has landed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, QObject, Qt
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from semascope.ui.theme import theme


class DropVeil(QWidget):
    """Says, while something is held over the window, that it may be let go. Calls `on_paths` when it was."""

    def __init__(self, window: QWidget, on_paths: Callable[[list[Path]], object]) -> None:
        super().__init__(window)
        self._window, self._on_paths = window, on_paths
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QDropEvent) and event.type() == QEvent.Type.Drop:
            self.hide()
            paths = local_paths(event.mimeData())
            if paths:
                event.acceptProposedAction()
                self._on_paths(paths)
            return True
        if isinstance(event, QDragEnterEvent):
            if local_paths(event.mimeData()):
                event.acceptProposedAction()
                self.setGeometry(self._window.rect())
                self.raise_()
                self.show()
            return True
        if event.type() == QEvent.Type.DragLeave:
            self.hide()
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        ground = QColor(look.background)
        ground.setAlphaF(0.88)
        painter.fillRect(self.rect(), ground)
        frame = self.rect().adjusted(*[look.spacing(n) for n in (4, 4, -4, -4)])
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(look.accent, 2, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(frame, look.corner, look.corner)
        painter.setPen(look.text)
        painter.setFont(look.title())
        painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, "Drop a model, an SAE, a harvest, a session or a corpus")


def local_paths(data: QMimeData) -> list[Path]:
    """The files and folders that are dragged; links to anywhere else are none of our business."""
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
