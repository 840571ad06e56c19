"""A small pool for disk work that needs no model: opening a harvest, telling what a path is, saving the session. No Qt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from semascope.jobs.failure import understand

Callback = Callable[[Any], None]


class DiskPool:
    """Two threads. Work of one kind is newest-wins: an older piece that has not started is dropped, unanswered."""

    def __init__(self, workers: int = 2) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="disk")
        self._latest: dict[str, int] = {}
        self._lock = threading.Lock()
        self._closed = False

    def submit(
        self,
        work: Callable[[], Any],
        on_done: Callback | None = None,
        on_error: Callback | None = None,
        kind: str | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        """Run `work` on the pool; the callbacks are called on its thread, `on_end` last and whatever happens."""
        turn = self._turn(kind)
        with self._lock:
            if not self._closed:
                self._executor.submit(self._run, work, on_done, on_error, kind, turn, on_end)
                return
        if on_end:  # the window is gone; nobody waits for the answer
            on_end()

    def close(self) -> None:
        """Finish what was submitted (a save is never dropped) and end the threads."""
        with self._lock:
            self._closed = True
        self._executor.shutdown(wait=True)

    def _turn(self, kind: str | None) -> int:
        if kind is None:
            return 0
        with self._lock:
            self._latest[kind] = self._latest.get(kind, 0) + 1
            return self._latest[kind]

    def _stale(self, kind: str | None, turn: int) -> bool:
        return kind is not None and self._latest.get(kind) != turn

    def _run(
        self,
        work: Callable[[], Any],
        on_done: Callback | None,
        on_error: Callback | None,
        kind: str | None,
        turn: int,
        on_end: Callable[[], None] | None,
    ) -> None:
        try:
            if not self._stale(kind, turn):
                result = work()
                if on_done and not self._stale(kind, turn):
                    on_done(result)
        except Exception as error:  # told to the caller; the pool goes on
            if on_error:
                on_error(understand(error))
        finally:
            if on_end:
                on_end()
