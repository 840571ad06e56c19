"""Self-checks that begin by themselves: when, on which text, what is kept, and what makes one stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from semascope.core.errors import UserError
from semascope.core.progress import Progress
from semascope.core.saes.checked import Check
from semascope.core.saes.reading import Reading
from semascope.core.session import edits, switching
from semascope.core.session.document import Reference
from semascope.jobs.bridge import Bridge
from semascope.jobs.infos import ModelInfo, SAEInfo
from semascope.jobs.requests import CheckSAE, RereadSAE
from semascope.state.checking import corpus_at_hand
from semascope.state.workspace import Workspace

MODEL = ModelInfo(Path("/m"), "tiny", "T", "sha256:model", 4, 16, 100, 128, "cpu", "float32", False)
SAE = SAEInfo(
    Path("/s"), "one", "sha256:one", "saelens", "standard", "resid_post.1", "resid_post.1", 16, 16, 64,
    reads=("resid_post.1",),
)  # fmt: skip
CHECK = Check(100, 2, 0.8, 10.0, None, 0.1, 5.0, "plausible", ("Fine.",), corpus="c", model="tiny")


class Recorder:
    """An engine that answers checks as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[CheckSAE] = []
        self.answer: Check | UserError = CHECK

    def handle(self, request: Any) -> Any:
        return replace(SAE, reading=request.reading) if isinstance(request, RereadSAE) else None

    def start(self, request: CheckSAE) -> Any:
        self.asked.append(request)
        yield Progress(1, 2)
        if isinstance(self.answer, UserError):
            raise self.answer
        return self.answer


@pytest.fixture
def engine() -> Recorder:
    return Recorder()


@pytest.fixture
def workspace(qtbot: QtBot, engine: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SEMASCOPE_BASEDIR", str(tmp_path / "profile"))
    workspace = Workspace(Bridge(engine))
    workspace.save = lambda: None  # type: ignore[method-assign]
    workspace.checking.automatic = True
    yield workspace
    workspace.bridge.close()


def open_it(workspace: Workspace, sae: SAEInfo = SAE, model: ModelInfo | None = MODEL) -> None:
    workspace.model_info = model
    workspace.open_now.put_sae(sae)
    workspace.do(switching.open_dictionary(Reference(str(sae.path), sae.fingerprint, sae.name, "sae")))
    workspace.engine_changed.emit()


def stage(workspace: Workspace) -> str:
    info = workspace.sae_info
    assert info is not None
    return workspace.checking.of(info).stage


def test_it_begins_once_both_are_there_and_is_kept(workspace: Workspace, engine: Recorder, qtbot: QtBot) -> None:
    open_it(workspace, model=None)
    assert stage(workspace) == "unchecked"
    open_it(workspace)
    assert stage(workspace) == "running"
    qtbot.waitUntil(lambda: stage(workspace) == "done")
    assert workspace.session.checks[SAE.fingerprint] == CHECK
    assert workspace.undo_text == "", "nothing to undo: nobody did anything"
    workspace.engine_changed.emit()
    assert len(engine.asked) == 1
    assert engine.asked[0].corpus[0].name == "sample.jsonl"


def test_one_that_was_kept_is_not_done_again(workspace: Workspace, engine: Recorder) -> None:
    workspace.do(edits.keep_check(SAE.fingerprint, CHECK))
    open_it(workspace)
    assert stage(workspace) == "done"
    assert engine.asked == []


def test_another_model_or_reading_makes_it_stale(workspace: Workspace, engine: Recorder, qtbot: QtBot) -> None:
    open_it(workspace)
    qtbot.waitUntil(lambda: stage(workspace) == "done")
    engine.answer = replace(CHECK, model="other", verdict="implausible")
    open_it(workspace, model=replace(MODEL, name="other", fingerprint="sha256:other"))
    assert stage(workspace) == "running"
    qtbot.waitUntil(lambda: stage(workspace) == "done")
    info = workspace.sae_info
    assert info is not None
    assert workspace.checking.of(info).wrong
    assert len(engine.asked) == 2
    workspace.checking.read_as(info, Reading(scale=2.0))
    assert workspace.undo_text
    qtbot.waitUntil(lambda: workspace.sae_info is not None and bool(workspace.sae_info.reading))
    qtbot.waitUntil(lambda: len(engine.asked) == 3)
    qtbot.waitUntil(lambda: stage(workspace) == "done")
    assert workspace.session.readings[SAE.fingerprint].reading == Reading(scale=2.0)
    workspace.undo()
    qtbot.waitUntil(lambda: workspace.sae_info is not None and not workspace.sae_info.reading)


def test_a_failure_is_a_sentence_and_is_not_tried_again(workspace: Workspace, engine: Recorder, qtbot: QtBot) -> None:
    engine.answer = UserError("The corpus can't be read.")
    open_it(workspace)
    qtbot.waitUntil(lambda: stage(workspace) == "failed")
    assert workspace.checking.of(SAE).why == "The corpus can't be read."
    workspace.engine_changed.emit()
    assert len(engine.asked) == 1


def test_closing_ends_it(workspace: Workspace, engine: Recorder, qtbot: QtBot) -> None:
    open_it(workspace)
    workspace.open_now.drop_sae(SAE.fingerprint)
    workspace.engine_changed.emit()
    qtbot.waitUntil(lambda: workspace.bridge.pending == 0)
    assert workspace.checking.of(SAE).stage == "unchecked"
    assert SAE.fingerprint not in workspace.session.checks


def test_the_corpus_at_hand(workspace: Workspace, tmp_path: Path) -> None:
    assert [path.name for path in corpus_at_hand(workspace)] == ["sample.jsonl"]
    text = tmp_path / "mine.txt"
    text.write_text("words")
    workspace.do(edits.refer("corpus", Reference(str(text), "", "mine", "corpus")))
    assert corpus_at_hand(workspace) == (text,)
    beside = tmp_path / "made/corpus/theirs.jsonl"
    beside.parent.mkdir(parents=True)
    beside.write_text('{"text": "words"}')
    harvest = SimpleNamespace(
        path=tmp_path / "made/harvest", info={"corpus": {"names": ["../../etc/passwd", "theirs.jsonl"]}}
    )
    open_it(workspace, model=None)
    workspace.open_now.put_harvest(SAE.fingerprint, harvest)  # type: ignore[arg-type]
    assert corpus_at_hand(workspace) == (beside,)
