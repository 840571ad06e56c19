"""The features panel: which SAE, search field, filter chips, the table, a footer. Layout and wiring; the thinking is in
`presenter`, whose rows the table's ids are."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer
from PySide6.QtGui import QKeyEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QLineEdit, QMenu, QStackedLayout, QVBoxLayout, QWidget

from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.panels.features.commands import add_commands
from semascope.ui.panels.features.filters import FilterChips
from semascope.ui.panels.features.presenter import FeaturesPresenter
from semascope.ui.panels.features.switch import DictionarySwitch
from semascope.ui.theme import theme, themes
from semascope.ui.widgets.array_table import ArrayTable, Column
from semascope.ui.widgets.empty_state import EmptyState
from semascope.ui.widgets.front import bring_to_front
from semascope.ui.widgets.plain_text import plain_label, plain_tooltip
from semascope.ui.widgets.rule import Rule
from semascope.ui.widgets.table_cells import (
    BarDelegate,
    CellDelegate,
    DotDelegate,
    NameDelegate,
    SparklineDelegate,
)

_TYPING = 120  # milliseconds after a keystroke before the list is searched
_ROOM_FOR = {"histogram": 350, "max": 320, "token": 520}  # pixels at 100 % from which a column is shown
_NUMBER, _NUMBER_AND_BAR = 64, 98  # pixels that densities take
_PLACE, _LAYER = 78, 48  # pixels that places take, or where they differ by layer only, layers


class FeaturesPanel(QWidget):
    """The list of all features."""

    ID = "features"
    TITLE = "Features"

    def __init__(self, workspace: Workspace, commands: Commands, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel.features")
        self.workspace = workspace
        self.commands = commands
        self.presenter = FeaturesPresenter(workspace, self)
        self.switch = DictionarySwitch()
        self.search = QLineEdit()
        self.chips = FilterChips()
        self.table = ArrayTable(self._columns())
        self.footer = plain_label(tone="quiet", size="small")
        self._typing = QTimer(self, singleShot=True, interval=_TYPING)
        self._build()
        self._connect()
        add_commands(self, commands)
        self._show_harvest()

    def focus_search(self) -> None:
        """Put the keyboard into the search field."""
        bring_to_front(self)
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def show_all(self) -> None:
        """No search text and no filter."""
        self._typing.stop()
        self.presenter.clear()

    def set_filter(self, name: str, value: object) -> None:
        """Switch one filter."""
        self.presenter.ask(**{name: value})
        self.chips.show_query(self.presenter.query)

    def _columns(self) -> list[Column]:
        show = self.presenter
        return [
            Column("pin", "", self._pin_words, show.colour, 16, sortable=False, name=self.tr("pinned")),
            Column("place", self.tr("place"), show.place, show.short_place, _PLACE),
            Column("id", self.tr("id"), show.number, width=46, right=True),
            Column("histogram", "", lambda _id: "", show.heights, 50, sortable=False, name=self.tr("histogram")),
            Column("label", self.tr("label"), lambda id: show.name(id).text, show.name),
            Column("token", self.tr("top token"), show.top_token, width=96),
            Column(
                "density",
                self.tr("density"),
                lambda id: show.density(id).text,
                show.density,
                _NUMBER_AND_BAR,
                right=True,
            ),
            Column("max", self.tr("max"), show.maximum, width=48, right=True),
        ]

    def _pin_words(self, row: int) -> str:
        return self.tr("pinned") if self.presenter.colour(row) is not None else ""

    def _build(self) -> None:
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self.setAutoFillBackground(True)
        space = theme().spacing
        self.search.setPlaceholderText(self.tr("label or top token"))
        self.search.setAccessibleName(self.tr("Search features"))
        self.search.setClearButtonEnabled(True)
        self.table.setAccessibleName(self.tr("Features"))
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        for key, delegate in (
            ("pin", DotDelegate()),
            ("place", CellDelegate(quiet=True, tabular=True)),
            ("id", CellDelegate(tabular=True)),
            ("histogram", SparklineDelegate()),
            ("label", NameDelegate()),
            ("token", CellDelegate(mono=True, quiet=True)),
            ("density", BarDelegate()),
            ("max", CellDelegate(tabular=True)),
        ):
            self.table.set_delegate(key, delegate)

        self._top = QVBoxLayout()  # stays when there is nothing to list: the way to another dictionary is here
        self._top.setContentsMargins(space(3), space(3), space(3), 0)
        self._top.addWidget(self.switch)
        top = QVBoxLayout()
        top.setContentsMargins(space(3), space(2), space(3), space(2))
        top.setSpacing(space(2))
        top.addWidget(self.search)
        top.addWidget(self.chips)
        self.nothing = EmptyState(
            self.tr("No feature fits"), "", self.tr("Show all features"), lambda: self.commands.run("features.clear")
        )
        self.found = QStackedLayout()
        self.found.addWidget(self.table)
        self.found.addWidget(self.nothing)
        self.footer.setWordWrap(True)  # so that it never widens the panel
        self.footer.setContentsMargins(space(3), space(2), space(3), space(2))
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(top)
        column.addLayout(self.found, 1)
        column.addWidget(Rule())
        column.addWidget(self.footer)
        self.empty = EmptyState("", action="…", on_action=lambda: self.commands.run(self._empty_action))
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addLayout(self._top)
        self.pages = QStackedLayout()
        whole.addLayout(self.pages, 1)
        self.pages.setContentsMargins(0, 0, 0, 0)
        self.pages.addWidget(self.empty)
        self.pages.addWidget(content)
        self.setFocusProxy(self.table)

    def _connect(self) -> None:
        presenter = self.presenter
        presenter.listed.connect(self._show_list)
        presenter.cells_changed.connect(self._show_cells)
        presenter.query_changed.connect(self._show_query)
        presenter.harvest_changed.connect(self._show_harvest)
        presenter.dictionaries_changed.connect(self._show_dictionaries)
        self.switch.chosen.connect(self._choose)
        self._typing.timeout.connect(lambda: presenter.ask(text=self.search.text()))
        self.search.textEdited.connect(lambda _: self._typing.start())
        self.search.textChanged.connect(lambda text: None if text else self._typing.start())
        self.search.installEventFilter(self)
        self.chips.changed.connect(self.set_filter)
        self.table.sort_asked.connect(presenter.sort_by)
        self.table.id_selected.connect(lambda row: presenter.select(row, self))
        self.table.id_opened.connect(self._open)
        self.table.customContextMenuRequested.connect(self._menu)
        self.workspace.selection_changed.connect(self._show_selection)
        themes().changed.connect(self._choose_columns)

    # Showing

    def _show_harvest(self) -> None:
        self.table.set_width("id", 16 + 9 * max(len(str(self.presenter.listing.largest_id)), 3))
        self._show_query()
        self._show_list()  # before the page: no row of the old list may be asked for any more
        self._show_dictionaries()

    def _show_list(self) -> None:
        self.table.show_order(self.presenter.order)
        self.table.show_sort(self.presenter.query.sort, self.presenter.query.descending)
        self.found.setCurrentIndex(0 if len(self.presenter.order) or self.presenter.waiting else 1)
        self._show_footer()
        self._show_selection()

    def _show_footer(self) -> None:
        self.footer.setText(self.presenter.summary)
        missing = self.presenter.missing
        self.footer.setToolTip(
            plain_tooltip(self.tr("Without a harvest: {places}").format(places=missing)) if missing else ""
        )

    def _show_dictionaries(self) -> None:
        presenter, by_layer = self.presenter, bool(self.presenter.listing.one_site)
        self.table.set_width("place", _LAYER if by_layer else _PLACE)
        self.table.rows.set_title("place", self.tr("layer") if by_layer else self.tr("place"), right=by_layer)
        self._choose_columns()
        self.switch.show_dictionaries(presenter.dictionaries, self.workspace.session.key, presenter.lists_all)
        self._top.setContentsMargins(*self._margins())
        current = presenter.current
        if current is not None and current.harvest is None:
            self.empty.say(
                self.tr("No harvest of {place} is open").format(place=current.place),
                self.tr("A harvest runs a corpus through model and SAE, and lists every feature with its examples."),
                self.tr("Harvest a corpus…"),
            )
        else:
            self.empty.say(
                self.tr("No harvest is open"),
                self.tr("A harvest lists every feature of an SAE with its examples. Reading one needs no model."),
                self.tr("Open a harvest…"),
            )
        self.pages.setCurrentIndex(1 if presenter.has_harvest else 0)

    @property
    def _empty_action(self) -> str:
        current = self.presenter.current
        return "harvest.run" if current is not None and current.harvest is None else "harvest.open"

    def _margins(self) -> tuple[int, int, int, int]:
        """Round the switch; none while it isn't there."""
        space = theme().spacing
        return (0, 0, 0, 0) if self.switch.isHidden() else (space(3), space(3), space(3), 0)

    def _show_cells(self) -> None:
        self.table.rows.refresh()
        self._show_footer()

    def _show_query(self) -> None:
        self.chips.show_query(self.presenter.query)
        if self.search.text() != self.presenter.query.text:
            self.search.setText(self.presenter.query.text)
            self._typing.stop()

    def _show_selection(self) -> None:
        row = self.presenter.selected_row
        if row != self.table.selected_id or row is None or self.table.currentIndex().row() < 0:
            self.table.select_id(row)

    # Acting

    def _choose(self, key: str) -> None:
        """A dictionary, or ("") all, was chosen to be listed."""
        if key:
            self.presenter.use(key)
        else:
            self.presenter.list_all(True)

    def _open(self, row: int) -> None:
        self.presenter.select(row, self)
        if "feature.open" in self.commands:
            self.commands.run("feature.open")

    def _menu(self, point: QPoint) -> None:
        if not self.table.indexAt(point).isValid():
            return
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        for id in ("feature.open", "feature.pin", "feature.label", "feature.copy_number"):
            if id in self.commands:
                self.commands.refresh(id)
                menu.addAction(self.commands.action(id))
        menu.popup(self.table.viewport().mapToGlobal(point))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._choose_columns()

    def _choose_columns(self) -> None:
        """Leave out what there is no room for, so that labels can be read."""
        listing = self.presenter.listing
        places = (_LAYER if listing.one_site else _PLACE) if listing.says_places else 0
        self.table.set_shown("place", bool(places))
        width = self.width() / theme().scale
        for key, room in _ROOM_FOR.items():
            self.table.set_shown(key, width >= room + 1.5 * places)
        self.table.set_width("density", _NUMBER if places and width < 320 + places else _NUMBER_AND_BAR)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """From the search field, ↓ goes to the list, Enter opens what is on top, Esc clears."""
        if watched is self.search and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() == Qt.Key.Key_Down:
                self.table.setFocus(Qt.FocusReason.TabFocusReason)
                self.table.step(0)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._typing.stop()
                self.presenter.ask(text=self.search.text())
                if len(self.presenter.order):
                    self._open(int(self.presenter.order[0]))
                return True
            if event.key() == Qt.Key.Key_Escape and self.search.text():
                self.search.clear()
                return True
        return super().eventFilter(watched, event)
