"""What reaches the interface thread: on it, in order, in batches, and only as long as somebody is there to hear it."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from semascope.core.progress import Progress
from semascope.jobs.bridge import Bridge


@dataclass(frozen=True)
class Ask:
    value: object


@dataclass(frozen=True)
class Count:
    steps: int
    title: str = "Count"
    long: ClassVar[bool] = True


class Worker:
    def handle(self, request: Ask) -> object:
        if isinstance(request.value, Exception):
            raise request.value
        return request.value

    def start(self, request: Count) -> Generator[Progress, None, int]:
        for done in range(request.steps):
            yield Progress(done + 1, request.steps)
        return request.steps


@pytest.fixture
def bridge(qtbot: QtBot) -> Iterator[Bridge]:
    bridge = Bridge(Worker())
    yield bridge
    assert bridge.close(10)


def test_callbacks_come_on_the_interface_thread(bridge: Bridge, qtbot: QtBot) -> None:
    threads: list[threading.Thread] = []
    bridge.request(Ask(1), lambda _: threads.append(threading.current_thread()))
    bridge.read(lambda: 2, lambda _: threads.append(threading.current_thread()))
    qtbot.waitUntil(lambda: len(threads) == 2)
    assert set(threads) == {threading.main_thread()}


def test_of_many_updates_only_the_latest_of_each_drain_is_delivered(bridge: Bridge, qtbot: QtBot) -> None:
    updates: list[Progress] = []
    results: list[int] = []
    began = time.monotonic()
    bridge.request(Count(20_000), results.append, on_progress=updates.append)
    qtbot.waitUntil(lambda: bool(results), timeout=20_000)
    drains = (time.monotonic() - began) * 30 + 2
    assert results == [20_000]
    assert len(updates) <= drains
    assert updates[-1].done <= 20_000
    assert [u.done for u in updates] == sorted(u.done for u in updates)


def test_a_failure_without_a_listener_is_told_by_the_bridge(bridge: Bridge, qtbot: QtBot) -> None:
    with qtbot.waitSignal(bridge.failed) as told:
        bridge.request(Ask(ValueError("x")))
    assert "ValueError" in told.args[0].sentence
    with qtbot.waitSignal(bridge.failed):
        bridge.read(lambda: 1 // 0)


def test_a_widget_that_is_gone_is_not_called(bridge: Bridge, qtbot: QtBot) -> None:
    class Panel(QObject):
        heard: ClassVar[list[object]] = []

        def hear(self, value: object) -> None:
            self.heard.append(value)

    panel = Panel()
    bridge.request(Ask("late"), panel.hear)
    panel.deleteLater()
    qtbot.waitUntil(lambda: bridge.pending == 0)
    assert Panel.heard == []


def test_pending_counts_what_is_under_way(bridge: Bridge, qtbot: QtBot) -> None:
    for number in range(4):
        bridge.request(Ask(number))  # of one kind: all but one may be dropped, and are counted all the same
        bridge.read(lambda: None, kind="same")
    assert bridge.pending == 8
    qtbot.waitUntil(lambda: bridge.pending == 0)


def test_one_failing_callback_does_not_swallow_the_others(bridge: Bridge, qtbot: QtBot) -> None:
    heard: list[int] = []

    def fail(_: object) -> None:
        raise RuntimeError("a fault in a panel")

    with qtbot.captureExceptions() as raised:
        bridge.request(Ask(1), fail, kind="a")
        bridge.request(Ask(2), heard.append, kind="b")
        bridge.request(Ask(3), heard.append, kind="c")
        qtbot.waitUntil(lambda: len(heard) == 2)
    assert heard == [2, 3]
    assert len(raised) == 1


def test_jobs_are_listed_while_they_run(bridge: Bridge, qtbot: QtBot) -> None:
    ticket = bridge.request(Count(10**9), background=True)
    qtbot.waitUntil(lambda: [r.state for r in bridge.running()] == ["running"])
    assert bridge.ticket(ticket.number) is ticket
    ticket.cancel()
    qtbot.waitUntil(lambda: bridge.running() == [] and bridge.ticket(ticket.number) is None)
