"""The list of jobs in words: running ones first, what can be done with each, bounded."""

from __future__ import annotations

from semascope.core.errors import UserError
from semascope.core.progress import Progress
from semascope.jobs.records import JobRecord
from semascope.ui.panels.jobs.presenter import KEPT, JobsPresenter
from semascope.ui.progress_words import progress_words, time_left


def record(number: int, state: str, **more: object) -> JobRecord:
    return JobRecord(number, f"job {number}", "kind", state, **more)  # type: ignore[arg-type]


def test_running_jobs_stand_above_finished_ones() -> None:
    presenter = JobsPresenter()
    presenter.take(record(1, "done", started=1.0, ended=61.0))
    presenter.take(record(2, "failed", error=UserError("The disk is full.", "Free some."), ended=62.0))
    presenter.take(record(3, "running", progress=Progress(62, 100, "tokens", 1940.0, 180.0), pausable=True))
    rows = presenter.rows()
    assert [row.number for row in rows] == [3, 2, 1]
    assert rows[0].facts == "62 % · 1,940 tokens/s · 3 min left"
    assert (rows[0].can_pause, rows[0].can_cancel, rows[0].over) == (True, True, False)
    assert rows[1].failed
    assert rows[1].facts == "The disk is full. Free some."
    assert rows[2].facts.endswith("after 1 min")
    assert not rows[2].can_cancel


def test_the_newest_record_of_a_job_counts() -> None:
    presenter = JobsPresenter()
    for state in ("waiting", "running", "paused"):
        presenter.take(record(1, state, pausable=True))
    (row,) = presenter.rows()
    assert (row.can_pause, row.can_resume) == (False, True)


def test_a_short_request_that_runs_offers_no_cancel() -> None:
    presenter = JobsPresenter()
    presenter.take(record(1, "running", steps=False))
    assert not presenter.rows()[0].can_cancel


def test_finished_jobs_are_kept_up_to_a_number_and_cleared() -> None:
    presenter = JobsPresenter()
    for number in range(KEPT + 20):
        presenter.take(record(number, "done", ended=float(number)))
    presenter.take(record(999, "running"))
    assert len(presenter.rows()) == KEPT + 1
    presenter.clear_finished()
    assert [row.number for row in presenter.rows()] == [999]


def test_progress_says_only_what_is_known() -> None:
    assert progress_words(Progress(0)) == ""
    assert progress_words(Progress(12, None, "files")) == "12 files"
    assert progress_words(Progress(1, 2, "steps", 0.5)) == "50 % · 0.5 steps/s"
    assert [time_left(s) for s in (3, 42, 300, 9000)] == ["a few seconds left", "40 s left", "5 min left", "2.5 h left"]
