"""Opens what a person names: tells by content what a path holds, and brings model, SAE, harvest or session into the workspace.

Model and SAE are opened on the engine lane, everything else on the disk pool; the workspace changes on the interface thread when
the answer is there. A failure leaves what was open as it was.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semascope import paths
from semascope.core.errors import UserError
from semascope.core.harvest.store import Harvest
from semascope.core.identify import identify
from semascope.core.session.edits import Edit
from semascope.core.session.model import Reference, Session
from semascope.jobs.requests import Close, ModelInfo, OpenModel, OpenSAE, SAEInfo

if TYPE_CHECKING:
    from semascope.state.workspace import Workspace


class Opening:
    """The ways into a workspace. Every method returns at once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def path(self, path: Path) -> None:
        """Open whatever is at `path`."""
        self._workspace.bridge.read(lambda: identify(path), self._identified)

    def model(self, path: Path, device: str | None = None, dtype: str | None = None) -> None:
        self._workspace.bridge.request(OpenModel(path, device, dtype), self._model_opened)

    def sae(self, path: Path) -> None:
        self._workspace.bridge.request(OpenSAE(path), self._sae_opened)

    def harvest(self, path: Path) -> None:
        self._workspace.bridge.read(lambda: Harvest.open(path), self._harvest_opened, kind="open harvest")

    def session(self, path: Path) -> None:
        keeper = self._workspace.keeper
        self._workspace.bridge.read(
            lambda: located(keeper.open(path), path.parent), self._session_opened, kind="open session"
        )

    def _identified(self, found: Any) -> None:
        opens = {"model": self.model, "sae": self.sae, "harvest": self.harvest, "session": self.session}
        if found.kind in opens:
            opens[found.kind](Path(found.path))
            return
        reason = found.problems[0] if found.problems else ""
        self._workspace.fail(
            UserError(
                f"“{Path(found.path).name}” is not a model, an SAE, a harvest or a session.",
                reason or "Open the folder that holds the files, not one of them.",
            )
        )

    def _model_opened(self, info: ModelInfo) -> None:
        self._workspace.model_info = info
        self._refer("model", Reference(str(info.path), info.fingerprint, info.name, "model"))
        self._workspace.engine_changed.emit()

    def _sae_opened(self, info: SAEInfo) -> None:
        self._workspace.sae_info = info
        self._refer("sae", Reference(str(info.path), info.fingerprint, info.name, "sae"))
        self._workspace.engine_changed.emit()

    def _harvest_opened(self, harvest: Harvest) -> None:
        self._workspace.harvest = harvest
        name = Path(harvest.path).name
        self._refer("harvest", Reference(str(harvest.path), "", name, "harvest"))
        self._workspace.harvest_changed.emit()

    def _session_opened(self, session: Session) -> None:
        workspace = self._workspace
        workspace.restore(session, "Open session")
        workspace.harvest = workspace.model_info = workspace.sae_info = None
        workspace.bridge.request(Close())
        workspace.harvest_changed.emit()
        workspace.engine_changed.emit()
        # The harvest first: it is on the screen in a moment, the model takes seconds.
        for reference, opens in (
            (session.harvest, self.harvest),
            (session.model, self.model),
            (session.sae, self.sae),
        ):
            if reference is None:
                continue
            if Path(reference.path).exists():
                opens(Path(reference.path))
            else:
                workspace.fail(_missing(reference))

    def _refer(self, field: str, reference: Reference) -> None:
        if getattr(self._workspace.session, field) != reference:
            edit = Edit(
                text=f"Open {reference.name}",
                apply=lambda session: replace(session, **{field: reference}),
                undoable=False,
            )
            self._workspace.do(edit)


def located(session: Session, folder: Path) -> Session:
    """The session with its references as absolute paths; relative ones are relative to the session file's folder."""
    changes: dict[str, Any] = {}
    for field in ("model", "sae", "harvest", "corpus"):
        reference: Reference | None = getattr(session, field)
        if reference is None:
            continue
        place = (folder / Path(reference.path).expanduser()).resolve()
        demo = paths.demo_model() if field == "model" and reference.name == paths.DEMO_MODEL else None
        changes[field] = replace(reference, path=str(demo if demo and not place.exists() else place))
    return replace(session, **changes)


def _missing(reference: Reference) -> UserError:
    return UserError(
        f"The {reference.kind} “{reference.name}” is not at {reference.path} any more.",
        "Open it from the File menu; what was made with it is still here.",
    )
