"""The features panel on a real harvest: what is listed, in which order, what the cells say, by mouse and keyboard."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from semascope.core.harvest.store import Harvest
from semascope.core.session import edits
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.panels.features import presenter
from semascope.ui.panels.features.panel import FeaturesPanel


@pytest.fixture
def panel(qtbot: QtBot, reading: Workspace, commands: Commands) -> FeaturesPanel:
    panel = FeaturesPanel(reading, commands)
    qtbot.addWidget(panel)
    panel.resize(400, 700)
    panel.show()
    return panel


def test_the_list_is_every_live_feature_by_density(panel: FeaturesPanel, reading: Workspace) -> None:
    harvest = reading.harvest
    assert harvest is not None
    order = panel.presenter.order
    assert sorted(order.tolist()) == np.flatnonzero(harvest.count).tolist()
    assert np.all(np.diff(harvest.density[order]) <= 0)
    assert panel.presenter.summary.startswith(f"{harvest.features:,} features · {harvest.alive:,} alive · 0 labelled")


@pytest.mark.parametrize("key", ["density", "max", "id", "label", "token", "pin"])
def test_every_column_sorts_both_ways_by_command(
    panel: FeaturesPanel, reading: Workspace, commands: Commands, key: str
) -> None:
    some = panel.presenter.order.tolist()
    reading.do(edits.set_label(some[7], "seven"))
    reading.do(edits.pin(some[9]))
    commands.run(f"features.sort_{key}")
    first = panel.presenter.order.tolist()
    commands.run(f"features.sort_{key}")
    second = panel.presenter.order.tolist()
    assert sorted(first) == sorted(second)
    assert first != second or key == "label"
    assert reading.session.sort == (key, panel.presenter.query.descending)


def test_top_tokens_sort_by_their_spelling(panel: FeaturesPanel, reading: Workspace) -> None:
    harvest = reading.harvest
    assert harvest is not None
    panel.presenter.ask(sort="token", descending=False)
    words = [harvest.top_tokens(id)[0].strip().casefold() for id in panel.presenter.order.tolist()]
    assert words == sorted(words)


def test_a_narrow_list_keeps_its_labels(panel: FeaturesPanel, qtbot: QtBot) -> None:
    panel.resize(280, 700)
    qtbot.wait(1)
    shown = [c.key for place, c in enumerate(panel.table.rows.columns) if not panel.table.isColumnHidden(place)]
    assert shown == ["pin", "id", "label", "density"]
    assert panel.table.columnWidth(panel.table.column_of("label")) >= 60
    panel.resize(600, 700)
    qtbot.wait(1)
    hidden = [c.key for place, c in enumerate(panel.table.rows.columns) if panel.table.isColumnHidden(place)]
    assert hidden == ["place"], "all are of one place"


def test_search_finds_labels_and_top_tokens(panel: FeaturesPanel, reading: Workspace, qtbot: QtBot) -> None:
    harvest = reading.harvest
    assert harvest is not None
    token = harvest.top_tokens(int(panel.presenter.order[3]))[0].strip()
    labelled = int(panel.presenter.order[11])
    reading.do(edits.set_label(labelled, f"xx {token} yy"))
    qtbot.keyClicks(panel.search, token)
    qtbot.waitUntil(lambda: panel.presenter.query.text == token)
    for id in panel.presenter.order.tolist():
        hay = (reading.label(id) + "\0" + "\0".join(harvest.top_tokens(id))).casefold()
        assert token.casefold() in hay
    assert labelled in panel.presenter.order
    assert reading.session.search == token


def test_filters_and_their_chips(panel: FeaturesPanel, reading: Workspace, commands: Commands) -> None:
    named, pinned = panel.presenter.order[[7, 9]].tolist()
    reading.do(edits.set_label(named, "seven"))
    reading.do(edits.pin(pinned))
    panel.set_filter("labelled", True)
    assert panel.presenter.order.tolist() == [named]
    assert panel.chips.switches["labelled"].isChecked()
    panel.set_filter("labelled", False)
    commands.run("features.only_pinned")
    assert panel.presenter.order.tolist() == [pinned]
    commands.run("features.clear")
    panel.set_filter("density_below", 0.02)
    harvest = reading.harvest
    assert harvest is not None
    assert len(panel.presenter.order) == int((harvest.density < 0.02).sum())
    assert panel.chips.density.text() == "density < 2.00 %"


def test_nothing_found_says_so_and_offers_the_way_back(panel: FeaturesPanel, reading: Workspace) -> None:
    panel.presenter.ask(text="no such thing anywhere")
    assert panel.nothing.isVisible()
    panel.nothing.button.click()
    assert panel.table.isVisible()
    assert panel.search.text() == ""
    assert reading.harvest is not None
    assert len(panel.presenter.order) == reading.harvest.features


def test_selecting_a_row_selects_the_feature_everywhere_and_back(
    panel: FeaturesPanel, reading: Workspace, qtbot: QtBot
) -> None:
    panel.table.setFocus()
    qtbot.keyClick(panel.table, Qt.Key.Key_Home)
    assert reading.selected == int(panel.presenter.order[0])
    reading.select(int(panel.presenter.order[20]))
    assert panel.table.currentIndex().row() == 20


def test_a_label_shows_at_once_and_undo_takes_it_back(panel: FeaturesPanel, reading: Workspace) -> None:
    id = int(panel.presenter.order[0])
    assert not panel.presenter.name(id).labelled
    assert panel.presenter.name(id).text
    reading.do(edits.set_label(id, "<b>bold</b>"))
    assert panel.presenter.name(id).text == "<b>bold</b>"
    assert "1 labelled" in panel.footer.text()
    reading.undo()
    assert not panel.presenter.name(id).labelled


def test_a_pinned_feature_wears_its_colour(panel: FeaturesPanel, reading: Workspace) -> None:
    first, second = panel.presenter.order[[2, 5]].tolist()
    reading.do(edits.pin(second))
    reading.do(edits.pin(first))
    assert [panel.presenter.colour(id) for id in (first, second)] == [1, 0]
    reading.do(edits.unpin(second))
    assert [panel.presenter.colour(id) for id in (first, second)] == [0, None]


def test_enter_in_the_search_field_opens_the_first_hit(panel: FeaturesPanel, reading: Workspace, qtbot: QtBot) -> None:
    wanted = int(panel.presenter.order[33])
    reading.do(edits.set_label(wanted, "unmistakable"))
    qtbot.keyClicks(panel.search, "unmistak")
    qtbot.keyClick(panel.search, Qt.Key.Key_Return)
    assert reading.selected == wanted


def test_without_a_harvest_it_says_what_would_be_here(qtbot: QtBot, reading: Workspace, commands: Commands) -> None:
    harvest = reading.harvest
    reading.open_now.clear()
    panel = FeaturesPanel(reading, commands)
    qtbot.addWidget(panel)
    panel.show()
    assert panel.empty.isVisible()
    assert not commands["features.find"].enabled()
    reading.open_now.put_harvest(reading.session.key, harvest)
    reading.harvest_changed.emit()
    assert panel.table.isVisible()


def test_many_features_are_listed_off_the_interface_thread(
    panel: FeaturesPanel, reading: Workspace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presenter, "AT_ONCE", 10)
    assert reading.harvest is not None
    reading.open_now.put_harvest(reading.session.key, Harvest.open(reading.harvest.path))
    reading.harvest_changed.emit()
    assert panel.presenter.waiting
    assert not len(panel.presenter.order)
    assert panel.table.isVisible(), "nothing is said to be missing before the answer is there"
    harvest = reading.harvest
    assert harvest is not None
    qtbot.waitUntil(lambda: len(panel.presenter.order) == harvest.alive)
    panel.presenter.ask(text="the")
    panel.presenter.ask(text="no such thing anywhere")
    qtbot.waitUntil(panel.nothing.isVisible)
    assert panel.presenter.query.text == "no such thing anywhere"


def test_an_answer_about_a_closed_harvest_is_dropped(
    panel: FeaturesPanel, reading: Workspace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presenter, "AT_ONCE", 10)
    panel.presenter.ask(text="the")
    reading.open_now.clear()
    reading.harvest_changed.emit()
    qtbot.wait(100)
    assert not len(panel.presenter.order)
    assert panel.empty.isVisible()


def test_reopening_a_session_brings_its_search_and_order(panel: FeaturesPanel, reading: Workspace) -> None:
    from dataclasses import replace

    reading.restore(replace(reading.session, search="the", sort=("max", False)), "Open")
    assert panel.search.text() == "the"
    assert panel.presenter.query.sort == "max"
    harvest = reading.harvest
    assert harvest is not None
    assert np.all(np.diff(harvest.maximum[panel.presenter.order]) >= 0)
