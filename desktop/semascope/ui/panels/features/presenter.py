"""Between the workspace and the features panel: which ids are listed, and what their cells say. No widgets.

Search text and sort order live in the session, the filters here. Above a size, queries are answered on the disk pool,
newest wins; below it at once.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from PySide6.QtCore import QObject, Signal

from semascope.core.harvest.store import Harvest
from semascope.core.session import edits
from semascope.state.workspace import Change, Workspace
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
        order: uint32, the ids that answer it.
        waiting: an answer is on its way.

    Signals:
        listed: `order` was replaced.
        cells_changed: what some cells say has changed, the order has not.
        query_changed: `query` was changed by something else than this panel's own controls.
        harvest_changed: there is another harvest, or none.
    """

    listed = Signal()
    cells_changed = Signal()
    query_changed = Signal()
    harvest_changed = Signal()

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        session = workspace.session
        self.query = Query(text=session.search, sort=session.sort[0], descending=session.sort[1])
        self.order = _NOTHING
        self.waiting = False
        self._labels: dict[int, str] = {}
        self._sources: tuple[object, object] = (None, None)  # of the labels
        self._pins: tuple[int, ...] = ()
        self._forget_cells()
        workspace.session_changed.connect(self._on_session)
        workspace.harvest_changed.connect(self._on_harvest)
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
        self.ask(sort=key, descending=not self.query.descending if same else key not in ("id", "label", "token"))

    def clear(self) -> None:
        """No text and no filter."""
        self.ask(text="", alive=False, labelled=False, pinned=False, density_below=None)
        self.query_changed.emit()

    @property
    def has_harvest(self) -> bool:
        return self._workspace.harvest is not None

    @property
    def largest_id(self) -> int:
        return self._workspace.harvest.features - 1 if self._workspace.harvest else 0

    @property
    def summary(self) -> str:
        """The footer: "8,192 features · 7,904 alive · 214 labelled", with how many are shown if not all are."""
        harvest = self._workspace.harvest
        if harvest is None:
            return ""
        labelled = sum(1 for label in self._labels.values() if label)
        words = [
            self.tr("{count} features").format(count=count_text(harvest.features)),
            self.tr("{count} alive").format(count=count_text(harvest.alive)),
            self.tr("{count} labelled").format(count=count_text(labelled)),
        ]
        if len(self.order) not in (harvest.features, harvest.alive):
            words.insert(0, self.tr("{count} shown").format(count=count_text(len(self.order))))
        return " · ".join(words)

    # What the cells say

    def name(self, id: int) -> Name:
        """The label, or the top tokens where there is none."""
        label = self._labels.get(id, "")
        return Name(label, True) if label else Name(self._stand_in(id), False)

    def top_token(self, id: int) -> str:
        tokens = self._top_tokens(id)
        return list_form(tokens[0]) if tokens else ""

    def density(self, id: int) -> Share:
        share = float(self._workspace.harvest.density[id]) if self._workspace.harvest else 0.0
        length = (np.log10(share) - _SPARSEST) / (_DENSEST - _SPARSEST) if share > 0 else 0.0
        return Share(percent_text(share), float(np.clip(length, 0.0, 1.0)))

    def maximum(self, id: int) -> str:
        value = float(self._workspace.harvest.maximum[id]) if self._workspace.harvest else 0.0
        return activation_text(value) if value > 0 else "–"

    def colour(self, id: int) -> int | None:
        """The place among the pins, whose colour is the feature's; None when it is not pinned."""
        return self._pins.index(id) if id in self._pins else None

    def _stand_in(self, id: int) -> str:
        return stand_in(self._top_tokens(id), _NAME_TOKENS) or self.tr("never fired")

    def _forget_cells(self) -> None:
        """Reading rows is quick but not free, and scrolling asks for the same ones again and again."""
        self._top_tokens = lru_cache(4096)(self._read_top_tokens)
        self.heights = lru_cache(4096)(self._read_heights)

    def _read_top_tokens(self, id: int) -> list[str]:
        return self._workspace.harvest.top_tokens(id) if self._workspace.harvest else []

    def _read_heights(self, id: int) -> np.ndarray | None:
        return sparkline(self._workspace.harvest.histogram(id)) if self._workspace.harvest else None

    # What changes it

    def _on_harvest(self) -> None:
        self._forget_cells()
        self._read_session()
        self.order = _NOTHING  # the ids of another harvest may not be in this one
        self.waiting = self._workspace.harvest is not None
        self.harvest_changed.emit()
        self._answer()

    def _on_session(self, change: Change) -> None:
        before = (self._labels, self._pins)
        self._read_session()
        session = self._workspace.session
        if change.source is not self and (session.search, session.sort) != (self.query.text, self._sort):
            self.query = replace(self.query, text=session.search, sort=session.sort[0], descending=session.sort[1])
            self.query_changed.emit()
            self._answer()
        elif before != (self._labels, self._pins):
            query = self.query
            if query.labelled or query.pinned or query.text or query.sort in ("label", "pin"):
                self._answer()
            self.cells_changed.emit()

    @property
    def _sort(self) -> tuple[str, bool]:
        return self.query.sort, self.query.descending

    def _read_session(self) -> None:
        workspace = self._workspace
        self._pins = tuple(pin.feature for pin in workspace.pins())
        notes = workspace.session.current_notes
        given = workspace.harvest.labels if workspace.harvest else {}
        if notes is not self._sources[0] or given is not self._sources[1]:
            self._sources = (notes, given)
            self._labels = dict(given) | {id: note.label for id, note in notes.items() if note.label}

    def _answer(self) -> None:
        harvest = self._workspace.harvest
        if harvest is None:
            self._show((None, _NOTHING))
            return
        query, labels, pins = self.query, dict(self._labels), self._pins
        if harvest.features <= AT_ONCE:
            self._show((harvest, answer(harvest, query, labels, pins)))
        else:
            self.waiting = True
            self._workspace.bridge.read(
                lambda: (harvest, answer(harvest, query, labels, pins)), self._show, kind="list features"
            )

    def _show(self, answered: tuple[Harvest | None, np.ndarray]) -> None:
        """Take an answer, unless it is about a harvest that has been closed meanwhile."""
        harvest, order = answered
        if harvest is self._workspace.harvest:
            self.order = order
            self.waiting = False
            self.listed.emit()
