"""What the window's commands do when they need more than one call: ask, then act on the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from semascope import __version__, paths
from semascope.core.session import edits
from semascope.core.session.document import Session
from semascope.core.session.file import SUFFIX
from semascope.core.session.places import refer_to
from semascope.jobs.requests import RunHarvest
from semascope.ui.commands.keys import keys_text
from semascope.ui.shell.file_dialogs import ask_file, ask_folder, ask_new_file
from semascope.ui.shell.harvest_plan import Plan
from semascope.ui.shell.harvest_sheet import HarvestSheet
from semascope.ui.shell.info_sheet import InfoSheet
from semascope.ui.shell.model_sheet import ModelSheet

if TYPE_CHECKING:
    from semascope.ui.shell.main_window import MainWindow

_SESSIONS = f"Sessions (*{SUFFIX})"


class Acts:
    """Bound to one window. Dialogs are kept here while they are open."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._workspace = window.workspace
        self._rate: float | None = None  # tokens a second of the last harvest, for the next one's estimate
        self.dialog: object = None

    # --- files ------------------------------------------------------------------------------------------------

    def new_session(self) -> None:
        workspace = self._workspace
        workspace.save_and_release()
        workspace.opening.close_all()
        workspace.restore(Session(), "New session")

    def open_session(self) -> None:
        self.dialog = ask_file(self._window, "Open a session", _SESSIONS, self._workspace.open_session)

    def open_demo(self) -> None:
        self._workspace.open_session(paths.demo_dir() / "demo.semascope")

    def save_as(self) -> None:
        self.dialog = ask_new_file(
            self._window, "Save the session as", _SESSIONS, SUFFIX.lstrip("."), self._workspace.save_as
        )

    def open_model(self) -> None:
        device, dtype = self._workspace.opening.preferred
        sheet = ModelSheet(self._window, device, dtype, self._open_model)
        self.dialog = sheet
        sheet.open()

    def open_harvest(self) -> None:
        self.dialog = ask_folder(self._window, "Open a harvest", self._workspace.open_harvest)

    def _open_model(self, path: Path, device: str, dtype: str) -> None:
        self._window.settings.change(device=device, dtype=dtype)
        self._workspace.open_model(path, device, dtype)

    # --- model ------------------------------------------------------------------------------------------------

    def can_load(self) -> bool:
        """Whether the session refers to a model or an SAE that is not loaded."""
        workspace, session = self._workspace, self._workspace.session
        model = workspace.model_info is None and session.model is not None
        return (model or (workspace.sae_info is None and session.sae is not None)) and not workspace.opening.pending

    def load_all(self) -> None:
        workspace = self._workspace
        if workspace.model_info is None:
            workspace.opening.again("model")
        if workspace.sae_info is None:
            workspace.opening.again("sae")

    def harvest(self, corpus: tuple[Path, ...] = ()) -> None:
        """Ask what to harvest; `corpus` is put in already when it was dropped on the window."""
        sheet = HarvestSheet(self._window, self._workspace, self._rate, self._run_harvest)
        if corpus:
            sheet.take_corpus(list(corpus))
        self.dialog = sheet
        sheet.open()

    def _run_harvest(self, plan: Plan) -> None:
        assert plan.out is not None
        sae = self._workspace.sae_info
        mark = sae.fingerprint if sae is not None else ""
        request = RunHarvest(plan.corpus, plan.out, plan.tokens, plan.context, sae=mark)
        out = plan.out
        self._workspace.bridge.request(
            request,
            on_done=lambda summary: self._harvested(out, plan.corpus, mark, summary),
            background=True,
            replace=False,
            kind=f"harvest {out}",
        )
        self._window.docks.show_quietly("jobs")

    def _harvested(self, out: Path, corpus: tuple[Path, ...], sae: str, summary: object) -> None:
        self._rate = float(getattr(summary, "tokens_per_second", 0)) or None
        if len(corpus) == 1:  # what an SAE is checked on, too
            self._workspace.do(edits.refer("corpus", refer_to(corpus[0], "", corpus[0].name, "corpus")))
        self._window.toast.say(f"The harvest is ready: {out}.", "It has been opened.")
        switch = self._workspace.session.key == sae  # nobody is taken away from what they look at meanwhile
        self._workspace.opening.harvest(out, switch=switch)

    # --- view and help ----------------------------------------------------------------------------------------

    def shows_panel(self, id: str) -> bool:
        return self._window.docks.is_shown(id)

    def toggle_panel(self, id: str) -> None:
        self._window.show_docks()
        self._window.docks.toggle(id)

    def reset_layout(self) -> None:
        self._window.layout_store.clear()
        self._window.docks.reset()

    def show_shortcuts(self) -> None:
        rows = [(keys_text(c.shortcut), c.title) for c in self._window.commands if c.shortcut]
        self._show("Keyboard shortcuts", sorted(rows, key=lambda row: row[1]))

    def show_places(self) -> None:
        session = self._workspace.keeper.path
        rows = [
            ("This session", str(session) if session else "not saved yet"),
            ("Sessions", str(paths.sessions_dir())),
            ("Settings", str(paths.config_dir())),
            ("Models and harvests", str(paths.data_dir())),
        ]
        self._show("Where the program keeps its files", rows)

    def show_about(self) -> None:
        rows = [
            ("Semascope", __version__),
            ("Licence", "Apache-2.0"),
            ("Network", "never used: nothing leaves this computer"),
        ]
        self._show("About Semascope", rows)

    def _show(self, title: str, rows: list[tuple[str, str]]) -> None:
        sheet = InfoSheet(title, rows, self._window)
        self.dialog = sheet
        sheet.open()
