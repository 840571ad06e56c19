"""Where sessions are kept: a file of their own at the first save, the person's copy of the demo, never the original."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from semascope import paths
from semascope.core.errors import UserError
from semascope.core.session import edits
from semascope.core.session.document import Reference, Session
from semascope.core.session.file import SessionFile, read_session
from semascope.state.keeper import SessionKeeper


@pytest.fixture(autouse=True)
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMASCOPE_BASEDIR", str(tmp_path / "profile"))


def with_prompt(text: str) -> Session:
    return edits.set_prompt(text).apply(Session())


def test_a_session_without_a_file_gets_one_when_it_is_saved() -> None:
    keeper = SessionKeeper()
    path = keeper.save(with_prompt("hello"))
    assert path.parent == paths.sessions_dir()
    keeper.close()
    assert read_session(path).prompt == "hello"


def test_opening_what_is_open_already_changes_nothing(tmp_path: Path) -> None:
    keeper = SessionKeeper()
    path = keeper.save(with_prompt("kept"))
    assert keeper.open(path).prompt == "kept"
    assert keeper.path == path
    keeper.close()


def test_save_as_goes_on_in_the_new_file(tmp_path: Path) -> None:
    keeper = SessionKeeper()
    old = keeper.save(with_prompt("one"))
    new = keeper.save_as(tmp_path / "mine.semascope", with_prompt("two"))
    keeper.save(with_prompt("three"))
    keeper.close()
    assert (read_session(old).prompt, read_session(new).prompt) == ("one", "three")


def test_a_failure_to_open_keeps_what_was_open(tmp_path: Path) -> None:
    keeper = SessionKeeper()
    path = keeper.save(with_prompt("mine"))
    (tmp_path / "no.semascope").write_bytes(b"nothing of the sort")
    with pytest.raises(UserError):
        keeper.open(tmp_path / "no.semascope")
    assert keeper.path == path
    keeper.close()


def test_the_demo_is_copied_and_its_copy_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = tmp_path / "resources" / "demo" / "demo.semascope"
    sae = Reference("demo:sae", "a" * 64, "demo", "sae")
    SessionFile.create(demo, Session(sae=sae, prompt="original")).close()
    monkeypatch.setattr(paths, "demo_dir", lambda: demo.parent)
    keeper = SessionKeeper()
    session = keeper.open(demo)
    keeper.save(edits.set_prompt("changed").apply(session))
    copy = keeper.path
    keeper.close()
    assert copy is not None
    assert demo.parent not in copy.parents
    assert read_session(demo).prompt == "original"
    assert keeper.open(demo).prompt == "changed"
    keeper.close()


def test_a_read_only_session_opens_and_goes_on_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "medium" / "old.semascope"
    SessionFile.create(old, with_prompt("old")).close()
    before = old.read_bytes()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # permissions do not stop root, who runs many a test
    keeper = SessionKeeper()
    session = keeper.open(old)
    assert session.prompt == "old"
    assert keeper.save(session).parent == paths.sessions_dir()
    keeper.close()
    assert old.read_bytes() == before
