"""Disk work: newest wins by kind, a save is never dropped at the end, and what comes after the end harms nobody."""

from __future__ import annotations

import threading

from semascope.core.errors import UserError
from semascope.jobs.failure import EngineFailure
from semascope.jobs.pool import DiskPool


def test_of_one_kind_only_the_newest_is_answered() -> None:
    pool, gate = DiskPool(workers=1), threading.Event()
    answers: list[int] = []
    ended: list[int] = []
    for number in range(5):
        pool.submit(
            lambda number=number: (gate.wait(10), number)[1],  # type: ignore[misc]
            answers.append,
            kind="open",
            on_end=lambda number=number: ended.append(number),  # type: ignore[misc]
        )
    gate.set()
    pool.close()
    assert answers == [4]
    assert ended == [0, 1, 2, 3, 4]


def test_what_was_submitted_before_the_end_is_done() -> None:
    pool = DiskPool()
    done: list[int] = []
    for number in range(20):
        pool.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    pool.close()
    assert sorted(done) == list(range(20))


def test_work_after_the_end_is_passed_over() -> None:
    pool = DiskPool()
    pool.close()
    ended: list[bool] = []
    pool.submit(lambda: 1 // 0, on_end=lambda: ended.append(True))
    assert ended == [True]


def test_failures_are_told_as_people_meet_them() -> None:
    pool = DiskPool()
    errors: list[Exception] = []
    pool.submit(lambda: open("/nonexistent/file"), on_error=errors.append)  # noqa: SIM115
    pool.submit(lambda: {}["x"], on_error=errors.append)
    pool.close()
    kinds = {type(error) for error in errors}
    assert kinds == {UserError, EngineFailure}
