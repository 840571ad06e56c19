"""Opens what a person names: tells by content what a path holds, and brings model, SAE, harvest or session into the workspace.

Model and SAE are opened on the engine lane, everything else on the disk pool; the workspace changes on the interface
thread when the answer is there. A failure leaves what was open as it was. What does not belong together is never
shown side by side: a harvest and an SAE of different fingerprints exclude each other, and the one that was opened
last stays.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semascope.core.corpus.readers import read_documents
from semascope.core.errors import UserError
from semascope.core.harvest.store import Harvest
from semascope.core.identify import identify
from semascope.core.session import edits
from semascope.core.session.document import Kind, Reference, Session
from semascope.core.session.places import locate, refer_to
from semascope.jobs.infos import EngineInfo, ModelInfo, SAEInfo
from semascope.jobs.requests import Close, Describe, OpenModel, OpenSAE

if TYPE_CHECKING:
    from semascope.state.workspace import Workspace


class Opening:
    """The ways into a workspace. Every method returns at once.

    Attributes:
        pending: What is being opened now: the name by kind ("model", "sae", "harvest", "session").
        preferred: The device and dtype for models when none are given; "" for what suits the machine.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.pending: dict[str, str] = {}
        self._turns: dict[str, int] = {}
        self.preferred: tuple[str, str] = ("", "")

    def path(self, path: Path) -> None:
        """Open whatever is at `path`."""
        self._workspace.bridge.read(lambda: _look(path), lambda kind: self._identified(path, kind))

    def model(self, path: Path, device: str | None = None, dtype: str | None = None) -> None:
        request = OpenModel(path, device or self.preferred[0] or None, dtype or self.preferred[1] or None)
        self._begin("model", path)
        self._workspace.bridge.request(
            request,
            self._model_opened,
            self._failed("model"),
            on_cancel=self._cancelled("model"),
            title=f"Opening {path.name}",
        )

    def sae(self, path: Path) -> None:
        self._begin("sae", path)
        self._workspace.bridge.request(
            OpenSAE(path),
            self._sae_opened,
            self._failed("sae"),
            on_cancel=self._cancelled("sae"),
            title=f"Opening the SAE {path.name}",
        )

    def harvest(self, path: Path) -> None:
        self._begin("harvest", path)
        self._workspace.bridge.read(
            lambda: Harvest.open(path), self._harvest_opened, self._failed("harvest"), kind="open harvest"
        )

    def session(self, path: Path) -> None:
        self._begin("session", path)
        self._workspace.bridge.read(
            lambda: self._workspace.keeper.open(path),
            lambda session: self._session_opened(path, session),
            self._failed("session"),
            kind="open session",
        )

    def again(self, kind: Kind) -> None:
        """Open what the session refers to, when it is not open (it was missing, or only its harvest was opened)."""
        reference: Reference | None = getattr(self._workspace.session, kind)
        if reference is None:
            return
        place = locate(reference)
        if place is None or not place.exists():
            self._workspace.fail(_missing(reference))
        else:
            {"model": self.model, "sae": self.sae, "harvest": self.harvest}[kind](place)

    def close_engine(self, *, model: bool = False, sae: bool = False) -> None:
        """Close the model, the SAE or both and free their memory; the session goes on referring to them."""
        workspace = self._workspace
        workspace.model_info = None if model else workspace.model_info
        workspace.sae_info = None if sae else workspace.sae_info
        workspace.bridge.request(Close(model=model, sae=sae))
        workspace.engine_changed.emit()

    # --- answers, on the interface thread ------------------------------------------------------------------------

    def _begin(self, kind: str, path: Path) -> None:
        self._turns[kind] = self._turns.get(kind, 0) + 1
        self.pending[kind] = path.name
        self._workspace.engine_changed.emit()

    def _failed(self, kind: str) -> Callable[[Any], None]:
        """What to do when opening failed: say so, and nothing else has changed."""

        def fail(error: Any) -> None:
            self.pending.pop(kind, None)
            self._workspace.engine_changed.emit()
            self._workspace.fail(error)

        return fail

    def _cancelled(self, kind: str) -> Callable[[Any], None]:
        """What to do when opening was cancelled: nothing if another of its kind is under way, else see what is open."""
        turn = self._turns[kind]

        def cancel(_: Any) -> None:
            if self._turns[kind] == turn:
                self.pending.pop(kind, None)
                self._workspace.bridge.request(Describe(), self._described)
                self._workspace.engine_changed.emit()

        return cancel

    def _identified(self, path: Path, kind: str) -> None:
        if kind == "corpus":
            self._workspace.corpus_found.emit(path)
        else:
            {"model": self.model, "sae": self.sae, "harvest": self.harvest, "session": self.session}[kind](path)

    def _model_opened(self, info: ModelInfo) -> None:
        workspace = self._workspace
        self.pending.pop("model", None)
        workspace.model_info = info
        self._refer("model", info.path, info.fingerprint, info.name)
        workspace.opened.emit("model", info.path)
        workspace.engine_changed.emit()
        if workspace.sae_info is not None:  # it may not fit the new model and be closed
            workspace.bridge.request(Describe(), self._described)

    def _described(self, engine: EngineInfo) -> None:
        """Bring the workspace in line with what the engine holds."""
        workspace = self._workspace
        before = workspace.sae_info
        workspace.model_info, workspace.sae_info = engine.model, engine.sae
        workspace.engine_changed.emit()
        if before is not None and engine.sae is None:
            workspace.told.emit(f"The SAE {before.name} does not fit this model and was closed.")

    def _sae_opened(self, info: SAEInfo) -> None:
        workspace = self._workspace
        self.pending.pop("sae", None)
        workspace.sae_info = info
        harvest = workspace.harvest
        if harvest is not None and _fingerprint(harvest) not in ("", info.fingerprint):
            workspace.harvest = None
            workspace.do(edits.refer("harvest", None))
            workspace.told.emit("The harvest was made with another SAE and was closed.")
            workspace.harvest_changed.emit()
        self._refer("sae", info.path, info.fingerprint, info.name)
        workspace.opened.emit("sae", info.path)
        workspace.engine_changed.emit()

    def _harvest_opened(self, harvest: Harvest) -> None:
        workspace = self._workspace
        self.pending.pop("harvest", None)
        workspace.harvest = harvest
        path = Path(harvest.path)
        if workspace.sae_info is not None and _fingerprint(harvest) not in ("", workspace.sae_info.fingerprint):
            workspace.told.emit(f"This harvest was made with another SAE; {workspace.sae_info.name} was closed.")
            self.close_engine(sae=True)
        self._refer("harvest", path, "", path.name)
        self._refer_to_makers(harvest)
        workspace.opened.emit("harvest", path)
        workspace.harvest_changed.emit()
        workspace.engine_changed.emit()

    def _session_opened(self, path: Path, session: Session) -> None:
        workspace = self._workspace
        self.pending.pop("session", None)
        workspace.harvest = workspace.model_info = workspace.sae_info = None
        workspace.bridge.request(Close())
        workspace.restore(session, "Open session")
        workspace.harvest_changed.emit()
        workspace.engine_changed.emit()
        workspace.opened.emit("session", path)
        # The harvest first: it is on the screen in a moment, the model takes seconds.
        kinds: tuple[Kind, ...] = ("harvest", "model", "sae")
        for kind in kinds:
            self.again(kind)

    def _refer(self, kind: Kind, path: Path, sha256: str, name: str) -> None:
        self._workspace.do(edits.refer(kind, refer_to(path, sha256, name, kind)))

    def _refer_to_makers(self, harvest: Harvest) -> None:
        """Let the session know the SAE and the model a harvest was made with: its notes are filed under that SAE."""
        workspace = self._workspace
        if workspace.session.dictionary != _fingerprint(harvest):
            workspace.do(edits.refer("sae", _maker(harvest, "sae")))
        if workspace.session.model is None:
            workspace.do(edits.refer("model", _maker(harvest, "model")))


