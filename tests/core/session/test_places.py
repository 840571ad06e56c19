"""A session finds its files on any machine, a shipped one is never written to, and a summary tells what it holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from semascope import paths
from semascope.core.errors import UserError
from semascope.core.session import edits
from semascope.core.session.copies import open_working_copy
from semascope.core.session.document import FeatureNote, Pin, Reference, Session
from semascope.core.session.file import SessionFile
from semascope.core.session.places import locate, present, refer_to
from semascope.core.session.summary import lines, summarise


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose demo has a dictionary but no model yet."""
    folder = tmp_path / "resources" / "demo"
    (folder / "sae").mkdir(parents=True)
    monkeypatch.setattr(paths, "demo_dir", lambda: folder)
    monkeypatch.setattr(paths, "demo_model", lambda: None)
    return folder


def test_what_is_the_demos_travels(demo: Path) -> None:
    reference = refer_to(demo / "sae", "sha256:a", "Demo", "sae")
    assert reference.path == "demo:sae"
    assert locate(reference) == demo / "sae"
    assert present(reference)
    model = Reference("demo:model", "", "SmolLM2", "model")
    assert locate(model) is None
    assert not present(model)


def test_what_is_not_the_demos_is_referred_to_by_its_whole_path(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(tmp_path)
    assert refer_to(Path("other"), "", "other", "sae").path == str(other)
    assert refer_to(demo / "sae", "", "a dictionary is no model", "model").path == str(demo / "sae")


def test_a_place_in_the_demo_cannot_name_anything_else() -> None:
    for path in ("demo:../../secret", "demo:harvest", "relative/path", ""):
        assert locate(Reference(path, "", "", "sae")) is None


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    path = tmp_path / "shipped" / "demo.semascope"
    SessionFile.create(path, Session(sae=Reference("demo:sae", "sha256:1", "Demo", "sae"), prompt="Hello")).close()
    return path


def test_a_working_copy_keeps_what_was_done_and_leaves_the_source_alone(shipped: Path, tmp_path: Path) -> None:
    before = shipped.read_bytes()
    folder = tmp_path / "sessions"
    with open_working_copy(shipped, folder) as opened:
        opened.save(edits.set_label(3, "France").apply(opened.session))
    with open_working_copy(shipped, folder) as again:
        assert again.session.note(3).label == "France"
    assert [path.name for path in folder.iterdir()] == ["demo.semascope"]
    assert shipped.read_bytes() == before


def test_another_copy_is_made_for_a_second_window_and_for_a_new_release(shipped: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    with open_working_copy(shipped, folder) as first, open_working_copy(shipped, folder) as second:
        assert (first.path.name, second.path.name) == ("demo.semascope", "demo 2.semascope")
    newer = Session(sae=Reference("demo:sae", "sha256:2", "Demo", "sae"))
    SessionFile.create(shipped, newer, overwrite=True).close()
    with open_working_copy(shipped, folder) as third:
        assert third.session == newer
        assert third.path.name == "demo 3.semascope"


def test_no_working_copy_of_what_is_no_session(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        open_working_copy(tmp_path / "nothing.semascope", tmp_path / "sessions")


def test_a_summary_tells_what_is_there_and_what_is_gone(tmp_path: Path) -> None:
    here, gone = tmp_path / "model", tmp_path / "moved"
    here.mkdir()
    session = Session(
        model=Reference(str(here), "sha256:m", "SmolLM2", "model"),
        sae=Reference(str(gone), "sha256:s", "layer 15", "sae"),
        notes={"sha256:s": {3: FeatureNote("France"), 9: FeatureNote(notes="fires on code")}},
        pins={"sha256:s": (Pin(3, 4.0), Pin(9, enabled=False))},
        prompts=("Bonjour",),
        prompt="The capital\nof France",
    )
    path = tmp_path / "a.semascope"
    SessionFile.create(path, session).close()
    summary = summarise(path)
    assert summary["model"] == {"name": "SmolLM2", "path": str(here), "exists": True, "sha256": "sha256:m"}
    assert summary["sae"]["exists"] is False
    assert summary["harvest"] is None
    assert summary["labels"] == {"3": "France"}
    assert (summary["notes"], summary["answers"], summary["prompts"]) == (2, 0, ["Bonjour"])
    assert summary["pins"][0] == {"feature": 3, "label": "France", "strength": 4.0, "mode": "clamp", "enabled": True}
    text = "\n".join(lines(summary))
    assert "layer 15" in text
    assert "(not there)" in text
    assert "The capital of France" in text
    assert "muted" in text


def test_a_summary_takes_a_missing_label_from_the_harvest(small_harvest_path: Path, tmp_path: Path) -> None:
    harvest = tmp_path / "harvest"
    shutil.copytree(small_harvest_path, harvest)
    (harvest / "labels.json").write_text('{"4": "theirs", "5": "code"}')
    session = Session(
        harvest=Reference(str(harvest), "", "small", "harvest"),
        notes={"": {4: FeatureNote("mine")}},
        pins={"": (Pin(4), Pin(5), Pin(6))},
    )
    path = tmp_path / "a.semascope"
    SessionFile.create(path, session).close()
    assert [pin["label"] for pin in summarise(path)["pins"]] == ["mine", "code", ""]
    shutil.rmtree(harvest)
    assert [pin["label"] for pin in summarise(path)["pins"]] == ["mine", "", ""]
