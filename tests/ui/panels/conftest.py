"""A workspace on the small harvest, with no engine behind it: reading needs none."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication

from semascope.core.harvest.store import Harvest
from semascope.core.session import edits
from semascope.core.session.document import Reference
from semascope.jobs.bridge import Bridge
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands


class NoEngine:
    """Refuses everything."""

    def handle(self, request: Any) -> Any:
        raise AssertionError(f"reading asked the engine for {request}")

    def start(self, request: Any) -> Generator[Any, None, Any]:
        raise AssertionError(f"reading asked the engine for {request}")


@pytest.fixture
def reading(small_harvest_path: Path, qapp: QApplication) -> Iterator[Workspace]:
    """A workspace with the small harvest open, and its SAE known by name."""
    workspace = Workspace(Bridge(NoEngine()))
    workspace.save = lambda: None  # type: ignore[method-assign]
    harvest = Harvest.open(small_harvest_path)
    fingerprint = str(harvest.info["sae"]["sha256"])
    workspace.open_now.put_harvest(fingerprint, harvest)
    workspace.do(edits.refer("sae", Reference("small", fingerprint, "small", "sae")))
    yield workspace
    workspace.bridge.close()
    harvest.close()
    workspace.deleteLater()


@pytest.fixture
def commands(qapp: QApplication) -> Commands:
    return Commands()
