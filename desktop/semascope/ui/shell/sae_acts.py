"""What the window does about SAEs: asks what must be decided before one opens; checks, rereads and converts those that are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QDialog

from semascope.core.saes.reading import Reading
from semascope.jobs.conversions import ConvertSAE, Mapped
from semascope.state.looking import Survey, look, survey
from semascope.ui.shell.check_sheet import CheckSheet
from semascope.ui.shell.convert_sheet import ConvertSheet
from semascope.ui.shell.map_sheet import MapSheet
from semascope.ui.shell.path_sheet import PathSheet
from semascope.ui.shell.reading_sheet import ReadingSheet
from semascope.ui.shell.release_sheet import ReleaseSheet
from semascope.ui.shell.sae_sheet import OpenChoice, SAESheet

if TYPE_CHECKING:
    from semascope.ui.shell.main_window import MainWindow

_OPEN = (
    "What it is and where it hooks in is told by its files. A folder of many SAEs is shown as a list to choose from."
)
_CHOOSE = "Where it reads, in what form, with which model and in how much memory is asked before it is loaded."
_MAP = "For files of a format that nobody knows: you say which tensor is the encoder, which the decoder, and so on."
_AT_HAND = "The harvest's corpus if it is there, else the program's sample"


class SAEActs:
    """Bound to one window. One sheet is shown at a time; what is asked meanwhile waits for its turn."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._workspace = workspace = window.workspace
        self._waiting: list[Callable[[], QDialog]] = []
        self._shown: QDialog | None = None
        workspace.opening.recent_models = self._recent_models
        workspace.release_found.connect(self.choose_from)
        workspace.tensors_found.connect(self.map_tensors)
        workspace.sae_asked.connect(self.ask_about)

    # --- opening ------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Ask for an SAE's folder or file, and open whatever that is."""
        self._queue(lambda: PathSheet(self._window, "Open an SAE", "Open", _OPEN, self._workspace.open_path))

    def open_with_choices(self) -> None:
        """Ask for an SAE, and how to open it, even though nothing has to be decided."""
        self._queue(lambda: PathSheet(self._window, "Open an SAE with choices", "Choose…", _CHOOSE, self._consider))

    def map_a_file(self) -> None:
        """Ask for a folder or file of tensors, and what they are."""
        self._queue(lambda: PathSheet(self._window, "Map tensors", "Map…", _MAP, self.map_tensors))

    def choose_from(self, folder: Path) -> None:
        """Show the SAEs of a release to choose from."""
        self._queue(lambda: ReleaseSheet(self._window, self._workspace, folder, self._open_several))

    def ask_about(self, found: Survey) -> None:
        """Ask what must be decided about an SAE."""
        self._queue(lambda: SAESheet(self._window, found, self._workspace.model_info, self._open_chosen))

    def map_tensors(self, path: Path) -> None:
        """Ask which tensor of unknown files is which part of an SAE."""
        self._queue(lambda: MapSheet(self._window, self._workspace, path, self._open_mapped, self._convert_mapped))

    def _consider(self, path: Path) -> None:
        """Ask how to open an SAE; anything else is opened as what it is."""
        workspace = self._workspace
        model, recent, kept = workspace.model_info, self._recent_models(), workspace.kept_readings()

        def work() -> Survey | None:
            return survey(path, model, recent, kept) if look(path) == "sae" else None

        def done(found: Survey | None) -> None:
            workspace.open_path(path) if found is None else self.ask_about(found)

        workspace.bridge.read(work, done, workspace.fail)

    def _open_several(self, paths: list[Path]) -> None:
        if len(paths) == 1:
            self._workspace.opening.consider(paths[0])
            return
        for place, path in enumerate(paths):
            self._workspace.opening.sae(path, switch=place == 0)

    def _open_chosen(self, choice: OpenChoice) -> None:
        workspace = self._workspace
        if choice.model is not None:
            workspace.open_model(choice.model)
        workspace.open_sae(choice.path, choice.dtype, choice.mapped, choice.reading)

    def _open_mapped(self, path: Path) -> None:
        self._workspace.opening.path(path)

    # --- those that are open --------------------------------------------------------------------------------------

    def read_otherwise(self) -> None:
        """Ask how else to read the current SAE."""
        workspace, info = self._workspace, self._workspace.sae_info
        if info is None:
            return
        layers = workspace.model_info.layers if workspace.model_info else None

        def read(reading: Reading) -> None:
            workspace.checking.read_as(info, reading)

        self._queue(lambda: ReadingSheet(self._window, info, layers, read))

    def check(self) -> None:
        """Ask what to check the current SAE on."""
        info = self._workspace.sae_info
        if info is None:
            return

        def start(corpus: tuple[Path, ...], alternatives: bool | None) -> None:
            self._workspace.checking.start(info, corpus, alternatives)

        self._queue(lambda: CheckSheet(self._window, _AT_HAND, start))

    def can_check(self) -> bool:
        """Whether there is an SAE and a model to check it on."""
        return self._workspace.sae_info is not None and self._workspace.model_info is not None

    def convert(self) -> None:
        """Ask where to convert the current SAE to."""
        info = self._workspace.sae_info
        if info is None:
            return
        name, beside = _new_name(info.path)
        parameters = info.features * (info.d_in + info.d_out)

        def run(out: Path, dtype: str) -> None:
            self._convert(ConvertSAE(out, info.fingerprint, dtype=dtype))

        self._queue(lambda: ConvertSheet(self._window, name, beside, parameters, run))

    def _convert_mapped(self, mapped: Mapped) -> None:
        """Convert what a map makes, where the map itself can't be written."""
        name, beside = _new_name(mapped.folder / mapped.file)

        def run(out: Path, dtype: str) -> None:
            self._convert(ConvertSAE(out, mapped=mapped, dtype=dtype), then_open=True)

        self._queue(lambda: ConvertSheet(self._window, name, beside, 0, run))

    def _convert(self, request: ConvertSAE, then_open: bool = False) -> None:
        def done(out: Path) -> None:
            self._window.toast.say(
                f"The SAE was converted: {out}.", "SAELens reads it where it knows its architecture."
            )
            if then_open:
                self._workspace.opening.consider(out)

        self._workspace.bridge.request(request, done, background=True, replace=False, kind=f"convert {request.out}")

    # --- sheets -----------------------------------------------------------------------------------------------------

    def _queue(self, make: Callable[[], QDialog]) -> None:
        self._waiting.append(make)
        if self._shown is None:
            self._show_next()

    def _show_next(self) -> None:
        self._shown = None
        if self._waiting:
            sheet = self._waiting.pop(0)()
            self._shown = self._window.acts.dialog = sheet
            sheet.finished.connect(lambda _: self._show_next())
            sheet.open()

    def _recent_models(self) -> list[Path]:
        return [Path(item.path) for item in self._window.recent.items() if item.kind == "model"]


def _new_name(path: Path) -> tuple[str, Path]:
    """What to call a converted SAE, and the folder to put it in."""
    folder = path if path.is_dir() else path.parent
    return (path.name if path.is_dir() else path.stem), folder.parent if path.is_dir() else folder
