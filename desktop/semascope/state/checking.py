"""Self-checks of the SAEs that are open: begun by themselves as soon as a model is there, kept with the SAE in the session.

A check runs on the engine lane, in the background: whatever a person asks for goes first. What it finds changes nothing by
itself; to read an SAE as it recommends is a person's choice, which can be undone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import QObject, Signal

from semascope import paths
from semascope.core.progress import Progress
from semascope.core.saes.checked import Check
from semascope.core.saes.reading import Reading
from semascope.core.session import edits
from semascope.core.session.places import locate
from semascope.jobs.infos import SAEInfo
from semascope.jobs.records import Ticket
from semascope.jobs.requests import CheckSAE

if TYPE_CHECKING:
    from semascope.state.workspace import Workspace

Stage = Literal["unchecked", "running", "done", "failed"]


@dataclass(frozen=True)
class CheckState:
    """How far the check of one SAE is.

    Attributes:
        stage: "unchecked" (it has no model, or nobody asked), "running", "done" or "failed".
        check: What it found, when it is done; it is of the SAE as it is read now.
        why: Why there is none, in a sentence, when it failed.
        fraction: How much is done, 0..1, while it runs.
    """

    stage: Stage = "unchecked"
    check: Check | None = None
    why: str = ""
    fraction: float | None = None

    @property
    def wrong(self) -> bool:
        """Whether it was checked and looks as if it were read wrongly."""
        return self.check is not None and self.check.verdict != "plausible"


class Checking(QObject):
    """One for a workspace; on the interface thread.

    Attributes:
        automatic: Whether an SAE is checked by itself when it is opened with its model; the window switches this on.

    Signals:
        changed: str, the fingerprint of the SAE whose check has moved.
    """

    changed = Signal(str)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._states: dict[str, CheckState] = {}
        self._tickets: dict[str, Ticket] = {}
        self._seen: dict[str, tuple[str, Reading]] = {}  # by SAE: the model and the reading it was last checked with
        self.automatic = False
        workspace.engine_changed.connect(self._follow)

    def of(self, sae: SAEInfo) -> CheckState:
        """The state of the check of an open SAE; one that was kept with it counts while it is read the same way."""
        state = self._states.get(sae.fingerprint, CheckState())
        if state.check is not None and state.check.reading != sae.reading:
            state = CheckState()
        if state.stage != "unchecked":
            return state
        kept = self._kept(sae)
        return CheckState("done", kept) if kept is not None else state

    def start(self, sae: SAEInfo, corpus: tuple[Path, ...] = (), alternatives: bool | None = None) -> None:
        """Check an SAE now, on `corpus` or what is at hand, in place of a check of it that runs."""
        model = self._workspace.model_info
        if model is None:
            return
        mark = sae.fingerprint
        self._seen[mark] = (model.fingerprint, sae.reading)
        self._put(mark, CheckState("running"))
        self._workspace.bridge.read(
            lambda: corpus or corpus_at_hand(self._workspace),
            lambda texts: self._ask(sae, texts, alternatives),
            kind=f"text to check {mark} on",
        )

    def _ask(self, sae: SAEInfo, texts: tuple[Path, ...], alternatives: bool | None) -> None:
        mark = sae.fingerprint
        if self._states.get(mark) != CheckState("running"):
            return  # it was closed meanwhile
        if not texts:
            self._put(mark, CheckState("failed", why="There is no text to check it on: choose some."))
            return
        self._tickets[mark] = self._workspace.bridge.request(
            CheckSAE(mark, texts, alternatives=alternatives),
            lambda check: self._done(sae, check),
            lambda error: self._put(mark, CheckState("failed", why=str(getattr(error, "sentence", error)))),
            lambda progress: self._moved(mark, progress),
            f"check {mark}",
            on_cancel=lambda ticket: self._cancelled(mark, ticket),
            title=f"Checking how {sae.name} is read",
            background=True,
        )

    def read_as(self, sae: SAEInfo, reading: Reading) -> None:
        """Read an SAE otherwise from now on; the session keeps it, and undo takes it back."""
        check = self.of(sae).check
        self._workspace.do(edits.read_as(sae.fingerprint, reading, check, date.today().isoformat()))

    # --- what happens by itself -------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Something was opened or closed, or is read otherwise."""
        workspace, model = self._workspace, self._workspace.model_info
        open_now = {info.fingerprint for info in workspace.sae_infos}
        for mark in self._states.keys() - open_now:
            self._forget(mark)
        if not self.automatic or model is None:
            return
        for info in workspace.sae_infos:
            wanted = (model.fingerprint, info.reading)
            if self._seen.get(info.fingerprint) == wanted:
                continue
            self._seen[info.fingerprint] = wanted
            self._states.pop(info.fingerprint, None)  # it was of another model, or read otherwise
            if self._kept(info) is None:
                self.start(info)

    def _forget(self, mark: str) -> None:
        """An SAE was closed."""
        self._states.pop(mark, None)
        self._seen.pop(mark, None)
        ticket = self._tickets.pop(mark, None)
        if ticket is not None:
            ticket.cancel()

    def _kept(self, sae: SAEInfo) -> Check | None:
        """The check that the session has of an SAE, on the same model and read the same way."""
        check, model = self._workspace.session.checks.get(sae.fingerprint), self._workspace.model_info
        if check is None or check.reading != sae.reading:
            return None
        return check if model is None or check.model == model.name else None

    def _done(self, sae: SAEInfo, check: Check) -> None:
        self._tickets.pop(sae.fingerprint, None)
        check = replace(check, reading=sae.reading)
        self._workspace.do(edits.keep_check(sae.fingerprint, check))
        self._put(sae.fingerprint, CheckState("done", check))

    def _moved(self, mark: str, update: Any) -> None:
        state = self._states.get(mark)
        if isinstance(update, Progress) and state is not None and state.stage == "running":
            self._put(mark, replace(state, fraction=update.fraction))

    def _cancelled(self, mark: str, ticket: Ticket) -> None:
        if self._tickets.get(mark) is ticket:
            del self._tickets[mark]
            self._put(mark, CheckState("unchecked"))

    def _put(self, mark: str, state: CheckState) -> None:
        self._states[mark] = state
        self.changed.emit(mark)


def corpus_at_hand(workspace: Workspace) -> tuple[Path, ...]:
    """What to check on: what the harvest was made from if that is there, the session's corpus, the program's own sample."""
    return next((found for find in (_harvested, _referred, _sample) if (found := tuple(find(workspace)))), ())


def _harvested(workspace: Workspace) -> Iterator[Path]:
    """The files of the open harvest's corpus, which it knows by name only: they mostly lie beside it."""
    harvest = workspace.harvest
    corpus = harvest.info.get("corpus") if harvest is not None else None
    names = corpus.get("names") if isinstance(corpus, dict) else None
    if harvest is None or not isinstance(names, list):
        return
    around = Path(harvest.path).resolve().parent
    for name in names:
        plain = Path(str(name)).name
        place = next((p for p in (around / plain, around / "corpus" / plain) if plain and p.exists()), None)
        if place is not None:
            yield place


def _referred(workspace: Workspace) -> Iterator[Path]:
    reference = workspace.session.corpus
    place = locate(reference) if reference is not None else None
    if place is not None and place.exists():
        yield place


def _sample(_: Workspace) -> Iterator[Path]:
    sample = paths.demo_dir() / "corpus" / "sample.jsonl"
    if sample.is_file():
        yield sample
