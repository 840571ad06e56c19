"""What is made of a self-check's figures, and its record."""

from __future__ import annotations

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.checked import Alternative, Check, Measured, Stated, clearly_better, judge
from semascope.core.saes.reading import Reading

GOOD = Measured(explained=0.8, l0=50.0, dead_share=0.4, norm=100.0, tokens=4096)


def measured(**changes: float) -> Measured:
    return Measured(**{**vars(GOOD), **changes})


def stated(**changes: object) -> Stated:
    return Stated(**{"features": 16384, "l0": 50.0, "fixed": False, "predicts": False, **changes})


@pytest.mark.parametrize(
    ("changes", "about", "verdict"),
    [
        ({}, {}, "plausible"),
        ({"explained": 0.35}, {}, "doubtful"),
        ({"explained": 0.35}, {"predicts": True}, "plausible"),
        ({"explained": -3.0}, {}, "implausible"),
        ({"explained": math.nan}, {}, "implausible"),
        ({"l0": 149.0}, {}, "plausible"),
        ({"l0": 17.0}, {}, "plausible"),
        ({"l0": 160.0}, {}, "doubtful"),
        ({"l0": 700.0}, {}, "implausible"),
        ({"l0": 0.1}, {"l0": None}, "implausible"),
        ({"l0": 700.0}, {"l0": None}, "plausible"),
        ({"l0": 5000.0}, {"l0": None}, "doubtful"),
        ({"l0": 12000.0}, {"l0": None}, "implausible"),
        ({"l0": 30.0}, {"l0": None, "features": 64}, "plausible"),
        ({"l0": 700.0}, {"fixed": True}, "plausible"),
        ({"dead_share": 0.995}, {}, "implausible"),
        ({"dead_share": 0.9}, {}, "plausible"),
    ],
)
def test_the_verdict(changes: dict, about: dict, verdict: str) -> None:
    found, sentences = judge(measured(**changes), stated(**about))
    assert found == verdict
    assert bool(sentences) == (verdict != "plausible")


def test_what_is_recommended() -> None:
    def better(other: Measured, verdict: str, first: Measured, first_verdict: str, **about: object) -> bool:
        return clearly_better(other, verdict, first, first_verdict, stated(**about))

    bad = measured(explained=0.31)
    assert better(measured(explained=0.97), "plausible", bad, "doubtful")
    assert not better(measured(explained=0.36), "doubtful", bad, "doubtful")
    assert not better(measured(explained=0.1), "implausible", measured(explained=-5.0), "implausible")
    assert not better(measured(explained=0.97), "implausible", bad, "doubtful")
    assert better(measured(explained=0.6), "plausible", measured(explained=math.nan), "implausible")
    # As much explained, but only the other with as many active features as stated.
    assert better(measured(explained=0.8), "plausible", measured(l0=700.0), "implausible")


def test_more_features_are_no_reason() -> None:
    good, more = measured(explained=0.7), measured(explained=0.9, l0=140.0)
    for l0 in (50.0, None):
        assert not clearly_better(more, "plausible", good, "plausible", stated(l0=l0))
    assert clearly_better(more, "plausible", good, "plausible", stated(l0=120.0))
    assert clearly_better(measured(explained=0.9, l0=49.0), "plausible", good, "plausible", stated(l0=None))
    assert clearly_better(measured(explained=0.9, l0=55.0), "plausible", good, "plausible", stated())


def test_a_check_survives_its_record() -> None:
    other = Reading(hooks=(HookPoint("resid_pre", 3),), processing="centred", scale=0.25)
    check = Check(
        4000, 32, -math.inf, 12.5, None, 0.25, 80.0, "implausible", ("One.", "Two."),
        (Alternative(other, 0.97, 20.0, "centred"),), other, "small.jsonl", "gpt2", Reading(scale=2.0),
    )  # fmt: skip
    again = Check.from_json(json.loads(json.dumps(check.to_json(), allow_nan=False)))
    assert math.isnan(again.explained)
    assert Check(**{**vars(again), "explained": -math.inf}) == check


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["reading", "scale", "hooks"]), inner),
    max_leaves=9,
)


@given(st.dictionaries(st.sampled_from(sorted(Check(0, 0, 0, 0, 0, 0, 0, "doubtful").to_json())), _json))
def test_a_strange_record_is_a_sentence(record: dict) -> None:
    record.setdefault("verdict", "doubtful")
    with contextlib.suppress(UserError):
        assert Check.from_json(record).verdict
