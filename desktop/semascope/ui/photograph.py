"""Takes the picture for `--screenshot`: waits until nothing is under way any more, draws the window into a PNG, closes it."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import QObject, QTimer

from semascope.ui.shell.main_window import MainWindow

_POLL = 50  # milliseconds
_QUIET = 900  # milliseconds without anything under way, before the picture: panels wait a moment before they ask
_LONGEST = 240_000  # milliseconds after which the picture is taken as it is


class Photographer(QObject):
    """Attributes: status: 0, or 1 when the file could not be written."""

    def __init__(self, window: MainWindow, file: Path) -> None:
        super().__init__(window)
        self._window, self._file = window, file
        self._waited = self._quiet = 0
        self.status = 0
        self._timer = QTimer(self, interval=_POLL)
        self._timer.timeout.connect(self._look)

    def wait(self) -> None:
        """Begin to wait."""
        self._timer.start()

    def _look(self) -> None:
        self._waited += _POLL
        self._quiet = 0 if self._window.workspace.bridge.pending else self._quiet + _POLL
        if self._quiet >= _QUIET or self._waited >= _LONGEST:
            self._timer.stop()
            self._take()

    def _take(self) -> None:
        if not self._window.grab().save(str(self._file), "PNG"):
            self.status = 1
            print(f"Could not write {self._file}.", file=sys.stderr)
        self._window.close()
