"""The engine lane: one worker thread that owns model, SAE and device, and everything that runs on it.

Three queues feed the thread. Short requests (`request → response`) come first. Long jobs are generators that are
stepped; those a person waits for (a generation) go before those that run in the background (a harvest), and between
any two steps the waiting short requests are served, so nothing blocks a prompt. A newer request of the same kind
drops an older one that still waits.

No Qt and no torch in here: `bridge.py` carries the callbacks to the interface thread, `engine.py` does the work.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, Protocol

from semascope.core.progress import Progress
from semascope.jobs.failure import understand
from semascope.jobs.records import JobRecord, Ticket, Urgency

Callback = Callable[[Any], None]


class Worker(Protocol):
    """What the lane needs of the engine. Both methods are called on the lane's thread only."""

    def handle(self, request: Any) -> Any:
        """Answer a short request."""

    def start(self, request: Any) -> Generator[Any, None, Any]:
        """A long job: yields `Progress` or partial results, returns the result; `close()` cancels it."""


class Lane:
    """One worker thread and its queues. All methods may be called from any thread."""

    def __init__(self, worker: Worker, on_record: Callable[[JobRecord], None] | None = None) -> None:
        self._worker = worker
        self._on_record = on_record
        self._condition = threading.Condition()
        self._waiting: list[Ticket] = []
        self._running: list[tuple[Ticket, Generator[Any, None, Any]]] = []
        self._closed = False
        self._numbers = itertools.count(1)
        self._thread = threading.Thread(target=self._work, name="engine-lane", daemon=True)
        self._thread.start()

    def submit(
        self,
        request: object,
        *,
        kind: str | None = None,
        title: str = "",
        on_done: Callback | None = None,
        on_error: Callback | None = None,
        on_progress: Callback | None = None,
        on_cancel: Callback | None = None,
        replace: bool = True,
        background: bool = False,
    ) -> Ticket:
        """Queue a request. The callbacks are called on the lane's thread.

        Args:
            kind: Requests of one kind replace each other; the request's class name by default.
            title: What the job is called on the screen; by default the request's own `title` when it is long.
            on_done: Gets the response. on_error: gets a UserError or an EngineFailure. on_progress: gets what a long
                job yields. on_cancel: gets the ticket when it was cancelled or replaced; nothing else is called then.
            replace: Whether this drops the request of its kind that waits, and cancels the one that runs.
            background: Whether a long job steps back behind everything a person waits for, and may be paused.
        """
        long = bool(getattr(request, "long", False))
        urgency = Urgency.SHORT if not long else Urgency.BACKGROUND if background else Urgency.FOREGROUND
        ticket = Ticket(
            number=next(self._numbers),
            request=request,
            kind=kind or type(request).__name__,
            title=title or (str(getattr(request, "title", "")) if long else ""),
            urgency=urgency,
            on_done=on_done,
            on_error=on_error,
            on_progress=on_progress,
            on_cancel=on_cancel,
            wake=self._wake,
        )
        with self._condition:
            if replace:
                for other in [*self._waiting, *(ticket for ticket, _ in self._running)]:
                    if other.kind == ticket.kind:
                        other.cancelled = True
            self._waiting.append(ticket)
            if self._closed:
                ticket.cancelled = True
            self._condition.notify_all()
        self._tell(ticket, "waiting")
        return ticket

    def close(self, timeout: float | None = None) -> bool:
        """Cancel everything and wait for the thread; True once it has ended. May be called again to wait on."""
        with self._condition:
            self._closed = True
            for ticket in [*self._waiting, *(ticket for ticket, _ in self._running)]:
                ticket.cancelled = True
            self._condition.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # --- on the lane's thread ---------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed or self._waiting or self._steppable() or self._untold())
                dropped = [ticket for ticket in self._waiting if ticket.cancelled]
                self._waiting = [ticket for ticket in self._waiting if not ticket.cancelled]
                short = next((t for t in self._waiting if t.urgency is Urgency.SHORT), None)
                starting = None if short else self._next_to_start()
                chosen = short or starting
                if chosen:
                    self._waiting.remove(chosen)
                ended = self._closed and not self._waiting and not self._running
            for ticket in dropped:
                self._cancelled(ticket)
            if ended and not chosen:
                return
            self._sweep()
            for ticket in self._untold():
                self._tell(ticket, "paused" if ticket.paused else "running", ticket.record.progress)
            if short:
                self._answer(short)
            elif starting:
                self._begin(starting)
            elif self._steppable():
                self._step(*self._steppable()[0])

    def _steppable(self) -> list[tuple[Ticket, Generator[Any, None, Any]]]:
        """Running jobs that may be stepped or must be swept, the ones a person waits for first."""
        ready = [job for job in self._running if job[0].cancelled or not job[0].paused]
        return sorted(ready, key=lambda job: job[0].urgency)

    def _untold(self) -> list[Ticket]:
        """Running jobs that were paused or resumed since their record was told last."""
        return [ticket for ticket, _ in self._running if ticket.paused != (ticket.record.state == "paused")]

    def _next_to_start(self) -> Ticket | None:
        """The long job to start now: one of each urgency runs at a time, unless the one that runs is paused."""
        for urgency in (Urgency.FOREGROUND, Urgency.BACKGROUND):
            busy = any(t.urgency is urgency and not t.paused and not t.cancelled for t, _ in self._running)
            waiting = next((t for t in self._waiting if t.urgency is urgency), None)
            if waiting and not busy:
                return waiting
            if busy:
                return None
        return None

    def _answer(self, ticket: Ticket) -> None:
        self._tell(ticket, "running")
        try:
            response = self._worker.handle(ticket.request)
        except Exception as error:  # every failure ends the request, never the lane
            self._failed(ticket, error)
        else:
            self._done(ticket, response)

    def _begin(self, ticket: Ticket) -> None:
        self._tell(ticket, "running")
        try:
            job = self._worker.start(ticket.request)
        except Exception as error:
            self._failed(ticket, error)
        else:
            self._running.append((ticket, job))

    def _step(self, ticket: Ticket, job: Generator[Any, None, Any]) -> None:
        try:
            update = next(job)
        except StopIteration as end:
            self._running.remove((ticket, job))
            self._done(ticket, end.value)
        except Exception as error:
            self._running.remove((ticket, job))
            self._failed(ticket, error)
        else:
            progress = update if isinstance(update, Progress) else getattr(update, "progress", None)
            self._tell(ticket, "paused" if ticket.paused else "running", progress)
            if ticket.on_progress and not ticket.cancelled:
                ticket.on_progress(update)

    def _sweep(self) -> None:
        """Close the generators of cancelled jobs; their `finally` blocks clean up."""
        for ticket, job in [job for job in self._running if job[0].cancelled]:
            self._running.remove((ticket, job))
            try:
                job.close()
            except Exception as error:
                self._failed(ticket, error)
            else:
                self._cancelled(ticket)

    def _wake(self) -> None:
        """Called by a ticket that was cancelled, paused or resumed, on its caller's thread."""
        with self._condition:
            self._condition.notify_all()

    def _done(self, ticket: Ticket, response: object) -> None:
        if ticket.cancelled:
            self._cancelled(ticket)
            return
        self._tell(ticket, "done", ticket.record.progress)
        if ticket.on_done:
            ticket.on_done(response)

    def _failed(self, ticket: Ticket, error: Exception) -> None:
        understood = understand(error, ticket.title)
        self._tell(ticket, "failed", ticket.record.progress, error=understood)
        if ticket.on_error and not ticket.cancelled:
            ticket.on_error(understood)

    def _cancelled(self, ticket: Ticket) -> None:
        self._tell(ticket, "cancelled", ticket.record.progress)
        if ticket.on_cancel:
            ticket.on_cancel(ticket)

    def _tell(self, ticket: Ticket, state: str, progress: Progress | None = None, **more: Any) -> None:
        now = time.time()
        started = ticket.record.started or (now if state == "running" else None)
        ended = now if state in ("done", "failed", "cancelled") else None
        ticket.record = replace(ticket.record, state=state, progress=progress, started=started, ended=ended, **more)
        if ticket.title and self._on_record is not None:
            self._on_record(ticket.record)
