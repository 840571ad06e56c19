"""What the lane says about a request: the ticket its sender holds, and the frozen record the screen shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from semascope.core.progress import Progress


class Urgency(IntEnum):
    """What is served first."""

    SHORT = 0  # request → response, a fraction of a second
    FOREGROUND = 1  # a long job that somebody watches: a generation, a model being loaded
    BACKGROUND = 2  # a long job that may take hours: a harvest, a training


@dataclass(frozen=True)
class JobRecord:
    """One titled job as the screen shows it.

    Attributes:
        number: Unique in this run of the program.
        state: "waiting", "running", "paused", "done", "failed" or "cancelled".
        progress: The latest progress, or None before the first.
        error: A UserError or an EngineFailure when it failed.
        started, ended: Seconds since the epoch, or None.
        pausable: Whether it may be paused (background jobs).
        steps: Whether it runs in steps, between which it can stop.
    """

    number: int
    title: str
    kind: str
    state: str = "waiting"
    progress: Progress | None = None
    error: Exception | None = None
    started: float | None = None
    ended: float | None = None
    pausable: bool = False
    steps: bool = True

    @property
    def cancellable(self) -> bool:
        """Whether cancelling can still do something: a short request that runs is over before it could stop."""
        return self.state == "waiting" or (self.steps and not self.over)

    @property
    def over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


@dataclass(eq=False)
class Ticket:
    """A queued request. Its sender may cancel, pause and resume it from any thread; all else is the lane's."""

    number: int
    request: object
    kind: str
    title: str
    urgency: Urgency
    on_done: Callable[[Any], None] | None
    on_error: Callable[[Any], None] | None
    on_progress: Callable[[Any], None] | None
    on_cancel: Callable[[Any], None] | None
    wake: Callable[[], None]
    cancelled: bool = False
    paused: bool = False
    record: JobRecord = field(init=False)

    def __post_init__(self) -> None:
        self.record = JobRecord(
            self.number,
            self.title,
            self.kind,
            pausable=self.urgency is Urgency.BACKGROUND,
            steps=self.urgency is not Urgency.SHORT,
        )

    def cancel(self) -> None:
        """Stop after the step that runs now. Its sender hears only `on_cancel`."""
        self.cancelled = True
        self.wake()

    def pause(self) -> None:
        """Take no further step until `resume`."""
        self.paused = True
        self.wake()

    def resume(self) -> None:
        self.paused = False
        self.wake()
