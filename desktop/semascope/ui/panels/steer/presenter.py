"""What the steer panel shows, and what happens when a person moves a slider or asks for answers. No widgets.

Sliders and settings live in the session; every change is an edit, one gesture one step of undo. Answers stream in from
the engine; when both are complete their effect is measured and the pair is kept in the session.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from PySide6.QtCore import QObject, Signal

from semascope.core.session import edits
from semascope.core.session.document import Answer, AppliedEdit, Mode, Pin, SteerSettings
from semascope.core.steering.edits import Edit
from semascope.jobs.records import JobRecord
from semascope.jobs.requests import Answers, Generate
from semascope.state.loading import is_opening, load, loading, offer
from semascope.state.workspace import Change, Workspace
from semascope.state.yardstick import Yardstick, yardstick
from semascope.ui.panels.steer.asking import DOT, Asking, Pieces
from semascope.ui.panels.steer.comparison import Comparison, kept
from semascope.ui.panels.steer.strength import edits_of, explain, format_strength, is_active, parse_strength
from semascope.ui.panels.steer.telling import Told, tell
from semascope.ui.widgets.naming import name_of
from semascope.ui.widgets.row_state import RowState

MOVED = "the sliders stand differently now"


class SteerPresenter(QObject):
    """Between the workspace and the steer panel.

    Signals:
        rows_changed: other pins, strengths, names or maxima.
        settings_changed: prompt or sampling settings are not what the fields show.
        answers_changed: `answers` or `effect` grew, ended or went.
        state_changed: what can be done now, or `notice`, or `error`, changed.
        needed(str): the person wants to open a "model".
    """

    rows_changed = Signal()
    settings_changed = Signal()
    answers_changed = Signal()
    state_changed = Signal()
    needed = Signal(str)

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._asking: Asking | None = None
        self._kept: Answer | None = None
        self._shown_settings = self.settings
        workspace.session_changed.connect(self._session_changed)
        workspace.selection_changed.connect(self._selection_changed)
        workspace.harvest_changed.connect(self._measure_changed)
        workspace.engine_changed.connect(self._engine_changed)
        workspace.bridge.job_changed.connect(self._job_changed)

    # --- what is shown ----------------------------------------------------------------------------------------

    @property
    def yardstick(self) -> Yardstick:
        return yardstick(self._workspace.harvest, self._workspace.sae_info)

    @property
    def settings(self) -> SteerSettings:
        return self._workspace.session.steer

    @property
    def chat(self) -> bool:
        """Whether the model's chat template goes round the prompt: wished for, and possible."""
        return self.settings.chat and self.can_chat

    @property
    def can_chat(self) -> bool:
        info = self._workspace.model_info
        return info is None or info.chat

    def rows(self) -> tuple[RowState, ...]:
        """One row a pin, in order."""
        pins = self._workspace.pins()
        enabled = [pin.feature for pin in pins if pin.enabled]
        return tuple(
            self._row(place, pin, len(pins) > 1 and enabled == [pin.feature]) for place, pin in enumerate(pins)
        )

    def _row(self, place: int, pin: Pin, solo: bool) -> RowState:
        maximum = self.yardstick.maximum(pin.feature)
        name, labelled = name_of(self._workspace.label(pin.feature), self.yardstick.harvest, pin.feature)
        return RowState(
            feature=pin.feature,
            name=name,
            labelled=labelled,
            colour=place,
            strength=pin.strength,
            value=format_strength(pin, maximum),
            explanation=explain(pin, maximum),
            mode=pin.mode,
            muted=not pin.enabled,
            adjustable=pin.mode != "ablate",
            solo=solo,
        )

    @property
    def selected_unpinned(self) -> int | None:
        """The selected feature, when it could be pinned."""
        selected = self._workspace.selected
        return None if selected is None or self._workspace.is_pinned(selected) else selected

    @property
    def answers(self) -> Comparison | None:
        """The answers asked for last, else the last that the session kept (which needs no model)."""
        if self._shown is not None:
            return None if self._shown.error else self._shown.answers
        mark = self._workspace.session.dictionary
        answers = [answer for answer in self._workspace.session.answers if answer.sae == mark or not answer.edits]
        return kept(answers[-1]) if answers else None

    @property
    def _shown(self) -> Asking | None:
        """The question asked last, unless it was about another SAE than the one that is shown."""
        asking, session = self._asking, self._workspace.session
        return asking if asking is not None and asking.request.sae in ("", session.dictionary) else None

    def side(self, which: str) -> Told:
        """What the view of the "baseline" or the "steered" answer shows."""
        return tell(self.answers, which, self.generating)

    @property
    def effect(self) -> Pieces:
        """The effect in words, the numbers marked; () when there is nothing to say."""
        answers = self.answers
        if answers is None or not answers.over:
            return ()
        measured = self._shown.effect if self._shown is not None else ()
        if not answers.edits:
            measured = (("Nothing was steered: both answers are the model's own.", False),)
        if self.outdated:
            measured = (*measured, (DOT if measured else "", False), (MOVED, False))
        return measured

    @property
    def error(self) -> Exception | None:
        """Why the last generation failed, or None."""
        return self._shown.error if self._shown is not None else None

    @property
    def generating(self) -> bool:
        return self._asking is not None and self._asking.streaming

    @property
    def opening(self) -> str:
        """What is being opened, in words, or ""."""
        return loading(self._workspace.bridge)

    @property
    def has_model(self) -> bool:
        return self._workspace.model_info is not None

    @property
    def offer(self) -> str:
        """What the button that gets a model says; "" while one is being opened."""
        return "" if self.opening else offer(self._workspace, "model")

    def act(self) -> None:
        """What that button does: load the session's model, or say that one is `needed`."""
        if not load(self._workspace, "model"):
            self.needed.emit("model")

    def wanted_edits(self) -> tuple[Edit, ...]:
        """What the sliders ask of the engine now."""
        return edits_of(self._workspace.pins(), self.yardstick.maximum)

    @property
    def can_generate(self) -> bool:
        ready = self.has_model and bool(self.settings.prompt.strip())
        return ready and (self._workspace.sae_info is not None or not self.wanted_edits())

    @property
    def why_not(self) -> str:
        """Why answers cannot be generated now, or ""."""
        if not self.has_model:
            return "Open a model first"
        if not self.settings.prompt.strip():
            return "Write a prompt first"
        return "" if self.can_generate else "Open the SAE of these features first"

    @property
    def notice(self) -> str:
        """What the sliders are measured in, or what stands in their way."""
        if self.has_model and self._workspace.sae_info is None and self.wanted_edits():
            return "Steering needs the SAE of these features; it is not open."
        return self.yardstick.problem or "In multiples of each feature's maximum."

    @property
    def pin_hint(self) -> str:
        """Where the features to pin are found, for the state without pins."""
        return "" if self.selected_unpinned is not None else "Select one in the list of features first."

    @property
    def outdated(self) -> bool:
        """Whether the sliders ask for something else than the answer that is shown was given under."""
        answers = self.answers
        if answers is None or (self._shown is None and self.yardstick.harvest is None):
            return False  # a kept answer can only be compared once there is a yardstick again
        return answers.edits != self.wanted_edits()

    # --- sliders ----------------------------------------------------------------------------------------------

    def move(self, feature: int, strength: float, gesture: int) -> None:
        """A slider was moved in this gesture."""
        self._workspace.do(edits.set_strength(feature, strength, gesture=gesture), self)

    def type_value(self, feature: int, text: str) -> None:
        """A value was typed; what cannot be read changes nothing."""
        pin = self._pin(feature)
        strength = parse_strength(text, pin.mode) if pin is not None else None
        if strength is None:
            self.rows_changed.emit()
        else:
            self._workspace.do(edits.set_strength(feature, strength), self)

    def set_mode(self, feature: int, mode: Mode) -> None:
        self._workspace.do(edits.set_mode(feature, mode), self)

    def set_muted(self, feature: int, muted: bool) -> None:
        self._workspace.do(edits.set_enabled(feature, not muted), self)

    def solo(self, feature: int) -> None:
        """Mute all others; when it is alone already, take them all in again."""
        self._workspace.do(edits.solo(feature), self)

    def unpin(self, feature: int) -> None:
        self._workspace.do(edits.unpin(feature), self)

    def pin_selected(self) -> None:
        """Pin the feature that all panels show."""
        if self.selected_unpinned is not None:
            self._workspace.do(edits.pin(self.selected_unpinned), self)

    def reset_all(self) -> None:
        """Turn every pin off."""
        self._workspace.do(edits.reset_strengths(), self)

    @property
    def can_reset(self) -> bool:
        return any(is_active(pin) or not pin.enabled for pin in self._workspace.pins())

    def open_feature(self, feature: int) -> None:
        """Show the feature everywhere."""
        self._workspace.select(feature)

    def _pin(self, feature: int) -> Pin | None:
        return next((pin for pin in self._workspace.pins() if pin.feature == feature), None)

    # --- prompt and settings ----------------------------------------------------------------------------------

    def write(self, prompt: str, burst: int) -> None:
        """The prompt was edited, in this burst of typing."""
        self.change(replace(self.settings, prompt=prompt), burst)

    def change(self, settings: SteerSettings, gesture: int | None = None) -> None:
        """Change how answers are sampled, in this gesture."""
        self._shown_settings = settings
        self._workspace.do(edits.set_steer(settings, gesture=gesture), self)
        self.state_changed.emit()

    # --- answers ----------------------------------------------------------------------------------------------

    def generate(self) -> None:
        """Answer the prompt with and without the edits, in place of what is being answered now."""
        if not self.can_generate:
            return
        settings = self.settings
        request = Generate(
            prompt=settings.prompt,
            edits=self.wanted_edits(),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=settings.seed,
            chat=self.chat,
            sae=self._workspace.sae_info.fingerprint if self._workspace.sae_info else "",
        )
        self._leave_asking()
        asking = Asking(self._workspace.bridge, request, self._workspace.selected, self.yardstick, self)
        asking.changed.connect(self._asking_changed)
        asking.answered.connect(self._keep)
        self._asking = asking
        asking.start()
        self._asking_changed()

    def stop(self) -> None:
        """End the generation after the token it is at; what was said stays."""
        if self._asking is not None:
            self._asking.stop()

    def _leave_asking(self) -> None:
        """What still arrives for the question before this one is nobody's any more."""
        if self._asking is not None:
            self._asking.stop()
            self._asking.deleteLater()
            self._asking = self._kept = None

    def _asking_changed(self) -> None:
        self.answers_changed.emit()
        self.state_changed.emit()

    def _keep(self, answers: Answers) -> None:
        """Keep the pair in the session; that is a record of what was done, not a step to undo."""
        if self._asking is None:
            return
        request, info = self._asking.request, self._workspace.model_info
        sae = request.sae or self._workspace.session.dictionary
        answer = Answer(
            prompt=request.prompt,
            edits=tuple(
                AppliedEdit(e.feature, e.mode, e.value, self._workspace.label(e.feature, sae)) for e in request.edits
            ),
            settings=SteerSettings(request.prompt, request.chat, request.max_tokens, request.temperature, request.seed),
            baseline=answers.baseline.text,
            steered=answers.steered.text,
            model=info.name if info else "",
            sae=sae,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._kept = answer
        self._workspace.do(replace(edits.add_answer(answer), undoable=False), self)

    # --- what happens -----------------------------------------------------------------------------------------

    def _session_changed(self, change: Change) -> None:
        self.rows_changed.emit()
        if self.settings != self._shown_settings:
            self._shown_settings = self.settings
            self.settings_changed.emit()
        if self._kept is not None and self._kept not in self._workspace.session.answers:
            self._leave_asking()  # another session was opened
        if self._shown is None and change.source is not self:
            self.answers_changed.emit()
        self.state_changed.emit()

    def _selection_changed(self, _feature: int | None) -> None:
        self.state_changed.emit()

    def _measure_changed(self) -> None:
        self.rows_changed.emit()
        self.state_changed.emit()

    def _engine_changed(self) -> None:
        self.settings_changed.emit()
        self.answers_changed.emit()
        self.rows_changed.emit()
        self.state_changed.emit()

    def _job_changed(self, record: JobRecord) -> None:
        if is_opening(record):
            self.state_changed.emit()
