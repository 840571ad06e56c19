"""Between the workspace and the feature page: which feature is shown, what was read of it, where one was before. No widgets.

Pages are read on the disk pool, newest wins, so that holding ↓ in the feature list never waits for a page.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from semascope.core.session import edits
from semascope.core.session.document import FeatureNote
from semascope.state.workspace import Change, Workspace
from semascope.ui.panels.feature.page import Page, read_page
from semascope.ui.widgets.token_text import stand_in

_LONGEST_TRAIL = 200


class FeaturePresenter(QObject):
    """See the module.

    Signals:
        page_changed: `page` was replaced, or is None now.
        note_changed: label, tags, notes, pins or the names of neighbours changed.
        trail_changed: where back and forward lead changed.
        unreadable: UserError, the page could not be read.
    """

    page_changed = Signal()
    note_changed = Signal()
    trail_changed = Signal()
    unreadable = Signal(object)

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.workspace = workspace
        self.page: Page | None = None
        self._trail: list[int] = []
        self._at = -1
        self._words: object = None
        workspace.selection_changed.connect(self._on_selection)
        workspace.harvest_changed.connect(self._on_harvest)
        workspace.session_changed.connect(self._on_session)
        self._on_harvest()

    # What is shown

    @property
    def feature(self) -> int | None:
        """The selected feature, if the open harvest has it."""
        harvest, selected = self.workspace.harvest, self.workspace.selected
        return selected if harvest is not None and selected is not None and 0 <= selected < harvest.features else None

    @property
    def has_harvest(self) -> bool:
        return self.workspace.harvest is not None

    @property
    def note(self) -> FeatureNote:
        return FeatureNote() if self.feature is None else self.workspace.note(self.feature)

    @property
    def label(self) -> str:
        return "" if self.feature is None else self.workspace.label(self.feature)

    @property
    def pinned(self) -> bool:
        return self.feature is not None and self.workspace.is_pinned(self.feature)

    def name_of(self, feature: int) -> tuple[str, bool]:
        """A feature's name, and whether that is a label or only its top tokens."""
        label = self.workspace.label(feature)
        if label or self.workspace.harvest is None:
            return label, True
        return stand_in(self.workspace.harvest.top_tokens(feature), 3), False

    # What a person does

    def set_label(self, feature: int, label: str) -> None:
        self.workspace.do(edits.set_label(feature, label))

    def set_tags(self, feature: int, tags: tuple[str, ...]) -> None:
        self.workspace.do(edits.set_tags(feature, tags))

    def toggle_pin(self) -> None:
        """Pin the feature, or let it go."""
        if self.feature is not None:
            self.workspace.do(edits.unpin(self.feature) if self.pinned else edits.pin(self.feature))

    def pin_words(self) -> str:
        """What `toggle_pin` would do now."""
        return self.tr("Unpin the feature") if self.pinned else self.tr("Pin the feature")

    def set_notes(self, feature: int, notes: str, stay: int) -> None:
        """Write notes; those of one stay in the field are one step of undo."""
        self.workspace.do(edits.set_notes(feature, notes, gesture=stay), self)

    # Back and forward

    @property
    def can_go_back(self) -> bool:
        return self._at > 0

    @property
    def can_go_forward(self) -> bool:
        return self._at < len(self._trail) - 1

    def go(self, by: int) -> None:
        """Back (−1) or forward (1) along the features that were shown."""
        if 0 <= self._at + by < len(self._trail):
            self._at += by
            self.workspace.select(self._trail[self._at], self)
            self.trail_changed.emit()

    def _remember(self, feature: int) -> None:
        if 0 <= self._at < len(self._trail) and self._trail[self._at] == feature:
            return
        self._trail = [*self._trail[: self._at + 1], feature][-_LONGEST_TRAIL:]
        self._at = len(self._trail) - 1
        self.trail_changed.emit()

    # What changes it

    def _on_harvest(self) -> None:
        self._trail, self._at = [], -1
        self.page = None
        self.trail_changed.emit()
        self.page_changed.emit()
        self._on_selection()

    def _on_selection(self, _selected: object = None) -> None:
        feature, harvest = self.feature, self.workspace.harvest
        if feature is None or harvest is None:
            self.page = None
            self.page_changed.emit()
            return
        self._remember(feature)
        self.workspace.bridge.read(
            lambda: (harvest, read_page(harvest, feature)), self._on_read, self.unreadable.emit, kind="feature page"
        )

    def _on_read(self, answer: tuple[object, Page]) -> None:
        harvest, page = answer
        if harvest is self.workspace.harvest and page.feature == self.feature:
            self.page = page
            self.page_changed.emit()

    def _on_session(self, change: Change) -> None:
        session = self.workspace.session
        words = (session.notes, session.pins)
        if words != self._words and change.source is not self:
            self.note_changed.emit()
        self._words = words