def _maker(harvest: Harvest, kind: Kind) -> Reference | None:
    """The SAE or model that a harvest says it was made with; its path is "" where the harvest does not tell."""
    made = harvest.info.get(kind, {})
    if not made.get("sha256"):
        return None
    told, name = str(made.get("path") or ""), str(made.get("name") or kind)
    if not told:
        return Reference("", str(made["sha256"]), name, kind)
    return refer_to((Path(harvest.path) / told).resolve(), str(made["sha256"]), name, kind)


def _look(path: Path) -> str:
    """What is at a path: "model", "sae", "harvest", "session" or, when it is text, "corpus".

    Raises:
        UserError: None of them.
    """
    found = identify(path)
    if found.kind != "unknown":
        return str(found.kind)
    try:
        next(read_documents([path]))
    except UserError as error:
        reason = found.problems[0] if found.problems else error.sentence
        raise UserError(f"“{path.name}” is not a model, an SAE, a harvest, a session or a corpus.", reason) from error
    return "corpus"


def _fingerprint(harvest: Harvest) -> str:
    """The fingerprint of the SAE that made a harvest, or "" when it does not say."""
    return str(harvest.info.get("sae", {}).get("sha256", ""))


def _missing(reference: Reference) -> UserError:
    kind = "SAE" if reference.kind == "sae" else reference.kind
    return UserError(
        f"The {kind} “{reference.name}” is not at {reference.path} any more.",
        "Open it from the File menu; what was made with it is still here.",
    )
