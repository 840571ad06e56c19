"""The main window: top bar, docks or the Welcome page, status strip, menus, toasts. It wires them; each does its own work."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from semascope.state.recent import RecentList
from semascope.state.settings import SettingsStore
from semascope.state.workspace import Workspace
from semascope.ui.commands.palette import Palette
from semascope.ui.commands.registry import Commands
from semascope.ui.panels import PANELS, PanelSpec
from semascope.ui.shell import window_commands
from semascope.ui.shell.acts import Acts
from semascope.ui.shell.check_bar import CheckBar
from semascope.ui.shell.docks import Docks
from semascope.ui.shell.drop import DropVeil
from semascope.ui.shell.key_guard import KeyGuard
from semascope.ui.shell.layout_store import LayoutStore
from semascope.ui.shell.menus import Menus
from semascope.ui.shell.recent_commands import RecentCommands
from semascope.ui.shell.sae_acts import SAEActs
from semascope.ui.shell.status_strip import StatusStrip
from semascope.ui.shell.top_bar import TopBar
from semascope.ui.shell.welcome import Welcome
from semascope.ui.widgets.toast import Toast

STANDARD_SIZE = (1480, 920)
_PATIENCE = 6000  # milliseconds that closing waits for what cannot be stopped
_STOP_POLL = 30  # milliseconds between two looks at whether the engine has stopped


class MainWindow(QMainWindow):
    """The one window of the program.

    Signals:
        closed: everything has stopped and is saved; the program may end.
    """

    closed = Signal()

    def __init__(
        self,
        workspace: Workspace,
        settings: SettingsStore,
        recent: RecentList,
        panels: tuple[PanelSpec, ...] = PANELS,
    ) -> None:
        super().__init__()
        self.setObjectName("window")
        self.setWindowTitle("Semascope")
        self.resize(*STANDARD_SIZE)
        self.setMinimumSize(720, 480)
        self.workspace, self.settings, self.recent = workspace, settings, recent
        self.commands = Commands(self)
        self.layout_store = LayoutStore()
        self.acts, self.sae_acts = Acts(self), SAEActs(self)
        self.finder = Palette(self.commands, self)
        window_commands.add_all(self, self.commands)  # before the panels': the palette lists them first
        self.docks = Docks(panels, workspace, self.commands)
        self.welcome = Welcome(self.commands, recent)
        self.status = StatusStrip(workspace)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.welcome)
        self._stack.addWidget(self.docks)
        self._closing = False
        self._assemble()
        self.toast = Toast(self)
        self._veil = DropVeil(self, self.open_paths)
        self._recents = RecentCommands(workspace, self.commands, recent)
        self._guard = KeyGuard(self.commands, self)
        self._menus = Menus(self.menuBar(), self.commands, self)
        self._connect()
        self._restore_layout()
        self.welcome.setFocus()

    def open_paths(self, paths: list[Path]) -> None:
        """Open what was dropped or given on the command line; text becomes a corpus to harvest."""
        for path in paths:
            self.workspace.open_path(path)

    def show_docks(self) -> None:
        """The panels, even though nothing is open."""
        self._stack.setCurrentWidget(self.docks)

    def toggle_full_screen(self) -> None:
        self.showNormal() if self.isFullScreen() else self.showFullScreen()

    @property
    def shows_welcome(self) -> bool:
        return self._stack.currentWidget() is self.welcome

    def _assemble(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._bar = TopBar(self.workspace, self.commands, self.finder.open)
        column.addWidget(self._bar)
        column.addWidget(CheckBar(self.workspace, self._bar.explain_sae))
        column.addWidget(self._stack, 1)
        column.addWidget(self.status)
        self.setCentralWidget(inside)

    def _connect(self) -> None:
        workspace = self.workspace
        workspace.failed.connect(self.toast.fail)
        workspace.told.connect(self.toast.say)
        workspace.opened.connect(self._opened)
        workspace.checking.automatic = True
        workspace.corpus_found.connect(self._harvest_found)
        workspace.harvest_changed.connect(self._choose_page)
        workspace.engine_changed.connect(self._choose_page)
        workspace.session_changed.connect(self._retitle)
        self.welcome.recent_chosen.connect(lambda path: workspace.open_path(Path(path)))

    def _harvest_found(self, path: Path) -> None:
        self.acts.harvest((path,))

    def _opened(self, kind: str, path: Path) -> None:
        self.recent.add(path, kind)
        self._recents.refresh()
        self._retitle()

    def _choose_page(self) -> None:
        wanted = self.docks if self.workspace.something_open else self.welcome
        if wanted is not self._stack.currentWidget():
            if wanted is self.welcome:
                self.welcome.rebuild()
            self._stack.setCurrentWidget(wanted)

    def _retitle(self) -> None:
        path = self.workspace.keeper.path
        self.setWindowTitle(f"{path.stem} — Semascope" if path else "Semascope")

    # --- layout and end -----------------------------------------------------------------------------------------

    def _restore_layout(self) -> None:
        kept = self.layout_store.read()
        if kept is not None:
            self.restoreGeometry(kept[0])
            self.docks.restore(kept[1])

    def closeEvent(self, event: QCloseEvent) -> None:
        """Cancel what runs, wait in sight, save, and only then close."""
        event.ignore()
        if self._closing:
            return
        self._closing = True
        self.layout_store.write(self.saveGeometry(), self.docks.state())
        self.status.say_stopping()
        self._stack.setEnabled(False)  # what is changed from here on would not be saved
        self.workspace.save()
        self._stop()

    def _stop(self, waited: int = 0) -> None:
        """Look again and again whether the engine has ended. A job ends at its next step; a model that is being loaded
        has none, and nobody should have to wait for it to be loaded in order to leave."""
        bridge = self.workspace.bridge
        in_steps = any(record.steps for record in bridge.running())
        if not bridge.stop(timeout=0) and (in_steps or waited < _PATIENCE):
            QTimer.singleShot(_STOP_POLL, self, lambda: self._stop(waited + _STOP_POLL))
            return
        self.workspace.save_and_release()  # what arrived while it was stopping is in it too
        bridge.pool.close()
        self.hide()
        self.closed.emit()

    def fail(self, error: Exception) -> None:
        """Tell a failure."""
        self.toast.fail(error)
