"""Undo and redo are exact, whatever a person does in whatever order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semascope.core.saes.kept import KeptReading
from semascope.core.saes.reading import Reading
from semascope.core.session import edits, switching
from semascope.core.session.document import (
    MODES,
    Answer,
    AppliedEdit,
    Dictionary,
    FeatureNote,
    Pin,
    Reference,
    Session,
    SteerSettings,
)
from semascope.core.session.history import LONGEST, History

FEATURES = st.integers(0, 4)
WORDS = st.sampled_from(["", "France", "code", "  sorry ", "橋", "a\x00b"])
GESTURES = st.sampled_from([None, 1, 2])
STRENGTHS = st.sampled_from([0.0, 1.0, -2.5])
SAE = st.sampled_from(["", "sha256:a", "sha256:b"]).map(
    lambda sha: Reference("/saes/a", sha, "a", "sae") if sha else None
)
HARVEST = Reference("/harvests/a", "", "a", "harvest")
ANSWER = Answer("Hi", (AppliedEdit(3, "clamp", 9.5, "code"),), SteerSettings(), "Hello", "def hello():")

ANY_EDIT = st.one_of(
    st.builds(edits.set_label, FEATURES, WORDS, GESTURES),
    st.builds(edits.set_tags, FEATURES, st.lists(WORDS, max_size=3).map(tuple), GESTURES),
    st.builds(edits.set_notes, FEATURES, WORDS, GESTURES),
    st.builds(edits.pin, FEATURES, STRENGTHS),
    st.builds(edits.unpin, FEATURES),
    st.builds(edits.move_pin, FEATURES, st.integers(-1, 6)),
    st.builds(edits.set_strength, FEATURES, STRENGTHS, GESTURES),
    st.builds(edits.set_mode, FEATURES, st.sampled_from(MODES)),
    st.builds(edits.set_enabled, FEATURES, st.booleans()),
    st.builds(edits.solo, FEATURES),
    st.builds(edits.set_prompt, WORDS, st.sampled_from([None, True, False]), GESTURES),
    st.builds(edits.keep_prompt, WORDS),
    st.builds(edits.forget_prompt, WORDS),
    st.builds(edits.remove_answer, st.integers(0, 2)),
    st.builds(edits.refer, st.just("sae"), SAE),
    st.builds(switching.open_dictionary, SAE, SAE.map(lambda sae: sae and HARVEST)),
    st.builds(switching.use, st.sampled_from(["sha256:a", "sha256:b", "/harvests/a"]), st.none() | FEATURES),
    st.builds(switching.close_dictionary, st.sampled_from(["sha256:a", "/harvests/a"])),
    st.builds(edits.read_as, st.sampled_from(["sha256:a", "sha256:b"]), st.builds(Reading, scale=st.just(2.0))),
    st.builds(edits.select, st.none() | FEATURES),
    st.builds(edits.search, WORDS),
    st.builds(edits.sort, st.sampled_from(["density", "max"]), st.booleans()),
    st.sampled_from([edits.clear_pins(), edits.reset_strengths(), edits.add_answer(ANSWER)]),
    st.builds(lambda seed: edits.set_steer(SteerSettings(seed=seed)), st.integers(0, 3)),
)
SHOWN = ("model", "sae", "harvest", "corpus", "dictionaries", "selected", "search", "sort")


def made(session: Session) -> Session:
    """The session without what is merely shown."""
    first = Session()
    return replace(session, **{name: getattr(first, name) for name in SHOWN})


@given(st.lists(ANY_EDIT, max_size=40))
def test_undoing_everything_gives_back_the_first_document_and_redoing_the_last(some: list[edits.Edit]) -> None:
    history = History(Session())
    for edit in some:
        history.do(edit)
    last = history.session
    while history.undo_text:
        history.undo()
    assert made(history.session) == Session()
    shown = {name: getattr(last, name) for name in SHOWN}
    assert {name: getattr(history.session, name) for name in SHOWN} == shown
    while history.redo_text:
        history.redo()
    assert history.session == last


@given(st.lists(ANY_EDIT, max_size=15), st.lists(st.booleans(), max_size=20))
def test_undo_and_redo_are_inverse_at_every_step(some: list[edits.Edit], back: list[bool]) -> None:
    history = History(Session())
    for edit in some:
        history.do(edit)
    for undo in back:
        before = history.session
        if undo and history.undo_text:
            history.undo()
            history.redo()
        elif not undo and history.redo_text:
            history.redo()
            history.undo()
        assert history.session == before
        history.undo()


def test_a_drag_is_one_step_and_a_second_drag_another() -> None:
    history = History(Session())
    history.do(edits.pin(12))
    for strength in (0.5, 1.0, 2.0):
        history.do(edits.set_strength(12, strength, gesture=1))
    for strength in (3.0, 4.0):
        history.do(edits.set_strength(12, strength, gesture=2))
    assert history.session.current_pins == (Pin(12, 4.0),)
    history.undo()
    assert history.session.current_pins == (Pin(12, 2.0),)
    assert history.undo_text == "Steer feature 12"
    history.undo()
    assert history.session.current_pins == (Pin(12, 0.0),)


def test_a_drag_back_to_its_start_leaves_no_step() -> None:
    history = History(Session())
    history.do(edits.pin(12))
    history.do(edits.set_strength(12, 3.0, gesture=1))
    history.do(edits.set_strength(12, 0.0, gesture=1))
    assert history.undo_text == "Pin feature 12"


def test_selecting_is_not_undone_and_does_not_end_what_can_be_redone() -> None:
    history = History(Session())
    history.do(edits.set_label(3, "France"))
    history.undo()
    history.do(edits.select(9))
    assert history.redo_text == "Label feature 3"
    history.redo()
    assert history.session.selected == 9
    assert history.session.note(3).label == "France"


def test_an_edit_that_changes_nothing_is_no_step() -> None:
    history = History(Session())
    history.do(edits.set_label(3, "  "))
    history.do(edits.unpin(5))
    history.do(edits.set_prompt(""))
    assert history.undo_text == ""


def test_the_longest_history_forgets_its_oldest_steps() -> None:
    history = History(Session())
    for i in range(LONGEST + 10):
        history.do(edits.set_prompt(str(i)))
    while history.undo_text:
        history.undo()
    assert history.session.prompt == "9"


def test_notes_and_pins_belong_to_their_dictionary() -> None:
    history = History(Session())
    first, second = (Reference(f"/{n}", f"sha256:{n}", n, "sae") for n in "ab")
    history.do(edits.refer("sae", first))
    history.do(edits.set_label(3, "France"))
    history.do(edits.pin(3))
    history.do(edits.refer("sae", second))
    assert history.session.note(3) == FeatureNote()
    assert history.session.current_pins == ()
    history.do(edits.refer("sae", first))
    assert history.session.note(3).label == "France"


def test_solo_mutes_the_others_and_a_second_time_unmutes_them() -> None:
    history = History(Session())
    for i in (1, 2, 3):
        history.do(edits.pin(i))
    history.do(edits.solo(2))
    assert [p.enabled for p in history.session.current_pins] == [False, True, False]
    history.do(edits.solo(2))
    assert [p.enabled for p in history.session.current_pins] == [True, True, True]


def test_a_document_cannot_be_changed_in_place() -> None:
    session = Session(notes={"": {3: FeatureNote("France")}})
    with pytest.raises(TypeError):
        session.notes["x"] = {}  # type: ignore[index]
    with pytest.raises(ValueError, match="not a pin"):
        Pin(3, float("nan"))


def sae(name: str) -> Reference:
    return Reference(f"/saes/{name}", f"sha256:{name}", name, "sae")


def test_dictionaries_open_beside_each_other_and_each_remembers_what_it_showed() -> None:
    history = History(Session())
    history.do(switching.open_dictionary(sae("a")))
    history.do(edits.select(3))
    history.do(edits.set_label(3, "France"))
    history.do(switching.open_dictionary(sae("b"), HARVEST))
    assert history.session.selected is None
    assert [each.key for each in history.session.dictionaries] == ["sha256:a", "sha256:b"]
    assert history.session.harvest == HARVEST
    history.do(edits.select(9))
    history.do(switching.use("sha256:a"))
    session = history.session
    assert (session.sae, session.harvest, session.selected) == (sae("a"), None, 3)
    assert session.note(3).label == "France"
    history.do(switching.use("sha256:b", selected=11))
    assert history.session.selected == 11
    history.undo()  # of the label: what is shown stays
    assert (history.session.selected, history.session.key, history.session.notes) == (11, "sha256:b", {})


def test_a_harvest_opened_later_belongs_to_its_sae_and_changes_nothing_else() -> None:
    session = switching.open_dictionary(sae("a")).apply(Session())
    session = switching.open_dictionary(sae("b")).apply(session)
    other = switching.open_dictionary(sae("a"), HARVEST, switch=False).apply(session)
    assert other.dictionaries == (Dictionary(sae("a"), HARVEST), Dictionary(sae("b")))
    assert (other.sae, other.harvest) == (sae("b"), None)
    assert switching.open_dictionary(sae("a")).apply(other).harvest == HARVEST


def test_a_reference_from_before_its_fingerprint_is_the_same_dictionary() -> None:
    session = Session(sae=Reference("/saes/a", "", "a", "sae"), selected=4)
    opened = switching.open_dictionary(sae("a")).apply(session)
    assert opened.dictionaries == (Dictionary(sae("a")),)
    assert (opened.sae, opened.selected) == (sae("a"), 4)


def test_closing_the_current_dictionary_shows_the_next_and_forgets_no_note() -> None:
    session = Session()
    for name in "abc":
        session = switching.open_dictionary(sae(name)).apply(session)
        session = edits.set_label(1, name).apply(session)
    session = switching.close_dictionary("sha256:b").apply(switching.use("sha256:b").apply(session))
    assert (session.key, len(session.dictionaries)) == ("sha256:c", 2)
    assert session.notes["sha256:b"][1].label == "b"
    for key in ("sha256:c", "sha256:a"):
        session = switching.close_dictionary(key).apply(session)
    assert (session.sae, session.dictionaries) == (None, ())
    assert switching.close_dictionary("sha256:a").apply(session) is session


def test_undoing_a_reading_leaves_what_was_taken_over_meanwhile() -> None:
    history = History(Session())
    history.do(edits.adopt_reading("sha256:a", KeptReading(Reading(scale=2.0))))
    history.do(edits.read_as("sha256:a", Reading(scale=3.0)))
    history.do(edits.adopt_reading("sha256:b", KeptReading(Reading(scale=5.0))))
    history.do(edits.adopt_reading("sha256:b", KeptReading(Reading(scale=7.0))))
    history.undo()
    scales = {sae: kept.reading.scale for sae, kept in history.session.readings.items()}
    assert scales == {"sha256:a": 2.0, "sha256:b": 5.0}
    history.redo()
    assert history.session.readings["sha256:a"].reading.scale == 3.0
