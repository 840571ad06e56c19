"""The session file gives back exactly what was saved, survives being killed, and refuses what it is not."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.checked import Alternative, Check
from semascope.core.saes.kept import KeptReading
from semascope.core.saes.reading import Reading
from semascope.core.session import edits, file, migrations, switching
from semascope.core.session.document import (
    KINDS,
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
from semascope.core.session.file import SessionFile, read_session

TEXT = st.text(max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
FEATURE = st.integers(0, 2**40)
MODE = st.sampled_from(MODES)
STEER = st.builds(SteerSettings, TEXT, st.booleans(), st.integers(0, 999), NUMBER, st.integers())
NOTE = st.builds(FeatureNote, TEXT, st.lists(TEXT, max_size=3).map(tuple), TEXT).filter(
    lambda note: note != FeatureNote()
)
ANSWER = st.builds(
    Answer,
    TEXT,
    st.lists(st.builds(AppliedEdit, FEATURE, MODE, NUMBER, TEXT), max_size=2).map(tuple),
    STEER,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
)
PINS = st.lists(st.builds(Pin, FEATURE, NUMBER, MODE, st.booleans()), min_size=1, max_size=3).map(tuple)
DICTIONARY = st.builds(
    Dictionary,
    st.none() | st.builds(Reference, TEXT, TEXT, TEXT, st.just("sae")),
    st.none() | st.builds(Reference, TEXT, TEXT, TEXT, st.just("harvest")),
    st.none() | FEATURE,
).filter(lambda each: each.key != "")
READING = st.builds(
    Reading,
    st.sampled_from([(), (HookPoint("resid_pre", 8),)]),
    processing=st.sampled_from([None, "centred"]),
    scale=st.none() | st.floats(1e-6, 1e6),
)
FIGURE = st.floats(-1e38, 1e38)  # of float32
CHECK = st.builds(
    Check,
    st.integers(0, 9999),
    st.integers(0, 99),
    FIGURE,
    FIGURE,
    st.none() | st.floats(0.1, 1e4),
    FIGURE,
    FIGURE,
    st.sampled_from(["plausible", "doubtful", "implausible"]),
    sentences=st.lists(TEXT, max_size=2).map(tuple),
    alternatives=st.lists(st.builds(Alternative, READING, FIGURE, FIGURE), max_size=2).map(tuple),
    recommended=st.none() | READING,
    reading=READING,
)
KEPT = st.builds(KeptReading, READING, st.none() | CHECK, st.sampled_from(["", "2026-11-22"]))
SESSION = st.builds(
    Session,
    **{kind: st.none() | st.builds(Reference, TEXT, TEXT, TEXT, st.just(kind)) for kind in KINDS},
    notes=st.dictionaries(TEXT, st.dictionaries(FEATURE, NOTE, min_size=1, max_size=3), max_size=2),
    pins=st.dictionaries(TEXT, PINS, max_size=2),
    prompts=st.lists(TEXT, max_size=3).map(tuple),
    prompt=TEXT,
    prompt_chat=st.booleans(),
    steer=STEER,
    selected=st.none() | FEATURE,
    search=TEXT,
    sort=st.tuples(TEXT, st.booleans()),
    answers=st.lists(ANSWER, max_size=3).map(tuple),
    dictionaries=st.lists(DICTIONARY, max_size=3, unique_by=lambda each: each.key).map(tuple),
    list_all=st.booleans(),
    readings=st.dictionaries(TEXT, KEPT, max_size=2),
    checks=st.dictionaries(TEXT, CHECK, max_size=2),
)


@pytest.fixture
def full() -> Session:
    """A session with something in every field."""
    return Session(
        **{kind: Reference(f"/data/{kind}", f"sha256:{kind}", kind, kind) for kind in KINDS},
        notes={"sha256:sae": {3: FeatureNote("France", ("place",), "fires on Paris"), 9: FeatureNote("code")}},
        pins={"sha256:sae": (Pin(3, 4.0), Pin(9, 0.5, "scale", False))},
        prompts=("Bonjour", "def f():"),
        prompt="The capital of France",
        prompt_chat=True,
        steer=SteerSettings("Tell me about your day.", False, 32, 0.0, 1),
        selected=3,
        search="fra",
        sort=("max", False),
        answers=(Answer("Hi", (AppliedEdit(3, "clamp", 9.5, "France"),), SteerSettings(), "Hello", "Bonjour"),),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SESSION, min_size=1, max_size=3))
def test_what_is_saved_is_what_is_read_again(sessions: list[Session]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.semascope"
        with SessionFile.create(path) as opened:
            for session in sessions:
                opened.save(session)
        assert read_session(path) == sessions[-1]
        with SessionFile.open(path) as opened:
            assert opened.session == sessions[-1]
        assert os.listdir(folder) == ["a.semascope"], "a closed session is one file"


def test_a_save_writes_only_what_changed(tmp_path: Path, full: Session) -> None:
    with SessionFile.create(tmp_path / "a.semascope", full) as opened:
        statements: list[str] = []
        assert opened._connection is not None
        opened._connection.set_trace_callback(statements.append)
        opened.save(edits.set_label(9, "Python").apply(full))
        assert [s.split()[0] for s in statements] == ["BEGIN", "INSERT", "COMMIT"]
        statements.clear()
        opened.save(opened.session)
        assert statements == []


def test_lone_surrogates_are_replaced_not_refused(tmp_path: Path) -> None:
    with SessionFile.create(tmp_path / "a.semascope") as opened:
        opened.save(Session(prompts=("broken \ud83d emoji", "whole 😀")))
    assert read_session(tmp_path / "a.semascope").prompts == ("broken \ufffd emoji", "whole 😀")


SAVE_FOREVER = """
import sys
from semascope.core.session import edits
from semascope.core.session.file import SessionFile
opened = SessionFile.create(sys.argv[1])
session, i = opened.session, 0
while True:
    i += 1
    for edit in (edits.set_label(i, f"label {i}"), edits.keep_prompt(f"prompt {i}"), edits.pin(i)):
        session = edit.apply(session)
    opened.save(session)
    print(i, flush=True)
