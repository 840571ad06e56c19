"""Pictures of every panel and state, light and dark, in `build/screens`, from the demo; and what a picture can be held to.

They are made to be looked at. What is checked: nothing is blank, nothing that says something is cut off, every ground is the
theme's. Without the demo's dictionary (it is made late) the small one of the tests stands in.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from semascope import paths
from semascope.core.errors import UserError
from semascope.core.session import edits
from semascope.jobs.bridge import Bridge
from semascope.jobs.engine import Engine
from semascope.state.recent import RecentList
from semascope.state.settings import SettingsStore
from semascope.state.workspace import Workspace
from semascope.ui.panels import PANELS
from semascope.ui.shell.main_window import MainWindow
from semascope.ui.shell.top_bar import TopBar
from semascope.ui.theme import theme, themes

SCREENS = Path(__file__).resolve().parents[2] / "build" / "screens"
SLOW = 240_000  # milliseconds that the engine may take on a loaded machine
SIZES = ((1480, 920), (1024, 700))
MODES = ("light", "dark")


@pytest.fixture(scope="module")
def window(
    qapp: QApplication, demo_model_path: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[MainWindow]:
    """The program on the demo's session, or on the small dictionary with a few pins; opened once for all pictures."""
    patch = pytest.MonkeyPatch()
    patch.setenv("SEMASCOPE_BASEDIR", str(tmp_path_factory.mktemp("profile")))
    SCREENS.mkdir(parents=True, exist_ok=True)
    window = MainWindow(Workspace(Bridge(Engine())), SettingsStore(), RecentList())
    demo = paths.demo_dir() / "demo.semascope"
    if demo.exists():
        window.open_paths([demo])
    else:
        small = [request.getfixturevalue(name) for name in ("small_harvest_path", "small_sae_path")]
        window.open_paths([demo_model_path, *small])
    window.show()
    settle(window, lambda: bool(window.workspace.sae_info and window.workspace.harvest))
    if not demo.exists():
        pin_some(window.workspace)
    settle(window)
    yield window
    window.close()
    settle(window, lambda: not window.isVisible())
    themes().set("light")
    patch.undo()


def pin_some(workspace: Workspace) -> None:
    for feature, strength in ((2, 4.0), (20, 0.0), (26, -1.5), (60, 0.0)):
        workspace.do(edits.pin(feature))
        workspace.do(edits.set_strength(feature, strength))
    workspace.do(edits.set_label(2, "San Francisco and bridges"))
    workspace.do(edits.set_prompt("The Golden Gate Bridge is in San Francisco, and the Seine flows through Paris."))
    workspace.select(2)


def settle(window: MainWindow, ready: object = lambda: True) -> None:
    """Wait until nothing is under way, for long enough that panels have asked for what they want."""
    quiet = waited = 0
    while quiet < 500 and waited < SLOW:
        QApplication.processEvents()
        time.sleep(0.05)  # QTest.qWait would keep the interpreter to itself, and the engine still has torch to import
        waited += 50
        quiet = quiet + 50 if not window.workspace.bridge.pending and ready() else 0  # type: ignore[operator]
    assert waited < SLOW, "it never settled"


def picture(window: MainWindow, name: str) -> QImage:
    """The window with whatever floats over it, saved under `name`."""
    QApplication.processEvents()
    shot = QPixmap(window.grab())
    painter = QPainter(shot)
    for floating in QApplication.topLevelWidgets():
        if floating is not window and floating.isVisible():
            painter.drawPixmap(floating.pos() - window.pos(), floating.grab())
    painter.end()
    image = shot.toImage()
    assert image.save(str(SCREENS / f"{name}.png"))
    return image


