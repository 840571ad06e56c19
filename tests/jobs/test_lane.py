"""The engine lane with a worker that does nothing but count: order, replacement, pause, cancel, failures, closing."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from semascope.core.errors import UserError
from semascope.core.progress import Progress
from semascope.jobs.failure import EngineFailure
from semascope.jobs.lane import Lane
from semascope.jobs.records import JobRecord, Ticket

LONGEST = 10.0  # seconds that anything may take on a loaded machine


@dataclass(frozen=True)
class Ask:
    """A short request."""

    value: object


@dataclass(frozen=True)
class Count:
    """A long job of `steps` steps."""

    steps: int
    title: str = "Count"
    long: ClassVar[bool] = True


class Worker:
    """Answers `Ask` with its value (or raises it); counts for `Count`, one step at a time when `gate` is closed."""

    def __init__(self) -> None:
        self.log: list[object] = []
        self.closed: list[int] = []
        self.gate = threading.Semaphore(0)
        self.gated = False

    def wait_for_a_step(self) -> None:
        deadline = time.monotonic() + LONGEST
        while not self.log:
            assert time.monotonic() < deadline, "no step was taken"
            time.sleep(0.005)

    def handle(self, request: Ask) -> object:
        if isinstance(request.value, Exception):
            raise request.value
        self.log.append(request.value)
        return request.value

    def start(self, request: Count) -> Generator[Progress, None, int]:
        try:
            for done in range(request.steps):
                if self.gated:
                    self.gate.acquire(timeout=LONGEST)
                self.log.append((request.title, done))
                yield Progress(done + 1, request.steps, "steps")
        finally:
            self.closed.append(request.steps)
        return request.steps


class Heard:
    """The callbacks of one request, and a way to wait for the last of them."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.errors: list[Any] = []
        self.progress: list[Any] = []
        self.cancelled: list[Ticket] = []
        self._end = threading.Event()

    def __call__(self) -> dict[str, Any]:
        def ending(keep: list[Any]) -> Any:
            return lambda value: (keep.append(value), self._end.set())

        return {
            "on_done": ending(self.done),
            "on_error": ending(self.errors),
            "on_cancel": ending(self.cancelled),
            "on_progress": self.progress.append,
        }

    def wait(self) -> Heard:
        assert self._end.wait(LONGEST), "nobody was told"
        return self


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def records() -> list[JobRecord]:
    return []


@pytest.fixture
def lane(worker: Worker, records: list[JobRecord]) -> Iterator[Lane]:
    lane = Lane(worker, records.append)
    yield lane
    worker.gated = False
    worker.gate.release(100)
    assert lane.close(LONGEST), "the lane did not end"


def submit(lane: Lane, request: object, **more: Any) -> tuple[Ticket, Heard]:
    heard = Heard()
    return lane.submit(request, **heard(), **more), heard


def test_a_short_request_is_answered(lane: Lane) -> None:
    assert submit(lane, Ask(7))[1].wait().done == [7]


def test_a_long_job_tells_its_progress_and_its_result(lane: Lane) -> None:
    _, heard = submit(lane, Count(3))
    assert heard.wait().done == [3]
    assert [p.done for p in heard.progress] == [1, 2, 3]


def test_short_requests_are_served_between_two_steps(lane: Lane, worker: Worker) -> None:
    worker.gated = True
    _, counting = submit(lane, Count(3))
    _, asked = submit(lane, Ask("prompt"))
    worker.gate.release()
    asked.wait()
    assert ("Count", 2) not in worker.log, "the prompt waited for the whole job"
    worker.gate.release(5)
    assert counting.wait().done == [3]


def test_what_a_person_waits_for_goes_before_the_background(lane: Lane, worker: Worker) -> None:
    worker.gated = True
    _, harvest = submit(lane, Count(3, "harvest"), background=True, kind="harvest")
    _, answer = submit(lane, Count(2, "answer"), kind="answer")
    worker.gate.release(10)
    answer.wait()
    harvest.wait()
    first_answer, last_harvest = worker.log.index(("answer", 1)), worker.log.index(("harvest", 2))
    assert first_answer < last_harvest


