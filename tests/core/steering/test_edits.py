"""Edits: what may be written, and what is refused in words."""

from __future__ import annotations

import pytest

from semascope.core.errors import UserError
from semascope.core.steering.edits import Edit, checked, parse_edit


@pytest.mark.parametrize(
    ("text", "mode", "edit"),
    [
        ("12=8.5", "clamp", Edit(12, "clamp", 8.5)),
        ("0=-3", "clamp", Edit(0, "clamp", -3.0)),
        ("7=1e2", "add", Edit(7, "add", 100.0)),
        ("7=0", "scale", Edit(7, "scale", 0.0)),
        ("7", "ablate", Edit(7, "ablate")),
    ],
)
def test_an_edit_is_read(text: str, mode: str, edit: Edit) -> None:
    assert parse_edit(text, mode) == edit  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "mode"),
    [("", "clamp"), ("12", "clamp"), ("12=", "clamp"), ("x=1", "scale"), ("12=y", "add"), ("12=0", "ablate")],
)
def test_what_is_no_edit_is_refused_with_an_example(text: str, mode: str) -> None:
    with pytest.raises(UserError, match="Write --"):
        parse_edit(text, mode)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ([Edit(64, "clamp", 1.0)], "There is no feature 64"),
        ([Edit(-1, "clamp", 1.0)], "There is no feature -1"),
        ([Edit(0, "clamp", 1.0), Edit(0, "scale", 2.0)], "Feature 0 is edited twice"),
        ([Edit(3, "clamp", float("nan"))], "not a finite number"),
        ([Edit(3, "push", 1.0)], "not a way to steer"),  # type: ignore[arg-type]
    ],
)
def test_edits_that_make_no_sense_are_refused(edits: list[Edit], words: str) -> None:
    with pytest.raises(UserError, match=words):
        checked(edits, 64)


def test_edits_that_change_nothing_are_dropped() -> None:
    idle = [Edit(1, "scale", 1.0), Edit(2, "add", 0.0)]
    # A clamp at 0, like an ablation, silences a feature that fires.
    telling = [Edit(3, "clamp", 0.0), Edit(4, "ablate"), Edit(5, "scale", 0.0)]
    assert checked([*idle, *telling], 64) == tuple(telling)