def check(window: MainWindow, image: QImage, name: str) -> None:
    """Not blank, in the theme's colours, and no words cut off."""
    grid = [QPoint(x, y) for x in range(2, image.width(), 7) for y in range(2, image.height(), 7)]
    colours = [image.pixelColor(point).rgb() for point in grid]
    assert len(set(colours)) > 20, f"{name} is blank"
    grounds = {QColor(c).rgb() for c in (theme().pane, theme().background)}
    assert sum(colour in grounds for colour in colours) > len(colours) / 3, f"{name} is not in the theme's colours"
    assert cut_off(window) == [], name


def cut_off(window: QWidget) -> list[str]:
    """What is said by a label or a button that has no room to say it. (Views that paint their own text elide it.)"""
    found = []
    for widget in (*window.findChildren(QLabel), *window.findChildren(QPushButton)):
        if not widget.isVisible() or widget.visibleRegion().isEmpty() or not widget.text():
            continue
        if isinstance(widget, QLabel) and widget.wordWrap():
            needed = widget.heightForWidth(widget.width())
            if needed > widget.height() + 1:
                found.append(f"{widget.text()} ({needed} px high in {widget.height()})")
        elif widget.minimumSizeHint().width() > widget.width() + 1:
            found.append(f"{widget.text()} ({widget.minimumSizeHint().width()} px in {widget.width()})")
    return found


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("panel", [spec.id for spec in PANELS])
def test_panel(window: MainWindow, panel: str, mode: str, size: tuple[int, int]) -> None:
    themes().set(mode)  # type: ignore[arg-type]
    window.resize(*size)
    window.docks.reset()
    window.show_docks()
    window.docks.show_panel(panel)
    settle(window)
    name = f"{panel}-{mode}-{size[0]}x{size[1]}"
    check(window, picture(window, name), name)


@pytest.mark.parametrize("mode", MODES)
def test_at_twice_the_size(window: MainWindow, mode: str) -> None:
    themes().set(mode, 2.0)  # type: ignore[arg-type]
    window.resize(2400, 1500)
    window.docks.reset()
    settle(window)
    check(window, picture(window, f"whole-{mode}-200"), "at 200 %")
    themes().set(mode)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
def test_what_floats_over_the_window(window: MainWindow, mode: str) -> None:
    themes().set(mode)  # type: ignore[arg-type]
    window.resize(*SIZES[0])
    window.docks.reset()
    settle(window)
    window.finder.open()
    check(window, picture(window, f"palette-{mode}"), "palette")
    assert cut_off(window.finder) == []
    window.finder.close()
    bar = window.findChild(TopBar)
    for chip in (bar.model, bar.sae, bar.harvest):
        chip.click()
        picture(window, f"details-{chip.accessibleName().split(':')[0].lower()}-{mode}")
        assert cut_off(bar._details) == []
        bar._details.close()
    for command in ("model.open", "harvest.run", "help.shortcuts"):
        window.commands.run(command)
        settle(window)
        picture(window, f"sheet-{command.replace('.', '-')}-{mode}")
        assert cut_off(window.acts.dialog) == []  # type: ignore[arg-type]
        window.acts.dialog.close()  # type: ignore[attr-defined]
    window.toast.fail(
        UserError("The SAE belongs to layer 40, and this model has layers 0 to 29.", "Open its own model.")
    )
    check(window, picture(window, f"error-{mode}"), "error")
    window.toast.hide()


@pytest.mark.parametrize("mode", MODES)
def test_with_nothing_open(qtbot: QtBot, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMASCOPE_BASEDIR", str(tmp_path))
    themes().set(mode)  # type: ignore[arg-type]
    recent = RecentList()
    recent.add(tmp_path, "harvest")
    window = MainWindow(Workspace(Bridge(Engine())), SettingsStore(), recent)
    window.show()
    qtbot.waitExposed(window)
    check(window, picture(window, f"welcome-{mode}"), "welcome")
    window.show_docks()
    settle(window)
    check(window, picture(window, f"empty-{mode}"), "empty")
    with qtbot.waitSignal(window.closed, timeout=SLOW):
        window.close()
    window.deleteLater()