def test_a_newer_request_of_its_kind_drops_the_one_that_waits(lane: Lane, worker: Worker) -> None:
    worker.gated = True
    _, counting = submit(lane, Count(1))
    _, old = submit(lane, Ask("old"))
    _, new = submit(lane, Ask("new"))
    worker.gate.release()
    assert new.wait().done == ["new"]
    assert old.wait().cancelled
    assert "old" not in worker.log
    counting.wait()


def test_requests_of_different_kinds_keep_each_other(lane: Lane) -> None:
    heard = [submit(lane, Ask(number), kind=str(number))[1] for number in range(5)]
    assert [one.wait().done for one in heard] == [[0], [1], [2], [3], [4]]


def test_cancel_takes_effect_within_one_step_and_cleans_up(lane: Lane, worker: Worker) -> None:
    worker.gated = True
    ticket, heard = submit(lane, Count(100))
    worker.gate.release()
    worker.wait_for_a_step()
    ticket.cancel()
    worker.gate.release()
    assert heard.wait().cancelled == [ticket]
    assert not heard.done
    assert worker.closed == [100], "the generator was not closed"
    assert len(worker.log) <= 2


def test_a_paused_job_takes_no_step_until_it_is_resumed(lane: Lane, worker: Worker, records: list[JobRecord]) -> None:
    worker.gated = True
    ticket, heard = submit(lane, Count(3), background=True)
    ticket.pause()
    worker.gate.release(3)
    submit(lane, Ask("meanwhile"))[1].wait()
    taken = len([entry for entry in worker.log if entry != "meanwhile"])
    assert taken <= 1
    assert "paused" in [record.state for record in records]
    ticket.resume()
    assert heard.wait().done == [3]


def test_failures_end_the_request_and_not_the_lane(lane: Lane) -> None:
    told = UserError("The disk is full.", "Free some space.")
    assert submit(lane, Ask(told), kind="a")[1].wait().errors == [told]
    (failure,) = submit(lane, Ask(ZeroDivisionError("x")), kind="b")[1].wait().errors
    assert isinstance(failure, EngineFailure)
    assert "ZeroDivisionError" in failure.details
    (memory,) = submit(lane, Ask(MemoryError()), kind="c")[1].wait().errors
    assert isinstance(memory, UserError)
    assert "memory" in memory.sentence
    assert submit(lane, Ask("alive"))[1].wait().done == ["alive"]


def test_torch_out_of_memory_is_told_as_such(lane: Lane) -> None:
    error = RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
    (told,) = submit(lane, Ask(error))[1].wait().errors
    assert isinstance(told, UserError)
    assert told.hint


def test_closing_cancels_everything_and_ends_the_thread(worker: Worker) -> None:
    worker.gated = True
    lane = Lane(worker)
    _, running = submit(lane, Count(1000), kind="a")
    _, waiting = submit(lane, Count(5), kind="b")
    worker.gate.release(2)
    assert lane.close(LONGEST)
    assert running.wait().cancelled
    assert waiting.wait().cancelled
    assert lane.close(0), "closing twice is allowed"


def test_what_comes_after_closing_is_refused_quietly(worker: Worker) -> None:
    lane = Lane(worker)
    assert lane.close(LONGEST)
    ticket, heard = submit(lane, Ask(1))
    assert ticket.cancelled
    assert not heard.done


def test_records_follow_a_job_from_waiting_to_done(lane: Lane, records: list[JobRecord]) -> None:
    submit(lane, Count(2))[1].wait()
    states = [record.state for record in records]
    assert states[0] == "waiting"
    assert states[-1] == "done"
    assert records[-1].progress is not None
    assert records[-1].progress.done == 2
    assert records[-1].started is not None
    assert not [r for r in records if r.title != "Count"], "untitled requests leave no record"
