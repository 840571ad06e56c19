"""The feature page on a real harvest: its numbers are the store's, its words undoable, its ways lead back."""

from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from semascope.core.errors import UserError
from semascope.core.harvest.store import Example
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.panels.feature.page import read_page, share_between
from semascope.ui.panels.feature.panel import FeaturePanel


@pytest.fixture
def panel(qtbot: QtBot, reading: Workspace, commands: Commands) -> FeaturePanel:
    panel = FeaturePanel(reading, commands)
    qtbot.addWidget(panel)
    panel.resize(690, 800)
    panel.show()
    return panel


def select(qtbot: QtBot, panel: FeaturePanel, feature: int) -> None:
    panel.workspace.select(feature)
    qtbot.waitUntil(lambda: panel.presenter.page is not None and panel.presenter.page.feature == feature)


def lively(workspace: Workspace) -> list[int]:
    """Features that fire often, so that every interval has examples."""
    assert workspace.harvest is not None
    return [int(id) for id in np.argsort(-workspace.harvest.count)[:5]]


def test_the_page_shows_what_the_store_holds(reading: Workspace) -> None:
    harvest, feature = reading.harvest, lively(reading)[0]
    assert harvest is not None
    page = read_page(harvest, feature)
    examples = harvest.examples(feature)
    rows = [row for section in page.sections for row in section.rows]
    assert sum(row.times for row in rows) == len(examples)
    every = {(example.activation, example.tokens) for example in examples}
    assert all((row.activation, row.text.strings) in every for row in rows)
    assert rows[0].activation == max(example.activation for example in examples)
    assert page.sections[0].heading == "top examples"
    assert all("of firings" in section.heading for section in page.sections[1:])
    assert list(page.neighbours) == harvest.neighbours(feature)[: len(page.neighbours)]
    assert list(page.promotes) == harvest.logits(feature).positive[: len(page.promotes)]
    assert rows[0].levels.max() == 255
    assert rows[0].levels.argmax() == rows[0].peak


def test_examples_with_the_same_words_around_the_peak_are_one_row(reading: Workspace) -> None:
    harvest, feature = reading.harvest, lively(reading)[0]
    assert harvest is not None
    examples = harvest.examples(feature)
    top = [example for example in examples if example.interval is None]
    harvest.examples = lambda _feature: [top[0], top[1], top[0], top[0]]  # type: ignore[method-assign]
    rows = read_page(harvest, feature).sections[0].rows
    assert [row.times for row in rows] == [3, 1]
    assert rows[0].activation == top[0].activation


def test_shares_of_intervals_add_up_to_one(reading: Workspace) -> None:
    harvest, feature = reading.harvest, lively(reading)[0]
    assert harvest is not None
    edges, counts = np.asarray(harvest.histogram_edges), harvest.histogram(feature)
    top = float(harvest.maximum[feature]) * 1.5
    cuts = np.linspace(0, top, 6)
    shares = [share_between(edges, counts, low, high) for low, high in pairwise(cuts)]
    assert sum(share or 0.0 for share in shares) == pytest.approx(1.0, abs=0.02)
    assert share_between(edges, np.zeros_like(counts), 0, 1) is None


def test_an_interval_that_cuts_a_bin_takes_its_part() -> None:
    edges, counts = np.array([1.0, 2.0, 4.0]), np.array([0, 10, 10, 0])
    assert share_between(edges, counts, 0, 2) == 0.5
    assert share_between(edges, counts, 2, 3) == 0.25
    assert share_between(edges, counts, 1.5, 4) == 0.75


def test_selecting_shows_the_page_and_the_newest_wins(qtbot: QtBot, panel: FeaturePanel, reading: Workspace) -> None:
    for feature in range(40):
        reading.select(feature)
    select(qtbot, panel, lively(reading)[1])
    assert panel.heading.number.text() == f"#{lively(reading)[1]}"
    assert panel.examples.isVisible()
    assert panel.area.verticalScrollBar().maximum() > 0


def test_a_label_is_written_in_place_and_undone(
    qtbot: QtBot, panel: FeaturePanel, reading: Workspace, commands: Commands
) -> None:
    feature = lively(reading)[0]
    select(qtbot, panel, feature)
    commands.run("feature.label")
    qtbot.keyClicks(panel.heading.label, "France & <i>co</i>")
    qtbot.keyClick(panel.heading.label, Qt.Key.Key_Return)
    assert reading.label(feature) == "France & <i>co</i>"
    reading.undo()
    assert reading.label(feature) == ""
    assert panel.heading.label.text() == ""


