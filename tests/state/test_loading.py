"""What a panel offers while a model or an SAE is missing."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from semascope.core.session.document import Reference, Session
from semascope.jobs.records import JobRecord
from semascope.state.loading import load, loading, offer

MODEL = Reference("/models/tiny", "abc", "tiny", "model")
SAE = Reference("/saes/small", "def", "small", "sae")


@dataclass
class FakeBridge:
    records: list[JobRecord]

    def running(self) -> list[JobRecord]:
        return self.records


@dataclass
class FakeWorkspace:
    """The part of a workspace that is asked; `opened` lists what it was told to open."""

    session: Session
    sae_info: object = None
    opened: list[str] = field(default_factory=list)

    @property
    def opening(self) -> "FakeWorkspace":
        return self

    def again(self, part: str) -> None:
        self.opened.append(part)


def test_only_what_a_panel_waits_for_counts_as_opening() -> None:
    harvest = JobRecord(1, "Harvest notes", "RunHarvest", "running")
    model = JobRecord(2, "Opening tiny", "OpenModel", "running")
    assert loading(FakeBridge([])) == ""  # type: ignore[arg-type]
    assert loading(FakeBridge([harvest])) == ""  # type: ignore[arg-type]
    assert loading(FakeBridge([harvest, model])).startswith("Opening tiny")  # type: ignore[arg-type]


def test_the_first_model_waits_for_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = FakeBridge([JobRecord(2, "Opening tiny", "OpenModel", "running")])
    monkeypatch.setattr("semascope.state.loading.sys", SimpleNamespace(modules={}))
    assert loading(bridge) == "Opening tiny: loading PyTorch"  # type: ignore[arg-type]
    monkeypatch.setattr("semascope.state.loading.sys", SimpleNamespace(modules={"torch": None}))
    assert loading(bridge) == "Opening tiny"  # type: ignore[arg-type]


def test_what_the_session_refers_to_is_loaded_and_brings_its_sae() -> None:
    workspace = FakeWorkspace(Session(model=MODEL, sae=SAE))
    assert offer(workspace, "model") == "Load tiny"  # type: ignore[arg-type]
    assert load(workspace, "model")  # type: ignore[arg-type]
    assert workspace.opened == ["model", "sae"]


def test_without_a_reference_a_person_must_choose() -> None:
    workspace = FakeWorkspace(Session())
    assert offer(workspace, "sae") == "Open an SAE…"  # type: ignore[arg-type]
    assert not load(workspace, "model")  # type: ignore[arg-type]
    assert workspace.opened == []


def test_an_open_sae_is_not_opened_twice() -> None:
    workspace = FakeWorkspace(Session(model=MODEL, sae=SAE), sae_info=object())
    assert load(workspace, "model")  # type: ignore[arg-type]
    assert workspace.opened == ["model"]
