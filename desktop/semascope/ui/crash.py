"""What becomes of an exception that nobody caught: it is logged, and told once, in the window, with its details to copy.

Qt calls `sys.excepthook` on whichever thread raised, and goes on; so one hook marshals everything to the interface
thread. The program is not ended: what a person made is saved anyway, and most faults touch one panel.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType

from PySide6.QtCore import QObject, Qt, Signal

from semascope import paths
from semascope.jobs.failure import EngineFailure

_LONGEST_LOG = 1 << 20


class CrashHooks(QObject):
    """Installed from construction until `remove`. Calls `on_failure(EngineFailure)` on the interface thread."""

    _raised = Signal(object)

    def __init__(self, on_failure: Callable[[EngineFailure], object]) -> None:
        super().__init__()
        self._seen: set[str] = set()
        self._on_failure = on_failure
        self._raised.connect(self._tell, Qt.ConnectionType.QueuedConnection)
        self._before = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._hook
        threading.excepthook = lambda args: self._hook(args.exc_type, args.exc_value, args.exc_traceback)

    def remove(self) -> None:
        """Put back the hooks that were there before."""
        sys.excepthook, threading.excepthook = self._before

    def _hook(self, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if issubclass(kind, (KeyboardInterrupt, SystemExit)):
            return
        details = "".join(traceback.format_exception(kind, error, trace))
        if details in self._seen:  # a paint event that fails would tell it sixty times a second
            return
        self._seen.add(details)
        print(details, file=sys.stderr, end="")
        _log(details)
        failure = EngineFailure(
            f"Something went wrong inside the program: {kind.__name__}.",
            "Your work is kept. The details can be copied for a report.",
            details,
        )
        self._raised.emit(failure)

    def _tell(self, failure: EngineFailure) -> None:
        self._on_failure(failure)


def _log(details: str) -> None:
    """Add to the log beside the recovery files; that it can't be written must not raise here."""
    log = paths.state_dir() / "failures.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LONGEST_LOG:
            log.unlink()
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{details}\n")
    except OSError:
        return