def test_a_label_that_is_being_typed_stays_with_its_feature(
    qtbot: QtBot, panel: FeaturePanel, reading: Workspace, commands: Commands
) -> None:
    one, two = lively(reading)[:2]
    select(qtbot, panel, one)
    commands.run("feature.label")
    qtbot.keyClicks(panel.heading.label, "first")
    select(qtbot, panel, two)
    assert reading.label(one) == "first"
    assert panel.heading.label.text() == ""
    qtbot.keyClick(panel.heading.label, Qt.Key.Key_Return)
    assert reading.label(two) == ""


def test_tags_notes_and_pin_are_the_sessions(
    qtbot: QtBot, panel: FeaturePanel, reading: Workspace, commands: Commands
) -> None:
    feature = lively(reading)[0]
    select(qtbot, panel, feature)
    panel.heading.tags.changed.emit(("place", "city"))
    assert reading.note(feature).tags == ("place", "city")
    commands.run("feature.notes")
    qtbot.keyClicks(panel.heading.notes, "fires on maps")
    assert reading.note(feature).notes == "fires on maps"
    assert reading.undo_text.startswith("Write about")
    reading.undo()
    assert reading.note(feature).notes == "", "one stay in the field is one step"
    assert panel.heading.notes.toPlainText() == ""


def test_the_pin_command_pins_and_lets_go(
    qtbot: QtBot, panel: FeaturePanel, reading: Workspace, commands: Commands
) -> None:
    feature = lively(reading)[0]
    select(qtbot, panel, feature)
    assert commands["feature.pin"].words_now == "Pin the feature"
    commands.run("feature.pin")
    assert [pin.feature for pin in reading.pins()] == [feature]
    assert panel.heading.pin.text() == "Unpin"
    commands.run("feature.pin")
    assert reading.pins() == ()


def test_back_and_forward_like_a_browser(
    qtbot: QtBot, panel: FeaturePanel, reading: Workspace, commands: Commands
) -> None:
    one, two, three = lively(reading)[:3]
    for feature in (one, two):
        select(qtbot, panel, feature)
    assert not commands["feature.forward"].enabled()
    commands.run("feature.back")
    assert reading.selected == one
    assert panel.heading.ways["feature.forward"].isEnabled()
    commands.run("feature.forward")
    assert reading.selected == two
    commands.run("feature.back")
    select(qtbot, panel, three)
    assert not commands["feature.forward"].enabled(), "a new way forgets the old one"


def test_a_feature_that_never_fired_says_so(qtbot: QtBot, panel: FeaturePanel, reading: Workspace) -> None:
    harvest = reading.harvest
    assert harvest is not None
    silent = np.flatnonzero(harvest.count == 0)
    if not len(silent):
        harvest.count = np.where(np.arange(harvest.features) == 3, 0, harvest.count)
        harvest.examples = lambda _feature: []  # type: ignore[method-assign]
        silent = np.array([3])
    select(qtbot, panel, int(silent[0]))
    assert panel.silent.isVisible()
    assert not panel.examples.isVisible()


def test_a_page_that_cannot_be_read_says_so_and_the_next_one_is_shown(
    qtbot: QtBot, panel: FeaturePanel, reading: Workspace
) -> None:
    harvest = reading.harvest
    assert harvest is not None
    whole = harvest.examples

    def broken(_feature: int) -> list[Example]:
        raise UserError("The harvest is damaged.", "Make it again.")

    harvest.examples = broken  # type: ignore[method-assign]
    reading.select(lively(reading)[0])
    qtbot.waitUntil(panel.error.isVisible)
    harvest.examples = whole  # type: ignore[method-assign]
    select(qtbot, panel, lively(reading)[1])
    assert not panel.error.isVisible()


def test_empty_states_offer_the_one_action(panel: FeaturePanel, reading: Workspace) -> None:
    assert panel.empty.isVisible()
    assert panel.empty.button.text() == "Find a feature"
    reading.open_now.clear()
    reading.harvest_changed.emit()
    assert panel.empty.button.text() == "Open a harvest…"


def test_a_selection_the_harvest_does_not_have_is_no_fault(panel: FeaturePanel, reading: Workspace) -> None:
    reading.select(10**9)
    assert panel.empty.isVisible()
