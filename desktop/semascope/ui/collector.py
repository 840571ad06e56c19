"""Python's cyclic garbage is collected on the interface thread and on no other, while a window is open.

The collector runs on whichever thread happens to make an object too many. On the engine's thread it would free widgets
there, and a widget with a running timer that dies on a foreign thread takes the program with it. So automatic
collection is off, and a timer does its work: young generations often, which takes no time, everything seldom and while
nothing is under way.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from semascope.jobs import failure

_LOOK = 500  # milliseconds between two looks
_FULL = 300.0  # seconds between two collections of everything
_PATIENCE = 2.0  # seconds that the engine waits for memory it asked for


class Collector(QObject):
    """In force from construction until `remove`. `idle()` says whether nothing is under way."""

    _asked = Signal()

    def __init__(self, idle: Callable[[], bool]) -> None:
        super().__init__()
        self._idle = idle
        self._full_at = time.monotonic()
        self._thread = threading.get_ident()
        self._done = threading.Event()
        gc.disable()
        failure.collect = self.collect
        self._asked.connect(self._collect_here, Qt.ConnectionType.QueuedConnection)
        self._timer = QTimer(self, interval=_LOOK)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def remove(self) -> None:
        """Give collection back to Python."""
        self._timer.stop()
        failure.collect = gc.collect
        gc.enable()

    def collect(self) -> None:
        """Collect everything now; may be called from any thread, and waits a moment for the interface thread to do it."""
        if threading.get_ident() == self._thread:
            self._collect_here()
            return
        self._done.clear()
        self._asked.emit()
        self._done.wait(_PATIENCE)

    def _collect_here(self) -> None:
        gc.collect()
        self._full_at = time.monotonic()
        self._done.set()

    def _look(self) -> None:
        young, middle, _ = gc.get_count()
        most_young, most_middle, _ = gc.get_threshold()
        if time.monotonic() - self._full_at > _FULL and self._idle():
            self._collect_here()
        elif middle > most_middle:
            gc.collect(1)
        elif young > most_young:
            gc.collect(0)
