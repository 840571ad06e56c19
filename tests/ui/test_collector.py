"""Garbage dies on the interface thread, whoever made it and whoever asked."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from semascope.jobs.failure import free_memory
from semascope.ui.collector import Collector


class Cycle:
    """Something only the collector can free."""

    def __init__(self, died_on: list[int]) -> None:
        self.itself = self
        weakref.finalize(self, lambda: died_on.append(threading.get_ident()))


@pytest.fixture
def collector(qtbot: QtBot) -> Iterator[Collector]:
    made = Collector(lambda: True)
    yield made
    made.remove()


def test_a_busy_thread_frees_nothing_of_ours(collector: Collector, qtbot: QtBot) -> None:
    died_on: list[int] = []

    def work() -> None:
        for _ in range(3000):
            Cycle(died_on)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert died_on == []
    qtbot.waitUntil(lambda: len(died_on) == 3000, timeout=10_000)
    assert set(died_on) == {threading.get_ident()}


def test_memory_that_the_engine_asks_for_is_freed_here(collector: Collector, qtbot: QtBot) -> None:
    died_on: list[int] = []
    Cycle(died_on)
    thread = threading.Thread(target=free_memory)
    thread.start()
    qtbot.waitUntil(lambda: not thread.is_alive(), timeout=10_000)
    assert died_on == [threading.get_ident()]


def test_python_collects_by_itself_again_afterwards(qtbot: QtBot) -> None:
    collector = Collector(lambda: True)
    assert not gc.isenabled()
    collector.remove()
    assert gc.isenabled()
