"""Several dictionaries in one workspace, on the real engine: opened beside each other, switched, listed together, kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.reading import Reading
from semascope.core.session import edits, switching
from semascope.core.session.document import Reference, Session
from semascope.core.session.file import SessionFile
from semascope.jobs.infos import EngineInfo
from semascope.jobs.requests import Close, Describe
from semascope.state.readings import ReadingStore
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.panels.features import presenter
from semascope.ui.panels.features.panel import FeaturesPanel
from tests.ui.conftest import SLOW

Open = Callable[..., None]


@pytest.fixture
def workspace(laboratory: Workspace, qtbot: QtBot, small_harvest_path: Path) -> Iterator[Workspace]:
    """The laboratory, with nothing left open beside its SAE afterwards."""
    first = laboratory.session.key
    laboratory.do(edits.refer("harvest", Reference(str(small_harvest_path), "", "small", "harvest")))
    yield laboratory
    engine: list[EngineInfo] = []
    laboratory.bridge.request(Describe(), engine.append)
    qtbot.waitUntil(lambda: len(engine) == 1, timeout=SLOW)
    for info in engine[0].saes:
        if info.fingerprint != first or info.reading:
            laboratory.bridge.request(Close(model=False, fingerprint=info.fingerprint), kind=info.fingerprint)
    ReadingStore().path.unlink(missing_ok=True)
    qtbot.waitUntil(lambda: laboratory.bridge.pending == 0, timeout=SLOW)


@pytest.fixture
def two(workspace: Workspace, qtbot: QtBot, early_sae_path: Path, early_harvest_path: Path) -> Workspace:
    """Two SAEs with their harvests; the later opened one (256 features at resid_post.7) is current."""
    workspace.open_sae(early_sae_path)
    qtbot.waitUntil(lambda: len(workspace.sae_infos) == 2, timeout=SLOW)
    workspace.open_harvest(early_harvest_path)
    qtbot.waitUntil(lambda: workspace.harvest is not None, timeout=SLOW)
    return workspace


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def panel(qtbot: QtBot, two: Workspace, commands: Commands) -> FeaturesPanel:
    panel = FeaturesPanel(two, commands)
    qtbot.addWidget(panel)
    panel.resize(420, 700)
    panel.show()
    return panel


def keys(workspace: Workspace) -> list[str]:
    return [each.key for each in workspace.dictionaries]


# --- the workspace ---------------------------------------------------------------------------------------------------


def test_an_sae_opens_beside_and_its_harvest_finds_it(two: Workspace) -> None:
    small, early = two.dictionaries
    assert [(each.place, each.features) for each in (small, early)] == [("resid_post.15", 512), ("resid_post.7", 256)]
    assert small.harvest is not None
    assert early.harvest is two.harvest
    assert two.sae_info is early.sae
    assert [each.key for each in two.session.dictionaries] == [small.key, early.key]


def test_switching_shows_the_other_whole_and_loses_nothing(two: Workspace) -> None:
    small, early = keys(two)
    two.select(9)
    two.do(edits.pin(9))
    two.use(small)
    assert (two.sae_info.features if two.sae_info else 0, two.harvest.features if two.harvest else 0) == (512, 512)
    assert (two.selected, two.pins()) == (None, ())
    two.do(edits.set_label(400, "far"))
    two.select(400)
    two.use(early)
    assert (two.selected, [pin.feature for pin in two.pins()], two.label(400)) == (9, [9], "")
    assert two.label(400, small) == "far"
    two.use_next(1)
    assert two.selected == 400
    two.use_next(-1)
    assert two.selected == 9


def test_whoever_listens_never_sees_one_with_the_others_harvest(two: Workspace) -> None:
    seen: list[tuple[str, int, int]] = []

    def look() -> None:
        assert two.sae_info is not None
        assert two.harvest is not None
        seen.append((two.session.key, two.sae_info.features, two.harvest.features))

    for signal in (two.session_changed, two.selection_changed, two.harvest_changed, two.engine_changed):
        signal.connect(lambda *_: look())
    two.use(keys(two)[0])
    assert set(seen) == {(keys(two)[0], 512, 512)}
    assert len(seen) == 4


def test_a_harvest_of_an_sae_that_is_not_open_is_a_dictionary_of_its_own(
    workspace: Workspace, qtbot: QtBot, early_harvest_path: Path
) -> None:
    before = keys(workspace)
    workspace.open_harvest(early_harvest_path)
    qtbot.waitUntil(lambda: len(workspace.dictionaries) == 2, timeout=SLOW)
    assert workspace.sae_info is None
    assert workspace.harvest is not None
    assert workspace.harvest.features == 256
    assert [info.fingerprint for info in workspace.sae_infos] == before, "the other SAE stays open"
    workspace.use(before[0])
    assert workspace.sae_info is not None


def test_closing_one_shows_the_other(two: Workspace) -> None:
    small, early = keys(two)
    two.opening.close_sae()
    assert keys(two) == [small, early], "its harvest is still to be read"
    assert two.sae_info is None
    two.opening.close_dictionary()
    assert (keys(two), two.session.key) == ([small], small)
    two.opening.close_sae()
    assert two.session.sae is not None, "the last one may be loaded again"


def test_a_session_brings_all_of_them_back(two: Workspace, qtbot: QtBot, tmp_path: Path, demo_model_path: Path) -> None:
    two.select(9)
    two.do(switching.list_all(True))
    two.use(keys(two)[0], 400)
    expected = keys(two)
    path = tmp_path / "mine.semascope"
    SessionFile.create(path, two.session).close()
    two.opening.close_all()
    two.restore(Session(), "New")
    assert not two.dictionaries
    two.open_session(path)
    qtbot.waitUntil(lambda: len(two.sae_infos) == 2 and len(two.dictionaries) == 2, timeout=SLOW)
    qtbot.waitUntil(lambda: all(each.harvest and each.sae for each in two.dictionaries), timeout=SLOW)
    assert keys(two) == expected
    assert (two.session.key, two.selected, two.session.list_all) == (expected[0], 400, True)
    two.use(expected[1])
    assert two.selected == 9
    two.keeper.close()
    two.open_model(demo_model_path, "cpu", "fp32")  # as the next test expects it
    qtbot.waitUntil(lambda: two.model_info is not None and two.bridge.pending == 0, timeout=SLOW)


def test_an_sae_is_read_otherwise_undone_and_redone(two: Workspace, qtbot: QtBot) -> None:
    mark = two.session.key
    reading = Reading(hooks=(HookPoint("resid_post", 8),))

    def is_read_at(place: str) -> bool:
        return two.sae_info is not None and two.sae_info.hook_point == place

    two.do(edits.read_as(mark, reading, None, "2026-11-22"))
    qtbot.waitUntil(lambda: is_read_at("resid_post.8"), timeout=SLOW)
    qtbot.waitUntil(lambda: mark in ReadingStore().kept, timeout=SLOW)
    two.undo()
    qtbot.waitUntil(lambda: is_read_at("resid_post.7"), timeout=SLOW)
    qtbot.waitUntil(lambda: mark not in ReadingStore().kept, timeout=SLOW)
    two.redo()
    two.undo()  # before the engine has answered
    two.redo()
    qtbot.waitUntil(lambda: is_read_at("resid_post.8"), timeout=SLOW)
    assert two.sae_info is not None
    assert two.sae_info.notes[0].startswith("Read at resid_post.8, as chosen on 20")
    two.redo()
    two.undo()
    qtbot.waitUntil(lambda: two.bridge.pending == 0, timeout=SLOW)
    assert is_read_at("resid_post.7")


def test_a_reading_it_cannot_have_is_told_and_not_kept(two: Workspace, qtbot: QtBot) -> None:
    told: list[object] = []
    two.failed.connect(told.append)
    two.do(edits.read_as(two.session.key, Reading(hooks=(HookPoint("resid_post", 99),))))
    qtbot.waitUntil(lambda: len(told) == 1, timeout=SLOW)
    assert not two.session.readings[two.session.key].reading
    assert two.sae_info is not None
    assert two.sae_info.hook_point == "resid_post.7"


def test_the_next_session_reads_it_as_was_chosen_and_says_so(
    workspace: Workspace, qtbot: QtBot, early_sae_path: Path
) -> None:
    reading = Reading(hooks=(HookPoint("resid_post", 8),))
    workspace.open_sae(early_sae_path, reading=reading)
    qtbot.waitUntil(lambda: len(workspace.sae_infos) == 2, timeout=SLOW)
    mark = workspace.session.key
    assert workspace.session.readings[mark].reading == reading
    workspace.opening.close_dictionary()
    workspace.restore(replace(workspace.session, readings={}), "Another session")
    workspace.open_sae(early_sae_path)
    qtbot.waitUntil(lambda: len(workspace.sae_infos) == 2, timeout=SLOW)
    assert workspace.sae_info is not None
    assert workspace.sae_info.reading == reading
    assert "as chosen on 20" in workspace.sae_info.notes[0]
    assert workspace.session.readings[mark].reading == reading


# --- the panel -------------------------------------------------------------------------------------------------------


def test_the_switch_names_them_and_lists_the_chosen_one(panel: FeaturesPanel, two: Workspace, qtbot: QtBot) -> None:
    words = [panel.switch.itemText(place) for place in range(panel.switch.count())]
    assert words == ["resid_post.15 · 512", "resid_post.7 · 256", "All · 768"]
    assert panel.switch.currentIndex() == 1
    assert panel.presenter.order.max() < 256
    assert panel.table.isColumnHidden(panel.table.column_of("place"))
    assert "saelens" in panel.switch.itemData(0, Qt.ItemDataRole.AccessibleDescriptionRole)
    panel.switch.setFocus()
    qtbot.keyClick(panel.switch, Qt.Key.Key_Up)
    assert two.session.key == keys(two)[0]
    assert panel.presenter.order.max() >= 256
    two.opening.close_dictionary()
    assert not panel.switch.isVisible()


def test_all_are_listed_in_one_table(panel: FeaturesPanel, two: Workspace) -> None:
    small, early = (each.harvest for each in two.dictionaries)
    assert small is not None
    assert early is not None
    panel.switch.chosen.emit("")
    assert panel.switch.currentText() == "All · 768"
    assert not panel.table.isColumnHidden(panel.table.column_of("place"))
    order, listing = panel.presenter.order, panel.presenter.listing
    assert len(order) == small.alive + early.alive
    density = np.concatenate([small.density, early.density])
    assert np.all(np.diff(density[order]) <= 0)
    assert [panel.presenter.number(row) for row in (0, 511, 512, 767)] == ["0", "511", "0", "255"]
    assert {listing.short_place(row) for row in order.tolist()} == {"15", "7"}
    assert panel.table.rows.columns[panel.table.column_of("place")].title == "layer"
    assert panel.presenter.top_token(int(512 + early.maximum.argmax())) == panel.presenter.top_token(
        listing.row_of(keys(two)[1], int(early.maximum.argmax())) or -1
    )


@pytest.mark.parametrize("key", ["density", "max", "id", "label", "token", "pin", "place"])
def test_all_of_them_sort_both_ways(panel: FeaturesPanel, two: Workspace, commands: Commands, key: str) -> None:
    two.do(edits.set_label(7, "seven"))
    two.do(edits.pin(9))
    two.use(keys(two)[0])
    two.do(edits.set_label(3, "Three"))
    two.do(edits.pin(5))
    panel.presenter.ask(alive=False)
    panel.presenter.list_all(True)
    if panel.presenter.query.sort == key:
        panel.presenter.ask(sort="id", descending=False)
    commands.run(f"features.sort_{key}")
    first = panel.presenter.order.tolist()
    commands.run(f"features.sort_{key}")
    second = panel.presenter.order.tolist()
    assert sorted(first) == sorted(second) == list(range(768))
    expected = {
        "label": [(512 + 7, 3), (3, 512 + 7)],
        "pin": [(5, 512 + 9), None],
        "id": [(0, 512, 1, 513), None],
        "place": [(512, 513), (0, 1)],
    }.get(key, [None, None])
    for order, wanted in zip((first, second), expected, strict=True):
        assert wanted is None or tuple(order[: len(wanted)]) == wanted
    if key == "pin":
        assert second[-2:] == [5, 512 + 9]
    if key == "max":
        maxima = np.concatenate([each.harvest.maximum for each in two.dictionaries if each.harvest])
        assert np.all(np.diff(maxima[first]) <= 0)
        assert np.all(np.diff(maxima[second]) >= 0)
    if key == "token":
        words = [panel.presenter.listing.locate(row) for row in first]
        spelled = [(part.harvest.top_tokens(id) or [""])[0].strip().casefold() for part, id in words]
        fired = [word for (part, id), word in zip(words, spelled, strict=True) if part.harvest.count[id]]
        assert fired == sorted(fired)


def test_all_of_them_are_searched_and_filtered(panel: FeaturesPanel, two: Workspace, qtbot: QtBot) -> None:
    two.do(edits.set_label(7, "a bridge"))
    two.use(keys(two)[0])
    two.do(edits.set_label(400, "THE BRIDGE"))
    panel.presenter.list_all(True)
    qtbot.keyClicks(panel.search, "bridge")
    qtbot.waitUntil(lambda: panel.presenter.query.text == "bridge")
    assert {400, 512 + 7} <= set(panel.presenter.order.tolist())
    panel.set_filter("labelled", True)
    assert set(panel.presenter.order.tolist()) == {400, 512 + 7}
    assert "2 labelled" in panel.footer.text()
    assert "768 features" in panel.footer.text()


def test_selecting_a_row_turns_to_its_sae_and_the_list_stays(
    panel: FeaturesPanel, two: Workspace, qtbot: QtBot
) -> None:
    panel.presenter.list_all(True)
    panel.table.setFocus()
    order = panel.presenter.order
    asked: list[int] = []
    panel.presenter.listed.connect(lambda: asked.append(1))
    there = next(place for place, row in enumerate(order.tolist()) if row < 512)
    for place in (there, next(place for place, row in enumerate(order.tolist()) if row >= 512)):
        panel.table.setCurrentIndex(panel.table.rows.index(place, 0))
        row = int(order[place])
        assert (two.session.key, two.selected) == (keys(two)[row >= 512], row % 512)
        assert panel.table.currentIndex().row() == place
    assert panel.presenter.lists_all
    assert asked == [], "the rows stay where they are"
    two.select(5)
    assert panel.table.selected_id == 512 + 5


def test_the_keyboard_goes_round_and_the_palette_lists_all(
    panel: FeaturesPanel, two: Workspace, commands: Commands
) -> None:
    small, early = keys(two)
    commands.run("features.next_dictionary")
    assert two.session.key == small
    commands.run("features.next_dictionary")
    commands.run("features.previous_dictionary")
    assert two.session.key == small
    commands.run("features.all_dictionaries")
    assert panel.presenter.lists_all
    assert commands["features.all_dictionaries"].checked is not None
    commands.run("features.all_dictionaries")
    assert not panel.presenter.lists_all
    commands.run("features.close_dictionary")
    assert keys(two) == [early]
    assert not commands["features.next_dictionary"].enabled()


def test_an_sae_without_a_harvest_says_so_and_offers_to_make_one(
    panel: FeaturesPanel, two: Workspace, commands: Commands, qtbot: QtBot
) -> None:
    from semascope.ui.commands.registry import Command

    asked: list[str] = []
    commands.add(Command("harvest.run", "Harvest a corpus…", "", lambda: asked.append("run")))
    two.open_now.put_harvest(two.session.key, None)
    two.harvest_changed.emit()
    assert panel.empty.isVisible()
    assert panel.switch.isVisible()
    assert panel.empty.accessibleName() == "No harvest of resid_post.7 is open"
    qtbot.mouseClick(panel.empty.button, Qt.MouseButton.LeftButton)
    assert asked == ["run"]
    panel.presenter.list_all(True)
    assert panel.table.isVisible()
    assert panel.footer.text().endswith("1 SAE has no harvest")
    assert "resid_post.7" in panel.footer.toolTip()


def test_many_are_listed_off_the_interface_thread_and_a_closed_one_is_dropped(
    panel: FeaturesPanel, two: Workspace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presenter, "AT_ONCE", 10)
    panel.presenter.list_all(True)
    assert panel.presenter.waiting
    assert not len(panel.presenter.order)
    two.opening.close_dictionary()
    qtbot.waitUntil(lambda: len(panel.presenter.order) > 0)
    assert panel.presenter.order.max() < 512


def test_features_of_a_layered_dictionary_say_their_layer(panel: FeaturesPanel, two: Workspace) -> None:
    """256 features as a transcoder set of four layers counts them."""
    info = two.sae_info
    assert info is not None
    layers = tuple(f"mlp_in.{layer}" for layer in range(4))
    two.open_now.put_sae(
        replace(info, kind="transcoder_set", encoders=4, d_sae=64, reads=layers, hook_point="mlp_in.0-3")
    )
    two.engine_changed.emit()
    show = panel.presenter
    assert [show.place(row) for row in (0, 63, 64, 255)] == ["mlp_in.0", "mlp_in.0", "mlp_in.1", "mlp_in.3"]
    assert [show.short_place(row) for row in (0, 255)] == ["0", "3"]
    assert not panel.table.isColumnHidden(panel.table.column_of("place"))
    show.ask(sort="place", descending=True, alive=False)
    assert show.order[0] == 192
    show.list_all(True)
    assert [show.short_place(row) for row in (0, 512 + 255)] == ["post.15", "mlp_in.3"]