"""


@pytest.mark.parametrize("saves", [1, 40, 150])
def test_killed_at_any_moment_it_loses_no_finished_save(tmp_path: Path, saves: int) -> None:
    path = tmp_path / "a.semascope"
    writer = subprocess.Popen([sys.executable, "-c", SAVE_FOREVER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer:
        for _ in range(saves):
            finished = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        finished = int(([*writer.stdout.read().split("\n")[:-1]] or [str(finished)])[-1])
    looked_at = read_session(path)
    with SessionFile.open(path) as opened:
        kept = len(opened.session.prompts)
        assert finished <= kept <= finished + 1
        assert opened.session == looked_at
        assert len(opened.session.current_pins) == len(opened.session.current_notes) == kept, "a save is whole"


def test_a_second_window_is_kept_out_but_may_look(tmp_path: Path, full: Session) -> None:
    path = tmp_path / "a.semascope"
    code = (
        "import sys; from semascope.core.errors import UserError\n"
        "from semascope.core.session.file import SessionFile, read_session\n"
        "print(read_session(sys.argv[1]).prompt)\n"
        "for action in (SessionFile.open, lambda path: SessionFile.create(path, overwrite=True)):\n"
        "    try:\n        action(sys.argv[1])\n    except UserError as error:\n        print(error.sentence)"
    )
    with SessionFile.create(path) as opened:
        opened.save(full)
        other = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
        lines = other.stdout.splitlines()
        assert lines[0] == full.prompt
        assert ["is open in another window" in line for line in lines[1:]] == [True, True], other.stderr
        with pytest.raises(UserError, match="open in another window"):
            SessionFile.open(path)
        assert read_session(path) == full
    SessionFile.open(path).close()


def test_a_new_file_does_not_replace_another_unasked(tmp_path: Path, full: Session) -> None:
    path = tmp_path / "a.semascope"
    SessionFile.create(path, full).close()
    with pytest.raises(UserError, match="exists already"):
        SessionFile.create(path)
    (tmp_path / "a.semascope-wal").write_bytes(b"the log of a killed window")
    SessionFile.create(path, Session(prompt="new"), overwrite=True).close()
    assert read_session(path) == Session(prompt="new")


# --- wrong files ---------------------------------------------------------------------------------------------------


def change(path: Path, *statements: str) -> None:
    """Tamper with a session as any SQLite tool could."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def refused(path: Path) -> str:
    """The one sentence that both ways of opening give."""
    with pytest.raises(UserError) as looking:
        read_session(path)
    with pytest.raises(UserError) as opening:
        SessionFile.open(path)
    assert looking.value.sentence == opening.value.sentence
    assert looking.value.sentence.endswith(".")
    assert "Traceback" not in str(looking.value)
    return looking.value.sentence


