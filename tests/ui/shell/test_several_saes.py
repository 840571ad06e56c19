"""Two dictionaries in the whole window: switched by key and in the list, said in the top bar, there again in the next run."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from semascope.ui.panels.features.panel import FeaturesPanel
from semascope.ui.shell.main_window import MainWindow
from semascope.ui.shell.top_bar import TopBar

SLOW = 90_000


def test_two_harvests_are_read_side_by_side(
    window: MainWindow, qtbot: QtBot, small_harvest_path: Path, early_harvest_path: Path
) -> None:
    workspace = window.workspace
    for number, path in enumerate((small_harvest_path, early_harvest_path), 1):
        window.open_paths([path])
        qtbot.waitUntil(lambda number=number: sum(d.harvest is not None for d in workspace.dictionaries) == number,
                        timeout=SLOW)  # fmt: skip
    # Their SAEs lie where the harvests say; a model or not, the lists are there.
    bar, panel = window.findChild(TopBar), window.findChild(FeaturesPanel)
    assert isinstance(bar, TopBar)
    assert isinstance(panel, FeaturesPanel)
    assert panel.switch.isVisible()
    small, early = (each.key for each in workspace.dictionaries)
    workspace.use(early)
    assert "resid_post 7" in bar.sae.accessibleName()
    assert "+1" in bar.sae.accessibleDescription()
    panel.table.setFocus()
    qtbot.keyClick(window, Qt.Key.Key_PageDown, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: workspace.session.key == small)
    assert "resid_post 15" in bar.sae.accessibleName()
    workspace.select(7)
    qtbot.keyClick(window, Qt.Key.Key_PageUp, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: workspace.session.key == early)
    window.commands.run("features.all_dictionaries")
    assert panel.presenter.listing.rows == 768
    row = panel.presenter.listing.row_of(small, 400)
    assert row is not None
    panel.presenter.ask(alive=False)
    panel.table.setCurrentIndex(panel.table.rows.index(panel.table.rows.row_of(row), 0))
    assert (workspace.session.key, workspace.selected) == (small, 400)
    assert panel.switch.currentText() == "All · 768"

    workspace.save()
    qtbot.waitUntil(lambda: workspace.keeper.path is not None, timeout=SLOW)
    path = workspace.keeper.path
    assert path is not None
    window.acts.new_session()
    qtbot.waitUntil(lambda: not workspace.dictionaries and workspace.keeper.path is None, timeout=SLOW)
    assert window.shows_welcome
    window.open_paths([path])
    qtbot.waitUntil(lambda: sum(d.harvest is not None for d in workspace.dictionaries) == 2, timeout=SLOW)
    assert [each.key for each in workspace.dictionaries] == [small, early]
    assert (workspace.session.key, workspace.selected) == (small, 400)
    assert panel.presenter.listing.rows == 768
    assert not panel.presenter.waiting
