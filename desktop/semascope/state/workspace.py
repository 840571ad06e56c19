"""The one object that all panels share: the session, what is open, what is selected, and one signal for each.

Everything a person makes is in `session` and changes only through `do(edit)`. What is open (harvests, model, SAEs) is
mirrored here as plain values; the engine lane owns the real ones. Several dictionaries may be open, and the session says
which is the current one: `sae_info`, `harvest`, the selection, pins and notes are that one's. A panel reads from here,
draws, and asks the `bridge` for what must be computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from semascope.core.errors import UserError
from semascope.core.harvest.store import Harvest
from semascope.core.saes.kept import KeptReading
from semascope.core.saes.reading import Reading
from semascope.core.session import edits, switching
from semascope.core.session.document import FeatureNote, Pin, Session
from semascope.core.session.edits import Edit
from semascope.core.session.history import History
from semascope.jobs.bridge import Bridge
from semascope.jobs.infos import ModelInfo, SAEInfo
from semascope.jobs.requests import UseSAE
from semascope.state.checking import Checking
from semascope.state.dictionaries import Dictionaries, OpenDictionary
from semascope.state.keeper import SessionKeeper
from semascope.state.opening import Opening
from semascope.state.rereading import Rereading

SAVE_DELAY = 800  # milliseconds between a change and its save


@dataclass(frozen=True)
class Change:
    """What changed the session, and who did it, so that a view need not reload for its own edit."""

    text: str
    source: object = None


class Workspace(QObject):
    """See the module. Lives on the interface thread.

    Attributes:
        bridge: The way to the engine lane and the disk pool.
        model_info: The open model, or None.
        open_now: The SAEs and harvests that are loaded.
        rereading: Sees to it that SAEs are read as the session says.
        opening: Opens whatever a path holds; `open_path` and its sisters are short for it.
        checking: The self-checks of the open SAEs.

    Signals:
        session_changed: Change, after every edit, undo and redo, and when another session was opened.
        selection_changed: the selected feature, int or None.
        harvest_changed: a harvest was opened or closed, or another dictionary is the current one.
        engine_changed: model or SAE were opened or closed, another dictionary is the current one, or one is read otherwise.
        failed: UserError or EngineFailure that nobody else shows.
        told: str, a sentence worth a toast that is no failure.
        opened: kind and path, after something was opened (for the recent list).
        corpus_found: the path of text that was opened, which is something to harvest.
        release_found: the path of a folder of several SAEs, to choose from.
        tensors_found: the path of tensors in no known format, which a person may explain.
        sae_asked: the `looking.Survey` of an SAE about which something has to be decided before it is opened.
        saved: the session is on disk as it is on the screen; its path, or None when a change waits.
    """

    session_changed = Signal(object)
    selection_changed = Signal(object)
    harvest_changed = Signal()
    engine_changed = Signal()
    failed = Signal(object)
    told = Signal(str)
    opened = Signal(str, object)
    corpus_found = Signal(object)
    release_found = Signal(object)
    tensors_found = Signal(object)
    sae_asked = Signal(object)
    saved = Signal(object)

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.bridge = bridge
        self.model_info: ModelInfo | None = None
        self.open_now = Dictionaries()
        self._history = History(Session())
        self.keeper = SessionKeeper()
        self.opening = Opening(self)
        self.rereading = Rereading(self)
        self.checking = Checking(self)
        self._save_timer = QTimer(self, singleShot=True, interval=SAVE_DELAY)
        self._save_timer.timeout.connect(self.save)
        bridge.failed.connect(self.failed)

    # --- the session ------------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The document as it is now; immutable."""
        return self._history.session

    def do(self, edit: Edit, source: object = None) -> None:
        """Apply an edit; `source` (the panel) is handed on with the change."""
        before = self.session
        self._history.do(edit)
        self._announce(before, Change(edit.text, source))

    def undo(self) -> None:
        before, text = self.session, self._history.undo_text
        self._history.undo()
        self._announce(before, Change(f"Undo {text}"))

    def redo(self) -> None:
        before, text = self.session, self._history.redo_text
        self._history.redo()
        self._announce(before, Change(f"Redo {text}"))

    @property
    def undo_text(self) -> str:
        """What undo would take back, or ""."""
        return self._history.undo_text

    @property
    def redo_text(self) -> str:
        return self._history.redo_text

    def restore(self, session: Session, text: str) -> None:
        """Put another session in place of this one; its history starts anew."""
        before = self.session
        self._history = History(session)
        self._announce(before, Change(text), save=False)

    @property
    def something_open(self) -> bool:
        """Whether there is anything to show, or about to be."""
        return bool(self.model_info or self.open_now or self.opening.pending)

    def save(self) -> None:
        """Write the session now, on the disk pool; of several saves the newest wins."""
        self._save_timer.stop()
        session = self.session
        self.bridge.read(lambda: self.keeper.save(session), self._on_saved, kind="save session")

    def save_as(self, path: Path) -> None:
        """Write the session to another file and go on in that one."""
        self._save_timer.stop()
        session = self.session
        self.bridge.read(lambda: self.keeper.save_as(path, session), self._on_saved_as)

    def save_and_release(self) -> None:
        """Save what waits to be saved, and let go of the file: the next session gets another."""
        waits, session, keeper = self._save_timer.isActive(), self.session, self.keeper
        self._save_timer.stop()

        def finish() -> None:
            if waits:
                keeper.save(session)
            keeper.close()

        self.bridge.read(finish)

    def _on_saved_as(self, path: Path) -> None:
        self.opened.emit("session", path)
        self._on_saved(path)

    def _announce(self, before: Session, change: Change, save: bool = True) -> None:
        if self.session is before:
            return
        switched = self.session.key != before.key
        if save:
            self._save_timer.start()
            self.saved.emit(None)
        if switched:  # first, so that nobody shows the one's features by the other's harvest
            self.engine_changed.emit()
            self.harvest_changed.emit()
        self.session_changed.emit(change)
        if switched or self.session.selected != before.selected:
            self.selection_changed.emit(self.session.selected)
        if save and self.session.readings is not before.readings:
            self.rereading.follow(before)

    def _on_saved(self, path: Path) -> None:
        if not self._save_timer.isActive():
            self.saved.emit(path)

    # --- dictionaries -----------------------------------------------------------------------------------------

    @property
    def dictionaries(self) -> tuple[OpenDictionary, ...]:
        """All that are open, in the order they were opened in."""
        return self.open_now.listed(self.session)

    @property
    def sae_infos(self) -> tuple[SAEInfo, ...]:
        """All open SAEs."""
        return self.open_now.saes

    @property
    def sae_info(self) -> SAEInfo | None:
        """The current SAE, or None while it isn't loaded."""
        return self.open_now.sae(self.session.key)

    @property
    def harvest(self) -> Harvest | None:
        """The current dictionary's harvest, or None."""
        return self.open_now.harvest(self.session.key)

    def use(self, key: str, feature: int | None = None, source: object = None) -> None:
        """Make another open dictionary the current one (its key is its SAE's fingerprint), and show `feature` of it."""
        if key != self.session.key:
            self.bridge.request(UseSAE(key if self.open_now.sae(key) else ""))
        self.do(switching.use(key, feature), source)

    def use_next(self, by: int) -> None:
        """Make the dictionary that is `by` places further on the current one, round and round."""
        keys = [each.key for each in self.dictionaries]
        if keys:
            place = keys.index(self.session.key) + by if self.session.key in keys else 0
            self.use(keys[place % len(keys)])

    def kept_readings(self) -> Mapping[str, KeptReading]:
        """How SAEs are read where somebody chose it, here or in another session, by fingerprint."""
        return self.rereading.kept

    # --- features ---------------------------------------------------------------------------------------------

    @property
    def selected(self) -> int | None:
        """The feature all panels show."""
        return self.session.selected

    def select(self, feature: int | None, source: object = None) -> None:
        """Show a feature everywhere. A selection is remembered, but is not something to undo."""
        if feature != self.selected:
            self.do(edits.select(feature), source)

    def pins(self) -> tuple[Pin, ...]:
        """Pinned features in order; a pin's place is its colour."""
        return self.session.current_pins

    def is_pinned(self, feature: int) -> bool:
        return self.colour_index(feature) is not None

    def colour_index(self, feature: int) -> int | None:
        """Which of the feature colours it wears, or None when it is not pinned."""
        return next((index for index, pin in enumerate(self.pins()) if pin.feature == feature), None)

    def note(self, feature: int) -> FeatureNote:
        """What a person wrote about a feature; empty when nothing."""
        return self.session.note(feature)

    def label(self, feature: int, key: str = "") -> str:
        """The person's label, else the one that came with the harvest, else ""; of another dictionary than the current."""
        if not key or key == self.session.key:
            own, harvest = self.note(feature).label, self.harvest
        else:
            notes = self.session.notes.get(key, {})
            own, harvest = notes[feature].label if feature in notes else "", self.open_now.harvest(key)
        return own or (harvest.labels.get(feature, "") if harvest else "")

    # --- opening ----------------------------------------------------------------------------------------------

    def open_path(self, path: str | Path) -> None:
        """Open whatever is there, told by its content."""
        self.opening.path(Path(path))

    def open_model(self, path: str | Path, device: str | None = None, dtype: str | None = None) -> None:
        self.opening.model(Path(path), device, dtype)

    def open_sae(
        self, path: str | Path, dtype: str | None = None, mapped: bool | None = None, reading: Reading | None = None
    ) -> None:
        self.opening.sae(Path(path), dtype, mapped, reading or Reading())

    def open_harvest(self, path: str | Path) -> None:
        self.opening.harvest(Path(path))

    def open_session(self, path: str | Path) -> None:
        self.opening.session(Path(path))

    def fail(self, error: UserError) -> None:
        """Tell a failure that belongs to no panel."""
        self.failed.emit(error)