def test_things_that_are_no_session_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    change(foreign, "CREATE TABLE t (a)")
    assert "is not a Semascope session" in refused(foreign)
    bomb = tmp_path / "bomb.semascope"
    bomb.write_text("[" * 1_000_000)
    assert "is not a Semascope session" in refused(bomb)
    empty = tmp_path / "empty.semascope"
    empty.touch()
    assert "is not a Semascope session" in refused(empty)
    assert "is a folder" in refused(tmp_path)
    assert "does not exist" in refused(tmp_path / "nowhere.semascope")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_session_is_refused(tmp_path: Path, full: Session, share: float) -> None:
    path = tmp_path / "a.semascope"
    SessionFile.create(path, full).close()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "is damaged" in refused(path)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON note BEGIN DELETE FROM note; END",
        "ALTER TABLE note ADD COLUMN more TEXT",
        "DROP TABLE pin",
        "INSERT INTO setting VALUES ('prompt', '7')",
        "INSERT INTO setting VALUES ('selected', '-7')",
        "INSERT INTO setting VALUES ('steer', '{}')",
        "INSERT INTO setting VALUES ('sort', '[1, 2, 3]')",
        "INSERT INTO setting VALUES ('unheard of', '1')",
        "INSERT INTO reference VALUES ('rocket', 'a', 'b', 'c')",
        "INSERT INTO pin VALUES ('', 0, -1, 0.0, 'clamp', 1)",
        "INSERT INTO pin VALUES ('', 0, 1, 9e999, 'clamp', 1)",
        "INSERT INTO pin VALUES ('', 0, 1, 0.0, 'explode', 1)",
        "INSERT INTO note VALUES ('', 1, 'a', '{\"not\": \"a list\"}', '')",
        "INSERT INTO answer VALUES (0, 'null')",
        "INSERT INTO dictionary VALUES (0, '[]')",
        'INSERT INTO dictionary VALUES (0, \'{"sae": 7, "harvest": null, "selected": null}\')',
        'INSERT INTO dictionary VALUES (0, \'{"sae": null, "harvest": null, "selected": -1}\')',
        "INSERT INTO reading VALUES ('sha256:a', '{\"reading\": {\"scale\": -1}}')",
        "INSERT INTO reading VALUES ('sha256:a', '[]')",
        "INSERT INTO self_check VALUES ('sha256:a', '{}')",
        f"INSERT INTO self_check VALUES ('sha256:a', '{'[' * 200_000}')",
        f"INSERT INTO answer VALUES (0, '{'[' * 200_000}')",
        "PRAGMA user_version = 0",
    ],
)
def test_a_session_with_a_strange_value_is_refused(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "a.semascope"
    SessionFile.create(path).close()
    change(path, statement)
    assert "is damaged" in refused(path)


def test_a_session_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.semascope"
    SessionFile.create(path).close()
    change(path, f"PRAGMA user_version = {migrations.VERSION + 1}")
    assert "newer version" in refused(path)


def test_a_value_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.semascope"
    SessionFile.create(path).close()
    change(path, "INSERT INTO prompt VALUES (0, CAST(zeroblob(80000000) AS TEXT))")
    assert "is damaged" in refused(path)


def test_a_file_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.semascope"
    SessionFile.create(path).close()
    with path.open("r+b") as stream:
        stream.truncate(file.LARGEST + 1)  # sparse: takes no space
    assert "too large" in refused(path)


AS_NOBODY = """
import os, sys
from semascope.core.errors import UserError
from semascope.core.session.file import SessionFile, read_session
if os.getuid() == 0:  # permissions do not bind root
    os.setgid(65534), os.setuid(65534)
print(read_session(sys.argv[1]).prompt)
for action in (lambda: SessionFile.open(sys.argv[1]), lambda: SessionFile.create(sys.argv[1] + "2")):
    try:
        action()
    except UserError as error:
        print(error.sentence)
"""


def test_a_read_only_session_can_be_read_and_says_that_it_cannot_be_saved(full: Session) -> None:
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, which others may not enter
        path = Path(folder) / "a.semascope"
        SessionFile.create(path, full).close()
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        done = subprocess.run([sys.executable, "-c", AS_NOBODY, str(path)], capture_output=True, text=True)
        Path(folder).chmod(0o755)
    lines = done.stdout.splitlines()
    assert lines[0] == full.prompt, done.stderr
    assert "no permission" in lines[1]
    assert "no permission" in lines[2]


def test_a_failed_save_keeps_the_last_one_and_the_next_writes_everything(tmp_path: Path, full: Session) -> None:
    path = tmp_path / "a.semascope"
    with SessionFile.create(path, full) as opened:
        assert opened._connection is not None
        (pages,) = opened._connection.execute("PRAGMA page_count").fetchone()
        opened._connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own full disk
        much = edits.keep_prompt("x" * 100_000).apply(full)
        with pytest.raises(UserError, match="disk is full"):
            opened.save(much)
        assert read_session(path) == full
        opened._connection.execute("PRAGMA max_page_count = 1000000")
        opened.save(edits.set_label(5, "after").apply(much))
    kept = read_session(path)
    assert (kept.prompts, kept.note(5).label) == (much.prompts, "after")


def test_a_file_of_version_1_opens(tmp_path: Path) -> None:
    """Append one of these, with its own file, for each new version: this one is never edited."""
    path = tmp_path / "old.semascope"
    change(
        path,
        f"PRAGMA application_id = {file.APPLICATION_ID}",
        *(sql for _, _, sql in sorted(migrations.expected_tables(1))),
        "INSERT INTO reference VALUES ('sae', '/saes/a', 'sha256:a', 'a')",
        "INSERT INTO note VALUES ('sha256:a', 3, 'France', '[\"place\"]', 'fires on Paris')",
        "INSERT INTO pin VALUES ('sha256:a', 0, 3, 4.5, 'clamp', 1)",
        "INSERT INTO prompt VALUES (0, 'Bonjour')",
        f"INSERT INTO setting VALUES ('search', '{json.dumps('fra')}')",
        "PRAGMA user_version = 1",
    )
    session = read_session(path)
    assert session.note(3) == FeatureNote("France", ("place",), "fires on Paris")
    assert session.current_pins == (Pin(3, 4.5),)
    assert (session.prompts, session.search) == (("Bonjour",), "fra")


def test_a_file_that_version_1_wrote_opens_whole_and_is_saved_as_this_version(tmp_path: Path) -> None:
    old = Path(__file__).parent / "data" / "version1.semascope"
    path = tmp_path / "old.semascope"
    path.write_bytes(old.read_bytes())
    session = read_session(path)
    first = Dictionary(
        Reference("/saes/first", "sha256:first", "first", "sae"),
        Reference("/harvests/first", "", "first", "harvest"),
    )
    assert (session.dictionaries, session.key, session.selected) == ((first,), "sha256:first", 3)
    assert (session.readings, session.checks, session.list_all) == ({}, {}, False)
    assert session.current_pins == (Pin(3, 4.0), Pin(9, 0.5, "scale", False))
    assert {key: len(notes) for key, notes in session.notes.items()} == {"sha256:first": 1, "sha256:other": 1}
    assert (session.sort, len(session.answers), session.steer.max_tokens) == (("max", False), 1, 32)
    second = switching.open_dictionary(Reference("/saes/second", "sha256:second", "second", "sae")).apply(session)
    with SessionFile.open(path) as opened:
        assert opened.session == session
        opened.save(second)
    assert read_session(path) == second
    assert [(each.key, each.selected) for each in read_session(path).dictionaries] == [
        ("sha256:first", 3),
        ("sha256:second", None),
    ]
