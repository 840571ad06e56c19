"""How long work tells where it is. A long job is a generator that yields `Progress` and returns its result.

Between two yields a job does at most about a quarter of a second's work, so whoever drives it can show progress, serve
someone else, or stop: closing the generator cancels the job, and its `finally` blocks clean up. There are no callbacks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
Job = Generator["Progress", None, T]


@dataclass(frozen=True)
class Progress:
    """Where a job is.

    Attributes:
        done: Units finished so far.
        total: Units in all, or None while that is not known.
        unit: What is counted, in the plural ("tokens").
        rate: Units a second lately, or None before it can be told.
        seconds_left: Estimated time left, or None.
        note: What is being done, in a few words ("loading the model").
        details: Numbers worth a curve or a line, by name ("fvu": 0.21).
    """

    done: int
    total: int | None = None
    unit: str = ""
    rate: float | None = None
    seconds_left: float | None = None
    note: str = ""
    details: Mapping[str, float] = field(default_factory=dict)

    @property
    def fraction(self) -> float | None:
        """The share done, between 0 and 1, or None while the total is not known."""
        return None if not self.total else min(1.0, self.done / self.total)


class Meter:
    """Measures a rate over the last half minute and makes `Progress` of it."""

    def __init__(self, total: int | None, unit: str, *, start: int = 0, window: float = 30.0) -> None:
        self.total = total
        self.unit = unit
        self._window = window
        self._samples: deque[tuple[float, int]] = deque([(time.monotonic(), start)])

    def at(self, done: int, note: str = "", **details: float) -> Progress:
        """The progress at `done` units."""
        now = time.monotonic()
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[0][0] > self._window:
            self._samples.popleft()
        then, before = self._samples[0]
        rate = (done - before) / (now - then) if now - then > 0.2 and done > before else None
        left = (self.total - done) / rate if rate and self.total is not None else None
        return Progress(done, self.total, self.unit, rate, left, note, details)


def drive(job: Job[T], on_progress: Callable[[Progress], None] | None = None) -> T:
    """Run a job to its end on this thread and return its result; an exception in `on_progress` cancels it."""
    try:
        while True:
            progress = next(job)
            if on_progress is not None:
                on_progress(progress)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        job.close()
