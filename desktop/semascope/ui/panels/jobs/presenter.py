"""What the Jobs panel shows, in words: every job of this run of the program, the running ones first. No QWidget."""

from __future__ import annotations

import time
from dataclasses import dataclass

from semascope.jobs.records import JobRecord
from semascope.ui.progress_words import progress_words

KEPT = 50  # finished jobs that stay on the list
_STATES = {"waiting": "waiting", "paused": "paused", "done": "done", "failed": "failed", "cancelled": "cancelled"}


@dataclass(frozen=True)
class JobRow:
    """One row.

    Attributes:
        fraction: 0 to 1, or None when it is not known; meaningless once `over`.
        facts: State, rate, time left; or what went wrong.
        failed: Whether `facts` tells a failure.
        can_pause, can_resume, can_cancel: What the row offers.
    """

    number: int
    title: str
    fraction: float | None
    facts: str
    over: bool
    failed: bool
    can_pause: bool
    can_resume: bool
    can_cancel: bool


class JobsPresenter:
    """Collects records and turns them into rows."""

    def __init__(self) -> None:
        self._records: dict[int, JobRecord] = {}

    def take(self, record: JobRecord) -> None:
        """Remember the newest record of a job."""
        self._records[record.number] = record
        over = [r.number for r in self._records.values() if r.over]
        for number in over[: max(0, len(over) - KEPT)]:
            del self._records[number]

    def clear_finished(self) -> None:
        """Forget the jobs that are over."""
        self._records = {number: r for number, r in self._records.items() if not r.over}

    def rows(self) -> list[JobRow]:
        """Running and waiting jobs in the order they were asked for, then finished ones, the last one first."""
        records = self._records.values()
        running = sorted((r for r in records if not r.over), key=lambda r: r.number)
        finished = sorted((r for r in records if r.over), key=lambda r: r.ended or 0, reverse=True)
        return [_row(record) for record in (*running, *finished)]


def _row(record: JobRecord) -> JobRow:
    return JobRow(
        number=record.number,
        title=record.title,
        fraction=record.progress.fraction if record.progress else None,
        facts=_facts(record),
        over=record.over,
        failed=record.state == "failed",
        can_pause=record.pausable and record.state == "running",
        can_resume=record.state == "paused",
        can_cancel=record.cancellable,
    )


def _facts(record: JobRecord) -> str:
    if record.state == "failed":
        return str(record.error)
    if record.state == "running":
        return progress_words(record.progress) if record.progress else "running"
    if record.over and record.started and record.ended:
        clock = time.strftime("%H:%M", time.localtime(record.ended))
        return f"{_STATES[record.state]} at {clock} after {_span(record.ended - record.started)}"
    return _STATES[record.state]


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{seconds / 3600:.1f} h"
