"""Opens what a person names: tells by content what a path holds, and brings model, SAEs, harvests or session into the workspace.

Model and SAEs are opened on the engine lane, everything else on the disk pool; the workspace changes on the interface
thread when the answer is there. A failure leaves what was open as it was. SAEs and harvests open beside those that are
open; what does not belong together is never shown side by side, since a harvest is filed under the SAE that made it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semascope.core.errors import UserError
from semascope.core.foreign.parts import is_there
from semascope.core.harvest.store import Harvest
from semascope.core.saes.reading import Reading
from semascope.core.session import edits, switching
from semascope.core.session.document import Kind, Reference, Session
from semascope.core.session.places import locate, refer_to
from semascope.jobs.infos import EngineInfo, ModelInfo, SAEInfo
from semascope.jobs.requests import Close, Describe, OpenModel, OpenSAE
from semascope.state.dictionaries import made_with
from semascope.state.looking import Survey, look, survey

if TYPE_CHECKING:
    from semascope.state.workspace import Workspace

_AS_FILED = Reading()


class Opening:
    """The ways into a workspace. Every method returns at once.

    Attributes:
        preferred: The device and dtype for models when none are given; "" for what suits the machine.
        recent_models: Models that were opened lately, which an SAE that doesn't fit the open one may be for.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._under_way: list[tuple[str, Path]] = []
        self.preferred: tuple[str, str] = ("", "")
        self.recent_models: Callable[[], list[Path]] = list

    @property
    def pending(self) -> dict[str, str]:
        """What is being opened now: the name by kind ("model", "sae", "harvest", "session")."""
        return {kind: path.name for kind, path in self._under_way}

    @property
    def _ways(self) -> dict[str, Callable[[Path], None]]:
        return {"model": self.model, "sae": self.sae, "harvest": self.harvest, "session": self.session}

    def path(self, path: Path) -> None:
        """Open whatever is at `path`."""
        self._workspace.bridge.read(lambda: look(path), lambda kind: self._identified(path, kind))

    def model(self, path: Path, device: str | None = None, dtype: str | None = None) -> None:
        request = OpenModel(path, device or self.preferred[0] or None, dtype or self.preferred[1] or None)
        self._begin("model", path)
        self._workspace.bridge.request(
            request,
            lambda info: self._model_opened(path, info),
            self._failed("model", path),
            on_cancel=self._cancelled("model", path),
            title=f"Opening {path.name}",
        )

    def consider(self, path: Path) -> None:
        """Open an SAE, unless a person has to decide something first: then `Workspace.sae_asked` says so."""
        self._begin("sae", path)
        model = self._workspace.model_info
        if model is None or model.device == "cpu":
            self._survey(path, None)
            return
        self._workspace.bridge.request(
            Describe(),
            lambda engine: self._survey(path, engine.free_memory),
            lambda _: self._survey(path, None),
            kind=f"free memory for {path}",
        )

    def sae(
        self,
        path: Path,
        dtype: str | None = None,
        mapped: bool | None = None,
        reading: Reading = _AS_FILED,
        *,
        switch: bool = True,
    ) -> None:
        """Open an SAE beside those that are open; arguments as `OpenSAE` has them, `switch` is its `use`."""
        self._begin("sae", path)
        self._workspace.bridge.request(
            OpenSAE(path, dtype, mapped, reading, self._workspace.kept_readings(), switch),
            lambda info: self._sae_opened(path, info, switch),
            self._failed("sae", path),
            kind=f"OpenSAE {path}",  # of several none replaces another
            on_cancel=self._cancelled("sae", path),
            title=f"Opening the SAE {path.name}",
        )

    def harvest(self, path: Path, *, switch: bool = True) -> None:
        self._begin("harvest", path)
        self._workspace.bridge.read(
            lambda: Harvest.open(path),
            lambda harvest: self._harvest_opened(path, harvest, switch),
            self._failed("harvest", path),
            kind=f"open harvest {path}",
        )

    def session(self, path: Path) -> None:
        self._begin("session", path)
        self._workspace.bridge.read(
            lambda: self._workspace.keeper.open(path),
            lambda session: self._session_opened(path, session),
            self._failed("session", path),
            kind="open session",
        )

    def again(self, kind: Kind) -> None:
        """Open what the session refers to, when it is not open (it was missing, or only its harvest was opened)."""
        reference: Reference | None = getattr(self._workspace.session, kind)
        if reference is None:
            return
        place = locate(reference)
        if place is None or not is_there(place):
            self._workspace.fail(_missing(reference))
        else:
            self._ways[kind](place)

    def close_model(self) -> None:
        """Close the model and free its memory; the session goes on referring to it."""
        workspace = self._workspace
        workspace.model_info = None
        workspace.bridge.request(Close(sae=False))
        workspace.engine_changed.emit()

    def close_sae(self, fingerprint: str = "") -> None:
        """Close an SAE (the current one by default) and free its memory.

        The only dictionary stays in the session, to be loaded again; of several, one that has no harvest leaves it.
        """
        workspace = self._workspace
        mark = fingerprint or workspace.session.key
        workspace.bridge.request(Close(model=False, fingerprint=mark), kind=f"Close {mark}")
        workspace.open_now.drop_sae(mark)
        if workspace.open_now and workspace.open_now.harvest(mark) is None:
            workspace.do(switching.close_dictionary(mark))
        workspace.engine_changed.emit()

    def close_dictionary(self, key: str = "") -> None:
        """Close an SAE and its harvest (the current ones by default); what was written about the features is kept."""
        workspace = self._workspace
        key = key or workspace.session.key
        if workspace.open_now.sae(key) is not None:
            workspace.bridge.request(Close(model=False, fingerprint=key), kind=f"Close {key}")
        workspace.open_now.drop_sae(key)
        workspace.open_now.put_harvest(key, None)
        workspace.do(switching.close_dictionary(key))
        workspace.harvest_changed.emit()
        workspace.engine_changed.emit()

    def close_all(self) -> None:
        """Close model, SAEs and harvests; the session is left as it is."""
        workspace = self._workspace
        workspace.model_info = None
        workspace.open_now.clear()
        self._under_way.clear()
        workspace.bridge.request(Close())
        workspace.harvest_changed.emit()
        workspace.engine_changed.emit()

    # --- answers, on the interface thread ------------------------------------------------------------------------

    def _begin(self, kind: str, path: Path) -> None:
        self._under_way.append((kind, path))
        self._workspace.engine_changed.emit()

    def _end(self, kind: str, path: Path) -> bool:
        """Whether this was still awaited: a session that was opened meanwhile waits for its own only."""
        if (kind, path) not in self._under_way:
            return False
        self._under_way.remove((kind, path))
        return True

    def _failed(self, kind: str, path: Path) -> Callable[[Any], None]:
        """What to do when opening failed: say so, and nothing else has changed."""

        def fail(error: Any) -> None:
            self._end(kind, path)
            self._workspace.engine_changed.emit()
            self._workspace.fail(error)

        return fail

    def _cancelled(self, kind: str, path: Path) -> Callable[[Any], None]:
        """What to do when opening was cancelled: nothing if another of its kind is under way, else see what is open."""

        def cancel(_: Any) -> None:
            self._end(kind, path)
            if kind not in self.pending:
                self._workspace.bridge.request(Describe(), self._described)
                self._workspace.engine_changed.emit()

        return cancel

    def _identified(self, path: Path, kind: str) -> None:
        workspace = self._workspace
        asked = {
            "corpus": workspace.corpus_found,
            "release": workspace.release_found,
            "tensors": workspace.tensors_found,
        }
        if kind in asked:
            asked[kind].emit(path)
        elif kind == "sae":
            self.consider(path)
        else:
            self._ways[kind](path)

    def _survey(self, path: Path, free: int | None) -> None:
        workspace = self._workspace
        model, recent, kept = workspace.model_info, self.recent_models(), workspace.kept_readings()
        workspace.bridge.read(
            lambda: survey(path, model, recent, kept, free), self._surveyed, self._failed("sae", path)
        )

    def _surveyed(self, found: Survey) -> None:
        """The SAE was looked at: it opens, unless something has to be decided."""
        self._end("sae", found.path)
        self._workspace.engine_changed.emit()
        if found.questions:
            self._workspace.sae_asked.emit(found)
        else:
            self.sae(found.path)

    def _model_opened(self, path: Path, info: ModelInfo) -> None:
        workspace = self._workspace
        if not self._end("model", path):
            return
        workspace.model_info = info
        workspace.do(edits.refer("model", refer_to(info.path, info.fingerprint, info.name, "model")))
        workspace.opened.emit("model", info.path)
        workspace.engine_changed.emit()
        if workspace.sae_infos:  # they may not fit the new model and be closed
            workspace.bridge.request(Describe(), self._described)

    def _described(self, engine: EngineInfo) -> None:
        """Bring the workspace in line with what the engine holds."""
        workspace = self._workspace
        workspace.model_info = engine.model
        lost = workspace.open_now.keep_only(engine.saes)
        workspace.engine_changed.emit()
        if len(lost) == 1:
            workspace.told.emit(f"The SAE {lost[0].name} does not fit this model and was closed.")
        elif lost:
            names = ", ".join(info.name for info in lost)
            workspace.told.emit(f"{len(lost)} SAEs do not fit this model and were closed: {names}.")

    def _sae_opened(self, path: Path, info: SAEInfo, switch: bool) -> None:
        workspace = self._workspace
        if not self._end("sae", path):
            return
        workspace.open_now.put_sae(info)
        workspace.rereading.opened(info)
        reference = refer_to(info.path, info.fingerprint, info.name, "sae")
        workspace.do(switching.open_dictionary(reference, switch=switch))
        workspace.opened.emit("sae", info.path)
        workspace.engine_changed.emit()

    def _harvest_opened(self, path: Path, harvest: Harvest, switch: bool) -> None:
        workspace = self._workspace
        if not self._end("harvest", path):
            harvest.close()
            return
        place = Path(harvest.path)
        reference = refer_to(place, "", place.name, "harvest")
        mark = made_with(harvest)
        workspace.open_now.put_harvest(mark or reference.path, harvest)
        known = any(each.key == mark and each.sae is not None for each in workspace.session.dictionaries)
        maker = None if known else _maker(harvest, "sae")
        if known:  # its own reference says where it lies, the harvest only where it lay
            maker = next(each.sae for each in workspace.session.dictionaries if each.key == mark)
        workspace.do(switching.open_dictionary(maker, reference, switch=switch))
        if workspace.session.model is None:
            workspace.do(edits.refer("model", _maker(harvest, "model")))
        workspace.opened.emit("harvest", place)
        workspace.harvest_changed.emit()
        workspace.engine_changed.emit()

    def _session_opened(self, path: Path, session: Session) -> None:
        workspace = self._workspace
        self._end("session", path)
        self.close_all()
        workspace.restore(session, "Open session")
        workspace.harvest_changed.emit()
        workspace.engine_changed.emit()
        workspace.opened.emit("session", path)
        # The current one first, and of it the harvest: that is on the screen in a moment, the model takes seconds.
        kinds: tuple[Kind, ...] = ("harvest", "model", "sae")
        for kind in kinds:
            self.again(kind)
        for other in session.dictionaries:
            if other.key != session.key:
                self._open_beside(other.sae, other.harvest)

    def _open_beside(self, sae: Reference | None, harvest: Reference | None) -> None:
        """Open a dictionary that isn't the current one; what is missing of it is told when somebody turns to it."""
        for reference, open_it in ((harvest, self.harvest), (sae, self.sae)):
            place = locate(reference) if reference is not None and reference.path else None
            if place is not None and is_there(place):
                open_it(place, switch=False)


def _maker(harvest: Harvest, kind: Kind) -> Reference | None:
    """The SAE or model that a harvest says it was made with; its path is "" where the harvest does not tell."""
    made = harvest.info.get(kind, {})
    if not made.get("sha256"):
        return None
    told, name = str(made.get("path") or ""), str(made.get("name") or kind)
    if not told:
        return Reference("", str(made["sha256"]), name, kind)
    return refer_to((Path(harvest.path) / told).resolve(), str(made["sha256"]), name, kind)


def _missing(reference: Reference) -> UserError:
    kind = "SAE" if reference.kind == "sae" else reference.kind
    return UserError(
        f"The {kind} “{reference.name}” is not at {reference.path} any more.",
        "Open it from the File menu; what was made with it is still here.",
    )
