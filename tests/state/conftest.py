"""Objects of Qt die on the thread they live on, as in the program: see `ui.collector`."""

import gc
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication

from semascope.jobs import failure


@pytest.fixture(autouse=True)
def collected_here(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No collection on a worker's thread, where it would free a workspace and its timers."""
    gc.disable()
    monkeypatch.setattr(failure, "collect", lambda: None)
    yield
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect(0)
    gc.enable()
