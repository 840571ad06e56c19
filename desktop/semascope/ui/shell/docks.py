"""The panels in their docks: the standard layout, what a person makes of it, and the way back.

An inner QMainWindow without a central widget, so that every panel can stand anywhere. Panels are built here, once,
from the list; one that can't be built shows why in its own place instead of sinking the window.
"""

from __future__ import annotations

import traceback

from PySide6.QtCore import QByteArray, Qt, QTimer, Signal
from PySide6.QtGui import QPalette, QShowEvent
from PySide6.QtWidgets import QApplication, QDockWidget, QMainWindow, QTabBar, QTabWidget, QWidget

from semascope.jobs.failure import EngineFailure
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.panels import PanelSpec
from semascope.ui.shell.dock_title import DockTitle, TabLine
from semascope.ui.theme import theme, themes
from semascope.ui.widgets.error_card import ErrorCard

LAYOUT_VERSION = 1
SHARES = {"left": 0.27, "centre": 0.466, "right": 0.264}  # of the window's width
_LAID_OUT = 30  # milliseconds after which Qt has given a new dock its first place
LEAST = {"left": 330, "centre": 380, "right": 290}  # pixels at 100 %, as far as the window has them


class Docks(QMainWindow):
    """All panels.

    Signals:
        visibility_changed: a panel was shown, hidden, floated or brought forward.
    """

    visibility_changed = Signal()

    def __init__(self, panels: tuple[PanelSpec, ...], workspace: Workspace, commands: Commands) -> None:
        super().__init__()
        self.setWindowFlags(Qt.WindowType.Widget)
        self.setObjectName("docks")
        self.setDockNestingEnabled(True)
        self.setDocumentMode(True)
        # All panels are docks. The centre is there because Qt gives the height a window gains to the row of the centre,
        # and to the docks at the bottom when there is none.
        centre = QWidget()
        centre.setFixedWidth(0)
        self.setCentralWidget(centre)
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self._fresh = True  # not on the screen yet
        self._kept: QByteArray | None = None
        self._specs = {spec.id: spec for spec in panels}
        self._docks = {spec.id: self._make(spec, workspace, commands) for spec in panels}
        self._standard_layout()
        themes().changed.connect(self._colour)
        self._colour()

    def panel(self, id: str) -> QWidget:
        """The panel itself."""
        return self._docks[id].widget()

    def is_shown(self, id: str) -> bool:
        return not self._docks[id].isHidden()

    def show_panel(self, id: str) -> None:
        """Bring a panel to the front and give it the keyboard."""
        self.show_quietly(id)
        dock = self._docks[id]
        dock.raise_()
        dock.widget().setFocus(Qt.FocusReason.ShortcutFocusReason)

    def show_quietly(self, id: str) -> None:
        """Show a panel without taking the keyboard from whoever has it."""
        dock = self._docks[id]
        if dock.isHidden() and self._specs[id].area == "bottom":
            QTimer.singleShot(_LAID_OUT, self, lambda: self._share_height(dock))
        dock.show()

    def toggle(self, id: str) -> None:
        """Hide a panel that is shown, show one that is not."""
        if self.is_shown(id) and self._is_front(id):
            self._docks[id].close()
        else:
            self.show_panel(id)

    def state(self) -> QByteArray:
        return self.saveState(LAYOUT_VERSION)

    def restore(self, state: QByteArray) -> None:
        """Arrange the docks as they were; a state of another version changes nothing."""
        if not self.restoreState(state, LAYOUT_VERSION):
            self._standard_layout()
        elif self._fresh:
            self._kept = state  # once more when there is room: widths that don't fit yet are lost
        self._dress()

    def reset(self) -> None:
        """Back to the standard layout."""
        for dock in self._docks.values():
            dock.setFloating(False)
            self.removeDockWidget(dock)
        self._standard_layout()

    def _colour(self) -> None:
        """Panels stand on panes, not on the window's background."""
        palette = QPalette(QApplication.palette())
        palette.setColor(QPalette.ColorRole.Window, theme().pane)
        self.setPalette(palette)

    def _make(self, spec: PanelSpec, workspace: Workspace, commands: Commands) -> QDockWidget:
        dock = QDockWidget(spec.title, self)
        dock.setObjectName(f"dock.{spec.id}")
        try:
            panel = spec.make(workspace, commands)
        except Exception as error:
            panel = ErrorCard()
            details = "".join(traceback.format_exception(error))
            panel.show_error(EngineFailure(f"The panel {spec.title} could not be made.", "", details))
        panel.setFocusPolicy(panel.focusPolicy() or Qt.FocusPolicy.ClickFocus)
        dock.setWidget(panel)
        dock.setTitleBarWidget(DockTitle(dock))
        dock.topLevelChanged.connect(self._dress_soon)
        dock.dockLocationChanged.connect(self._dress_soon)
        dock.visibilityChanged.connect(self._dress_soon)
        return dock

    def _standard_layout(self) -> None:
        by_area: dict[str, list[QDockWidget]] = {"left": [], "centre": [], "right": [], "bottom": []}
        for id, spec in self._specs.items():
            by_area[spec.area].append(self._docks[id])
        columns = [group for area, group in by_area.items() if area != "bottom" and group]
        for index, group in enumerate(columns):
            if index == 0:
                self.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, group[0])
            else:
                self.splitDockWidget(columns[index - 1][0], group[0], Qt.Orientation.Horizontal)
        for group in columns:  # only now: a split beside tabs would become one more tab
            for other in group[1:]:
                self.tabifyDockWidget(group[0], other)
        for dock in by_area["bottom"]:
            self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
        for id, spec in self._specs.items():
            self._docks[id].setVisible(spec.shown)
        for group in columns:
            group[0].raise_()
        self._dress()
        self._share_width()

    def _arrange(self) -> None:
        """The first layout with the size that the window really has."""
        if self._kept is None:
            self._share_width()
        else:
            self.restoreState(self._kept, LAYOUT_VERSION)
            self._dress()

    def _share_width(self) -> None:
        """Give the columns their standard shares; Qt lays docks out only once they are on the screen."""
        fronts = [dock for dock in self._docks.values() if not dock.isHidden() and not dock.isFloating()]
        columns = {dock: self._specs[dock.objectName().removeprefix("dock.")].area for dock in fronts}
        wanted = {
            dock: max(round(SHARES[area] * self.width()), round(LEAST[area] * theme().scale))
            for dock, area in columns.items()
            if area in SHARES
        }
        self.resizeDocks(list(wanted), list(wanted.values()), Qt.Orientation.Horizontal)

    def _share_height(self, dock: QDockWidget) -> None:
        """A dock at the bottom takes no more than it asks for from what stands above."""
        wanted = theme().tab_height + dock.widget().sizeHint().height()
        self.resizeDocks([dock], [min(wanted, self.height() // 3)], Qt.Orientation.Vertical)

    def showEvent(self, event: QShowEvent) -> None:
        if self._fresh:
            self._fresh = False
            QTimer.singleShot(0, self, self._arrange)

    def _is_front(self, id: str) -> bool:
        return not self._docks[id].visibleRegion().isEmpty()

    def _dress_soon(self) -> None:
        QTimer.singleShot(0, self, self._dress)

    def _dress(self) -> None:
        """A head for docks that stand alone, none for those that have a tab."""
        for dock in self._docks.values():
            tabbed = bool(self.tabifiedDockWidgets(dock)) and not dock.isFloating()
            title = dock.titleBarWidget()
            if tabbed and isinstance(title, DockTitle):
                dock.setTitleBarWidget(TabLine(dock))
            elif not tabbed and not isinstance(title, DockTitle):
                dock.setTitleBarWidget(DockTitle(dock))
            if title is not dock.titleBarWidget():
                title.deleteLater()
        for bar in self.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
            bar.setExpanding(False)
            bar.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            bar.setAccessibleName("Panels")
        self.visibility_changed.emit()
