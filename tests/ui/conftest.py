"""A workspace on the real engine lane: the demo model and the small SAE are opened once for all tests of the interface."""

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from semascope.core.harvest.store import Harvest
from semascope.core.session import edits
from semascope.core.session.document import Reference
from semascope.jobs import failure
from semascope.jobs.bridge import Bridge
from semascope.jobs.engine import Engine
from semascope.jobs.infos import EngineInfo
from semascope.jobs.requests import Describe, OpenModel, OpenSAE
from semascope.state.workspace import Workspace

SLOW = 60_000  # milliseconds that the engine may take on a loaded machine


@pytest.fixture(autouse=True)
def collected_here(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Widgets of a test die on this thread: Python's collector runs wherever it is due, and a worker that frees a QObject
    with a running timer (the caret of a field) leaves that timer behind to crash on."""
    gc.disable()
    monkeypatch.setattr(failure, "collect", lambda: None)  # as the program's window does
    yield
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect(0)
    gc.enable()


@pytest.fixture(scope="session")
def bridge(qapp: QApplication) -> Iterator[Bridge]:
    """The engine lane, with nothing open at first."""
    bridge = Bridge(Engine())
    both = threading.Barrier(2)
    for _ in range(
        2
    ):  # the threads of its pool are there from the start, so that no test seems to have left them behind
        bridge.pool.submit(both.wait)
    yield bridge
    bridge.close()


@pytest.fixture
def laboratory(
    qtbot: QtBot, bridge: Bridge, demo_model_path: Path, small_sae_path: Path, small_harvest_path: Path
) -> Iterator[Workspace]:
    """Model, SAE and harvest open, an empty session that refers to them."""
    engine: list[EngineInfo] = []
    bridge.request(Describe(), engine.append)
    qtbot.waitUntil(lambda: len(engine) == 1, timeout=SLOW)
    if engine[0].model is None or engine[0].sae is None or engine[0].sae.path != small_sae_path:
        bridge.request(OpenModel(demo_model_path, device="cpu", dtype="fp32"))
        bridge.request(OpenSAE(small_sae_path))
        bridge.request(Describe(), engine.append)
        qtbot.waitUntil(lambda: len(engine) == 2 and engine[1].sae is not None, timeout=SLOW)
    workspace = Workspace(bridge)
    workspace.save = lambda: None  # type: ignore[method-assign]
    sae = engine[-1].sae
    assert sae is not None
    workspace.model_info = engine[-1].model
    workspace.open_now.put_sae(sae)
    harvest = Harvest.open(small_harvest_path)
    workspace.open_now.put_harvest(sae.fingerprint, harvest)
    workspace.do(edits.refer("sae", Reference(str(small_sae_path), sae.fingerprint, "small", "sae")))
    yield workspace
    harvest.close()
