"""From the lane and the disk pool to the interface thread, through one queued signal, at most thirty times a second.

What arrives between two drains is delivered in one batch; of several progress updates of one job only the last is.
The bridge is the only thing in the program that both a worker thread and a widget touch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from shiboken6 import isValid

from semascope.jobs.lane import Lane, Worker
from semascope.jobs.pool import DiskPool
from semascope.jobs.records import JobRecord, Ticket

Callback = Callable[[Any], None]
_INTERVAL = 1 / 30  # seconds between two drains


class Bridge(QObject):
    """Requests go out, callbacks come back on the interface thread.

    Attributes:
        pending: Requests and reads that have not been answered yet; 0 means that nothing is under way.

    Signals:
        job_changed: a JobRecord, whenever a titled job moved.
        failed: the error of a request that had no `on_error`.
    """

    job_changed = Signal(object)
    failed = Signal(object)
    _arrived = Signal(object)

    def __init__(self, worker: Worker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._inbox: dict[object, tuple[Callback, Any]] = {}
        self._told = False
        self._drained = 0.0
        self._timer = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._drain)
        self._arrived.connect(self._on_arrival, Qt.ConnectionType.QueuedConnection)
        self._tickets: dict[int, Ticket] = {}
        self.pending = 0
        self.pool = DiskPool()
        self.lane = Lane(worker, on_record=self._record)

    def request(
        self,
        request: object,
        on_done: Callback | None = None,
        on_error: Callback | None = None,
        on_progress: Callback | None = None,
        kind: str | None = None,
        *,
        on_cancel: Callback | None = None,
        title: str = "",
        replace: bool = True,
        background: bool = False,
    ) -> Ticket:
        """Ask the engine. Arguments as `Lane.submit`; without `on_error` a failure is told by `failed`."""
        self.pending += 1
        ticket = self.lane.submit(
            request,
            kind=kind,
            title=title,
            on_done=self._ending(on_done),
            on_error=self._ending(on_error or self.failed.emit),
            on_progress=self._deliver(on_progress, latest_only=True),
            on_cancel=self._ending(on_cancel),
            replace=replace,
            background=background,
        )
        if ticket.title:
            self._tickets[ticket.number] = ticket
        return ticket

    def read(
        self,
        work: Callable[[], Any],
        on_done: Callback | None = None,
        on_error: Callback | None = None,
        kind: str | None = None,
    ) -> None:
        """Run disk work on the small pool; of one kind only the newest is answered."""
        self.pending += 1
        on_end = self._ending(None)
        self.pool.submit(
            work,
            self._deliver(on_done),
            self._deliver(on_error or self.failed.emit),
            kind,
            on_end=lambda: on_end(None),
        )

    def ticket(self, number: int) -> Ticket | None:
        """The ticket behind a JobRecord, for pause and cancel; None once it is over."""
        return self._tickets.get(number)

    def running(self) -> list[JobRecord]:
        """Titled jobs that are not over, in the order they were asked for."""
        return [ticket.record for ticket in self._tickets.values() if not ticket.record.over]

    def stop(self, timeout: float | None = None) -> bool:
        """Cancel all jobs and wait for the engine lane; True when it has ended. The disk pool goes on."""
        return self.lane.close(timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Cancel all jobs and wait; True when both the lane and the pool have ended."""
        if not self.stop(timeout):
            return False
        self.pool.close()
        return True

    # --- from any thread --------------------------------------------------------------------------------------

    def _deliver(self, callback: Callback | None, latest_only: bool = False) -> Callback | None:
        if callback is None:
            return None
        key = object()
        if latest_only:
            return lambda value: self._post(key, callback, value)
        return lambda value: self._post(object(), callback, value)

    def _ending(self, callback: Callback | None) -> Callback:
        """Deliver the last word of a request and count the request as answered."""

        def end(value: Any) -> None:
            self.pending -= 1
            if callback is not None and _alive(callback):
                callback(value)

        return lambda value: self._post(object(), end, value)

    def _record(self, record: JobRecord) -> None:
        self._post(("record", record.number, record.state), self._show_record, record)

    def _post(self, key: object, callback: Callback, value: Any) -> None:
        with self._lock:
            self._inbox.pop(key, None)  # the newest value takes its place at the end
            self._inbox[key] = (callback, value)
            if self._told:
                return
            self._told = True
        self._arrived.emit(None)

    # --- on the interface thread ------------------------------------------------------------------------------

    def _on_arrival(self, _: object) -> None:
        wait = self._drained + _INTERVAL - time.monotonic()
        if wait > 0:
            self._timer.start(round(wait * 1000))
        else:
            self._drain()

    def _drain(self) -> None:
        with self._lock:
            batch = list(self._inbox.values())
            self._inbox.clear()
            self._told = False
        self._drained = time.monotonic()
        for position, (callback, value) in enumerate(batch):
            try:
                if _alive(callback):
                    callback(value)
            except BaseException:
                self._put_back(batch[position + 1 :])  # one callback's fault must not swallow the others
                raise

    def _put_back(self, rest: list[tuple[Callback, Any]]) -> None:
        for callback, value in rest:
            self._post(object(), callback, value)

    def _show_record(self, record: JobRecord) -> None:
        if record.over:
            self._tickets.pop(record.number, None)
        self.job_changed.emit(record)


def _alive(callback: Callback) -> bool:
    """False for a method of a widget that Qt has deleted meanwhile."""
    owner = getattr(getattr(callback, "func", callback), "__self__", None)  # of a method, or of a partial of one
    return not isinstance(owner, QObject) or isValid(owner)
