"""Between the workspace and the features panel: which rows are listed, and what their cells say. No widgets.

The list is of the current dictionary or of all that are open (`listing`); its rows are numbered through them. Search text,
order and which of the two live in the session, the filters here. Above a size, queries are answered on the disk pool, newest
wins; below it at once.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from PySide6.QtCore import QObject, Signal

from semascope.core.session import edits, switching
from semascope.state.dictionaries import OpenDictionary
from semascope.state.workspace import Change, Workspace
from semascope.ui.panels.features.listing import Listing
from semascope.ui.panels.features.query import Query, answer
from semascope.ui.widgets.histogram import sparkline
from semascope.ui.widgets.numbers import activation_text, count_text, percent_text
from semascope.ui.widgets.table_cells import Name, Share
from semascope.ui.widgets.token_text import list_form, stand_in

AT_ONCE = 200_000  # features up to which a query is answered on the interface thread
_NAME_TOKENS = 4  # top tokens that stand for a missing label
_NOTHING = np.zeros(0, np.uint32)
_SPARSEST, _DENSEST = -5.0, -1.0  # log10 of the densities whose bars are empty and full


class FeaturesPresenter(QObject):
    """See the module.

    Attributes:
        query: what is asked for.
        listing: what is listed.
        order: uint32, the row numbers that answer the query.
        waiting: an answer is on its way.

    Signals:
        listed: `order` was replaced.
        cells_changed: what some cells say has changed, the order has not.
        query_changed: `query` was changed by something else than this panel's own controls.
        harvest_changed: the rows are of another harvest, or there are none.
        dictionaries_changed: others are open, or another is the current one.
    """

    listed = Signal()
    cells_changed = Signal()
    query_changed = Signal()
    harvest_changed = Signal()
    dictionaries_changed = Signal()

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        session = workspace.session
        self.query = Query(text=session.search, sort=session.sort[0], descending=session.sort[1])
        self.listing = Listing()
        self.order = _NOTHING
        self.waiting = False
        self._forget_cells()
        workspace.session_changed.connect(self._on_session)
        workspace.harvest_changed.connect(self._on_harvest)
        workspace.engine_changed.connect(self._on_harvest)
        self._on_harvest()

    # What is listed

    def ask(self, **changes: object) -> None:
        """Change the query, and answer it."""
        query = replace(self.query, **changes)  # type: ignore[arg-type]
        if query == self.query:
            return
        self.query = query
        self._workspace.do(edits.search(query.text), self)
        self._workspace.do(edits.sort(query.sort, query.descending), self)
        self._answer()

    def sort_by(self, key: str) -> None:
        """Sort by a column; a second time turns the order round. Numbers start with the largest."""
        same = key == self.query.sort
        self.ask(
            sort=key, descending=not self.query.descending if same else key not in ("id", "label", "token", "place")
        )

    def clear(self) -> None:
        """No text and no filter."""
        self.ask(text="", alive=False, labelled=False, pinned=False, density_below=None)
        self.query_changed.emit()

    @property
    def has_harvest(self) -> bool:
        return bool(self.listing)

    @property
    def summary(self) -> str:
        """The footer: "8,192 features · 7,904 alive · 214 labelled", with how many are shown if not all are."""
        listing = self.listing
        if not listing:
            return ""
        words = [
            self.tr("{count} features").format(count=count_text(listing.rows)),
            self.tr("{count} alive").format(count=count_text(listing.alive)),
            self.tr("{count} labelled").format(count=count_text(listing.labelled)),
        ]
        if len(self.order) not in (listing.rows, listing.alive):
            words.insert(0, self.tr("{count} shown").format(count=count_text(len(self.order))))
        if missing := len(self.missing.split(", ")) if self.missing else 0:
            words.append(
                self.tr("{count} SAEs have no harvest").format(count=missing)
                if missing > 1
                else self.tr("1 SAE has no harvest")
            )
        return " · ".join(words)

    @property
    def missing(self) -> str:
        """The places of the SAEs that have no harvest and so nothing in a list of all; "" where none lacks."""
        return ", ".join(each.place for each in self.dictionaries if self.lists_all and each.harvest is None)

    # Which dictionaries

    @property
    def dictionaries(self) -> tuple[OpenDictionary, ...]:
        """All that are open."""
        return self._workspace.dictionaries

    @property
    def current(self) -> OpenDictionary | None:
        """The current one."""
        key = self._workspace.session.key
        return next((each for each in self.dictionaries if each.key == key), None)

    @property
    def lists_all(self) -> bool:
        """Whether the features of all of them are listed."""
        return self._workspace.session.list_all and len(self.dictionaries) > 1

    def list_all(self, every: bool) -> None:
        """List the features of all dictionaries, or of the current one."""
        self._workspace.do(switching.list_all(every), self)
        self._on_harvest()

    def use(self, key: str) -> None:
        """List the features of one dictionary, which becomes the current one."""
        self._workspace.do(switching.list_all(False), self)
        self._workspace.use(key)
        self._on_harvest()

    def use_next(self, by: int) -> None:
        """Make the dictionary `by` places further on the current one."""
        self._workspace.use_next(by)

    def select(self, row: int, source: object) -> None:
        """Show a row's feature everywhere; its dictionary becomes the current one."""
        part, feature = self.listing.locate(row)
        if part.key == self._workspace.session.key:
            self._workspace.select(feature, source)
        else:
            self._workspace.use(part.key, feature, source)

    @property
    def selected_row(self) -> int | None:
        """The row number of the selected feature."""
        return self.listing.row_of(self._workspace.session.key, self._workspace.selected)

    # What the cells of a row say

    def number(self, row: int) -> str:
        return str(self.listing.locate(row)[1])

    def place(self, row: int) -> str:
        return self.listing.place(row)

    def short_place(self, row: int) -> str:
        return self.listing.short_place(row)

    def name(self, row: int) -> Name:
        """The label, or the top tokens where there is none."""
        part, feature = self.listing.locate(row)
        label = part.labels.get(feature, "")
        return Name(label, True) if label else Name(self._stand_in(row), False)

    def top_token(self, row: int) -> str:
        tokens = self._top_tokens(row)
        return list_form(tokens[0]) if tokens else ""

    def density(self, row: int) -> Share:
        part, feature = self.listing.locate(row)
        share = float(part.harvest.density[feature])
        length = (np.log10(share) - _SPARSEST) / (_DENSEST - _SPARSEST) if share > 0 else 0.0
        return Share(percent_text(share), float(np.clip(length, 0.0, 1.0)))

    def maximum(self, row: int) -> str:
        part, feature = self.listing.locate(row)
        value = float(part.harvest.maximum[feature])
        return activation_text(value) if value > 0 else "–"

    def colour(self, row: int) -> int | None:
        """The place among its dictionary's pins, whose colour is the feature's; None when it is not pinned."""
        part, feature = self.listing.locate(row)
        return part.pins.index(feature) if feature in part.pins else None

    def _stand_in(self, row: int) -> str:
        return stand_in(self._top_tokens(row), _NAME_TOKENS) or self.tr("never fired")

    def _forget_cells(self) -> None:
        """Reading rows is quick but not free, and scrolling asks for the same ones again and again."""
        self._top_tokens = lru_cache(4096)(self._read_top_tokens)
        self.heights = lru_cache(4096)(self._read_heights)

    def _read_top_tokens(self, row: int) -> list[str]:
        part, feature = self.listing.locate(row)
        return part.harvest.top_tokens(feature)

    def _read_heights(self, row: int) -> np.ndarray | None:
        part, feature = self.listing.locate(row)
        return sparkline(part.harvest.histogram(feature))

    # What changes it

    def _on_harvest(self) -> None:
        """Dictionaries were opened or closed, another is the current one, or one is read elsewhere."""
        current = self.current
        listed = self.dictionaries if self.lists_all else (current,) if current is not None else ()
        listing = Listing.of(listed, self._workspace.session)
        same = listing.same_rows(self.listing)
        self.listing = listing
        if not same:
            self._forget_cells()
            self.order = _NOTHING  # the row numbers of another harvest may not be in this one
            self.waiting = self.has_harvest
        if same and self.has_harvest:
            self.dictionaries_changed.emit()
            self.cells_changed.emit()
            return
        self.harvest_changed.emit()
        self._answer()

    def _on_session(self, change: Change) -> None:
        before = self.listing
        self.listing = before.updated(self._workspace.session)
        session = self._workspace.session
        if change.source is not self and (session.search, session.sort) != (self.query.text, self._sort):
            self.query = replace(self.query, text=session.search, sort=session.sort[0], descending=session.sort[1])
            self.query_changed.emit()
            self._answer()
        elif before is not self.listing:
            query = self.query
            if query.labelled or query.pinned or query.text or query.sort in ("label", "pin"):
                self._answer()
            self.cells_changed.emit()

    @property
    def _sort(self) -> tuple[str, bool]:
        return self.query.sort, self.query.descending

    def _answer(self) -> None:
        listing, query = self.listing, self.query
        if listing.rows <= AT_ONCE:
            self._show((listing, answer(listing, query)))
        else:
            self.waiting = True
            self._workspace.bridge.read(lambda: (listing, answer(listing, query)), self._show, kind="list features")

    def _show(self, answered: tuple[Listing, np.ndarray]) -> None:
        """Take an answer, unless it is about harvests that have been closed meanwhile."""
        listing, order = answered
        if listing.same_rows(self.listing):
            self.order = order
            self.waiting = False
            self.listed.emit()
