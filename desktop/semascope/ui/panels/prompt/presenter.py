"""What the prompt panel shows, and what happens when a person types, points and picks. No widgets.

Text and template switch live in the session. A pause in typing asks the engine for every feature on every token; the
newest question wins. From the one answer follows everything else that is shown (`reading`), without asking again.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from functools import partial

from PySide6.QtCore import QObject, Signal

from semascope.core.activations import PromptActivations
from semascope.core.session import edits
from semascope.jobs.records import JobRecord, Ticket
from semascope.jobs.requests import PromptFeatures
from semascope.state.loading import Part, is_opening, load, loading, offer
from semascope.state.workspace import Change, Workspace
from semascope.state.yardstick import Yardstick, yardstick
from semascope.ui.panels.prompt.reading import Reading
from semascope.ui.widgets.naming import name_of

KEPT_PROMPTS = 20  # listed in the menu of recent prompts


class Phase(Enum):
    """What stands in the way of a heatmap, or that nothing does."""

    NO_MODEL = auto()
    OPENING = auto()
    NO_SAE = auto()
    EMPTY = auto()
    WORKING = auto()  # the first answer is on its way: there is nothing to show yet
    READY = auto()
    FAILED = auto()


MESSAGES = {
    Phase.NO_MODEL: "Each token of the prompt is shown here with what fires on it, once a model is open.",
    Phase.NO_SAE: "The model is open. An SAE says which features fire on the prompt.",
    Phase.EMPTY: "Type or paste a text above to see which features fire on it, token by token.",
    Phase.WORKING: "Reading the prompt …",
}


class PromptPresenter(QObject):
    """Between the workspace and the prompt panel.

    Attributes:
        reading: The newest answer, kept on the screen while the next one is computed; None before the first.
        error: A UserError or EngineFailure when the last question failed.
        token: The token whose features are listed; None lists those of the whole prompt.

    Signals:
        text_changed: text or template switch are not what the field shows (undo, another session).
        answered: there is a new answer, or none any more: tokens, heat and list are to be drawn anew.
        heat_changed: another feature, or another yardstick.
        list_changed: other strongest features, or their names and pins.
        phase_changed: `phase`, `message` or `counts` changed.
        needed(str): the person wants to open a "model" or an "sae".
    """

    text_changed = Signal()
    answered = Signal()
    heat_changed = Signal()
    list_changed = Signal()
    phase_changed = Signal()
    needed = Signal(str)

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.reading: Reading | None = None
        self.error: Exception | None = None
        self.token: int | None = None
        self._asked: tuple[str, bool] | None = None
        self._ticket: Ticket | None = None
        self._named = self._names_and_pins()
        self._engine = (workspace.model_info, workspace.sae_info)
        self._shown = (self.text, self.chat)
        workspace.session_changed.connect(self._session_changed)
        workspace.selection_changed.connect(self._selection_changed)
        workspace.harvest_changed.connect(self._measure_changed)
        workspace.engine_changed.connect(self._engine_changed)
        workspace.bridge.job_changed.connect(self._job_changed)

    # --- what is shown ----------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        return self._workspace.session.prompt

    @property
    def chat(self) -> bool:
        """Whether the model's chat template goes round the text: wished for, and possible."""
        return self._workspace.session.prompt_chat and self.can_chat

    @property
    def can_chat(self) -> bool:
        """Whether the open model has a chat template (assumed while none is open)."""
        info = self._workspace.model_info
        return info is None or info.chat

    @property
    def feature(self) -> int | None:
        """The feature of the heatmap: the one that all panels show, if the open SAE has it."""
        feature, sae = self._workspace.selected, self._workspace.sae_info
        return None if feature is None or (sae is not None and feature >= sae.features) else feature

    @property
    def yardstick(self) -> Yardstick:
        return yardstick(self._workspace.harvest, self._workspace.sae_info)

    @property
    def working(self) -> bool:
        return self._ticket is not None

    @property
    def can_run(self) -> bool:
        """Whether there is a text, and a model and an SAE to read it with."""
        return self._has_engine and bool(self.text)

    @property
    def _has_engine(self) -> bool:
        return self._workspace.model_info is not None and self._workspace.sae_info is not None

    @property
    def _fingerprint(self) -> str:
        """Of the SAE to read with."""
        return self._workspace.sae_info.fingerprint if self._workspace.sae_info else ""

    @property
    def phase(self) -> Phase:
        if self.error is not None:
            return Phase.FAILED
        if self.reading is not None:
            return Phase.READY
        if not self._has_engine and loading(self._workspace.bridge):
            return Phase.OPENING
        if self._workspace.model_info is None:
            return Phase.NO_MODEL
        if self._workspace.sae_info is None:
            return Phase.NO_SAE
        return Phase.WORKING if self.text else Phase.EMPTY

    @property
    def message(self) -> str:
        """The phase in a sentence, for the phases without a heatmap."""
        if self.phase is Phase.OPENING:
            return f"{loading(self._workspace.bridge)} …"
        return MESSAGES.get(self.phase, str(self.error or ""))

    @property
    def action(self) -> str:
        """What the one button of a phase without a heatmap says, or ""."""
        if self.phase not in (Phase.NO_MODEL, Phase.NO_SAE):
            return ""
        return offer(self._workspace, self._missing)

    @property
    def _missing(self) -> Part:
        return "model" if self._workspace.model_info is None else "sae"

    @property
    def counts(self) -> str:
        """How long the prompt is, and how much of it does not count."""
        info = self._workspace.model_info
        return self.reading.counts(info.context if info else 0) if self.reading else ""

    def chips(self) -> tuple[int, ...]:
        """The features one click away: the selected one, unless it is pinned, then the pins."""
        pinned = tuple(pin.feature for pin in self._workspace.pins())
        selected = self._workspace.selected
        return pinned if selected is None or selected in pinned else (selected, *pinned)

    def name(self, feature: int) -> tuple[str, bool]:
        """What to call a feature, and whether that is a label; without one, its top tokens in the harvest."""
        return name_of(self._workspace.label(feature), self.yardstick.harvest, feature)

    def colour(self, feature: int) -> int | None:
        """Index of its pin's colour, or None."""
        return self._workspace.colour_index(feature)

    def recent(self) -> tuple[str, ...]:
        """Prompts that were run on purpose, the newest first."""
        return tuple(reversed(self._workspace.session.prompts[-KEPT_PROMPTS:]))

    # --- what a person does -----------------------------------------------------------------------------------

    def write(self, text: str, burst: int) -> None:
        """The text was edited, in this burst of typing."""
        self._shown = (text, self.chat)
        self._workspace.do(edits.set_prompt(text, gesture=burst), self)
        if not text:
            self.run()

    def set_chat(self, chat: bool) -> None:
        """Choose raw text or the model's chat template."""
        self._take(edits.set_prompt(self.text, chat))

    def recall(self, text: str) -> None:
        """Take up a recent prompt again."""
        self._take(edits.set_prompt(text))

    def _take(self, edit: edits.Edit) -> None:
        self._workspace.do(edit, self)
        self._shown = (self.text, self.chat)
        self.text_changed.emit()
        self.run()

    def run_and_keep(self) -> None:
        """Run on purpose: the prompt goes to the recent ones. That is no step of its own to undo."""
        if self.text.strip():
            self._workspace.do(replace(edits.keep_prompt(self.text), undoable=False), self)
        self._asked = None
        self.run()

    def run(self) -> None:
        """Ask for this prompt's activations, unless that was just asked."""
        if not self._has_engine:
            return
        if not self.text:
            self._drop()
            return
        question = (self.text, self.chat)
        if question == self._asked and self.error is None:
            return
        self._asked, self.error = question, None
        messages = (("user", self.text),) if self.chat else ()
        self._ticket = self._workspace.bridge.request(
            PromptFeatures(
                "" if self.chat else self.text, messages, median=self.yardstick.median, sae=self._fingerprint
            ),
            on_done=partial(self._done, self._engine),
            on_error=partial(self._failed, self._engine),
            kind="prompt",
        )
        self.phase_changed.emit()

    def point_at(self, token: int | None) -> None:
        """List the features of this token; None for those of the whole prompt."""
        if self.reading is None or (token is not None and not 0 <= token < len(self.reading)):
            token = None
        if token != self.token:
            self.token = token
            self.list_changed.emit()

    def select(self, feature: int) -> None:
        """Show this feature here and everywhere."""
        self._workspace.select(feature)

    def toggle_pin(self, feature: int) -> None:
        """Pin the feature, or take it off the pins."""
        pinned = self._workspace.is_pinned(feature)
        self._workspace.do(edits.unpin(feature) if pinned else edits.pin(feature), self)

    def act(self) -> None:
        """What the button of an empty phase does: load what the session refers to, or say what is `needed`."""
        if not load(self._workspace, self._missing):
            self.needed.emit(self._missing)

    # --- what happens -----------------------------------------------------------------------------------------

    def _done(self, engine: object, answer: PromptActivations) -> None:
        if self._asked is None or engine is not self._engine:
            return  # the field was emptied, or model or SAE changed meanwhile
        if self.reading is None or self.reading.activations.strings != answer.strings:
            self.token = None
        self._ticket, self.reading = None, Reading(answer, self.yardstick, self)
        self._answered()

    def _failed(self, engine: object, error: Exception) -> None:
        if self._asked is None or engine is not self._engine:
            return
        self._ticket, self.reading, self.error, self.token = None, None, error, None
        self._answered()

    def _drop(self) -> None:
        """Forget answer, question and failure."""
        if self._ticket is not None:
            self._ticket.cancel()
        self._ticket = self.reading = self._asked = self.error = self.token = None
        self._answered()

    def _answered(self) -> None:
        self.answered.emit()
        self.phase_changed.emit()

    def _names_and_pins(self) -> tuple[object, ...]:
        return tuple(pin.feature for pin in self._workspace.pins()), self._workspace.session.notes

    def _session_changed(self, change: Change) -> None:
        if self._named != self._names_and_pins():
            self._named = self._names_and_pins()
            self.list_changed.emit()
        if change.source is self or (self.text, self.chat) == self._shown:
            return
        self._shown = (self.text, self.chat)
        self.text_changed.emit()
        self.run()

    def _selection_changed(self, _feature: int | None) -> None:
        self.heat_changed.emit()

    def _measure_changed(self) -> None:
        if self.reading is not None:
            self.reading = Reading(self.reading.activations, self.yardstick, self)
        self.heat_changed.emit()
        self.list_changed.emit()

    def _engine_changed(self) -> None:
        engine = (self._workspace.model_info, self._workspace.sae_info)
        if engine != self._engine:
            self._engine = engine
            self._shown = (self.text, self.chat)
            self._drop()
            self.text_changed.emit()
            self.run()
        self.phase_changed.emit()

    def _job_changed(self, record: JobRecord) -> None:
        if is_opening(record):
            self.phase_changed.emit()
