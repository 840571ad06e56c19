"""Ctrl+C and a polite kill close the window as its own button would.

Python runs signal handlers only between two of its own instructions, and Qt's event loop executes none while it
waits: a socket that the interpreter writes to wakes it up.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

from PySide6.QtCore import QObject, QSocketNotifier


class Interrupts(QObject):
    """Calls `on_interrupt` on the interface thread for SIGINT and SIGTERM, until `remove`."""

    def __init__(self, on_interrupt: Callable[[], object]) -> None:
        super().__init__()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._old_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._on_interrupt = on_interrupt
        self._notifier = QSocketNotifier(self._reader.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._woken)
        self._old = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}

    def remove(self) -> None:
        """Give the signals back."""
        self._notifier.setEnabled(False)
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()

    def _woken(self) -> None:
        numbers = self._reader.recv(64)
        if any(number in self._old for number in numbers):
            self._on_interrupt()
