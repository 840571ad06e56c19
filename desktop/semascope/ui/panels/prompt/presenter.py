"""What the prompt panel shows, and what happens when a person types, points and picks. No widgets.

Text and template switch live in the session. A pause in typing asks the engine for every feature on every token; the
newest question wins. From the one answer follow the heatmap of whichever feature is selected, the strongest features of
a token or of the whole prompt, and every number on hover, without asking again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from semascope.core.activations import PromptActivations
from semascope.core.session import edits
from semascope.jobs.records import JobRecord, Ticket
from semascope.jobs.requests import PromptFeatures
from semascope.state.loading import OPENING_KINDS, loading
from semascope.state.workspace import Change, Workspace
from semascope.state.yardstick import DENSE, Yardstick, yardstick
from semascope.ui.panels.prompt.strong_row import StrongRow
from semascope.ui.panels.prompt.strongest import Strong, scale_end, shares, strongest_at, strongest_overall
from semascope.ui.widgets.numbers import activation_text
from semascope.ui.widgets.token_text import list_form

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


@dataclass(frozen=True)
class Heat:
    """The heatmap of one feature.

    Attributes:
        feature: Its id, or None while none is selected.
        activations: (T,) its activation on every token.
        shares: (T,) the same as 0…1 of `end`.
        end: The activation drawn at full colour.
        maximum: Its maximum in the harvest, or None: then `end` is the highest value on this prompt.
    """

    feature: int | None
    activations: NDArray[np.float32]
    shares: NDArray[np.float32]
    end: float
    maximum: float | None


class PromptPresenter(QObject):
    """Between the workspace and the prompt panel.

    Signals:
        text_changed: text or template switch are not what the field shows (undo, another session).
        answered: there is a new answer, or none any more: tokens, heat and list are to be drawn anew.
        heat_changed: another feature, or another yardstick.
        list_changed: other strongest features, or their names and pins.
        phase_changed: `phase` or `message` changed.
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
        self._answer: PromptActivations | None = None
        self._asked: tuple[str, bool] | None = None
        self._ticket: Ticket | None = None
        self._error: Exception | None = None
        self._token: int | None = None
        self._overall: tuple[Strong, ...] | None = None  # ranking a long prompt takes a while
        self._named = self._names_and_pins()
        self._engine = (workspace.model_info, workspace.sae_info)
        self._shown = (self.text, self.chat)
        workspace.session_changed.connect(self._session_changed)
        workspace.selection_changed.connect(lambda _: self.heat_changed.emit())
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
    def answer(self) -> PromptActivations | None:
        """The newest answer; kept on the screen while the next one is computed."""
        return self._answer

    @property
    def working(self) -> bool:
        return self._ticket is not None

    @property
    def yardstick(self) -> Yardstick:
        return yardstick(self._workspace.harvest, self._workspace.sae_info)

    @property
    def phase(self) -> Phase:
        if self._error is not None:
            return Phase.FAILED
        if self._answer is not None:
            return Phase.READY
        if (self._workspace.model_info is None or self._workspace.sae_info is None) and self._opening:
            return Phase.OPENING
        if self._workspace.model_info is None:
            return Phase.NO_MODEL
        if self._workspace.sae_info is None:
            return Phase.NO_SAE
        return Phase.EMPTY if not self.text else Phase.WORKING

    @property
    def _opening(self) -> str:
        return loading(self._workspace.bridge)

    @property
    def error(self) -> Exception | None:
        """A UserError or EngineFailure when the phase is FAILED."""
        return self._error

    @property
    def message(self) -> str:
        """The phase in a sentence, for the phases without a heatmap."""
        match self.phase:
            case Phase.NO_MODEL:
                return "Each token of the prompt is shown here with what fires on it, once a model is open."
            case Phase.OPENING:
                return f"{self._opening} …"
            case Phase.NO_SAE:
                return "The model is open. An SAE says which features fire on the prompt."
            case Phase.EMPTY:
                return "Type or paste a text above to see which features fire on it, token by token."
            case Phase.WORKING:
                return "Reading the prompt …"
            case Phase.FAILED:
                return str(self._error)
            case Phase.READY:
                return ""

    @property
    def action(self) -> str:
        """What the one button of a phase without a heatmap says, or ""."""
        if self.phase not in (Phase.NO_MODEL, Phase.NO_SAE):
            return ""
        kind = "model" if self.phase is Phase.NO_MODEL else "sae"
        known = getattr(self._workspace.session, kind)
        if known is not None:
            return f"Load {known.name}"
        return "Open a model…" if kind == "model" else "Open an SAE…"

    def act(self) -> None:
        """What that button does: load what the session refers to, or (`needed`) ask for what it lacks."""
        kind: Literal["model", "sae"] = "model" if self.phase is Phase.NO_MODEL else "sae"
        session = self._workspace.session
        if getattr(session, kind) is None:
            self.needed.emit(kind)
            return
        self._workspace.opening.again(kind)
        if kind == "model" and session.sae is not None and self._workspace.sae_info is None:
            self._workspace.opening.again("sae")

    @property
    def can_run(self) -> bool:
        """Whether there is a text, and a model and an SAE to read it with."""
        engine = self._workspace.model_info is not None and self._workspace.sae_info is not None
        return engine and bool(self.text)

    @property
    def counts(self) -> str:
        """How long the prompt is, and how much of it does not count: "23 tokens · 4 special or sinks, greyed"."""
        if self._answer is None:
            return ""
        total = len(self._answer.strings)
        greyed = total - int(self._answer.counted.sum())
        limit = self._workspace.model_info.context if self._workspace.model_info else 0
        of = f" of {limit:,}" if limit and total > limit // 2 else ""
        words = f"{total:,}{of} token{'s' if total != 1 else ''}"
        return f"{words} · {greyed:,} greyed, not counted" if greyed else words

    def heat(self) -> Heat | None:
        """The heatmap of the selected feature; None without an answer."""
        if self._answer is None:
            return None
        feature = self._workspace.selected
        if feature is None or (self._workspace.sae_info and feature >= self._workspace.sae_info.d_sae):
            nothing = np.zeros(len(self._answer.strings), np.float32)
            return Heat(None, nothing, nothing, 0.0, None)
        maximum = self.yardstick.maximum(feature)
        activations = self._answer.of(feature)
        end = scale_end(self._answer, feature, maximum)
        return Heat(feature, activations, shares(activations, end), end, maximum)

    @property
    def token(self) -> int | None:
        """The token whose features are listed; None lists those of the whole prompt."""
        return self._token

    def strongest(self) -> tuple[Strong, ...]:
        """The features to list."""
        if self._answer is None:
            return ()
        if self._token is None:
            if self._overall is None:
                self._overall = strongest_overall(self._answer, self.yardstick)
            return self._overall
        return strongest_at(self._answer, self._token, self.yardstick)

    def rows(self) -> tuple[StrongRow, ...]:
        """The same as lines of the list, with a heading before the dense ones."""
        strongest = self.strongest()
        usual = tuple(self._row(strong) for strong in strongest if not strong.dense)
        dense = tuple(self._row(strong) for strong in strongest if strong.dense)
        heading = (StrongRow(None, f"Dense: active on over {DENSE:.0%} of all tokens".replace("%", " %")),)
        return (*usual, *heading, *dense) if dense else usual

    def _row(self, strong: Strong) -> StrongRow:
        name, labelled = self.name(strong.feature)
        value = activation_text(strong.activation)
        about = f"Feature {strong.feature}, {name}: {value}"
        if strong.share is not None:
            about += f", {strong.share:.0%} of its maximum in the harvest".replace("%", " %")
        if self._token is None and self._answer is not None:
            about += f"\non {list_form(self._answer.strings[strong.position])}, token {strong.position}"
        colour = self._workspace.colour_index(strong.feature)
        return StrongRow(strong.feature, name, labelled, colour, value, strong.share, about)

    def list_title(self) -> str:
        """What the list is of."""
        if self._answer is None:
            return ""
        if self._token is None:
            return "Strongest features of the whole prompt"
        special, sink = self._answer.special[self._token], self._answer.sink[self._token]
        kind = ", a special token" if special else ", an attention sink" if sink else ""
        return f"Strongest features at {list_form(self._answer.strings[self._token])}  token {self._token}{kind}"

    def about_token(self, token: int) -> str:
        """The number behind a token's colour, in words."""
        heat = self.heat()
        if heat is None or self._answer is None:
            return ""
        lines = [f"{list_form(self._answer.strings[token])}  token {token}"]
        if heat.feature is not None:
            value = float(heat.activations[token])
            share = f", {value / heat.maximum:.0%} of its maximum".replace("%", " %") if heat.maximum else ""
            lines.append(f"#{heat.feature}: {activation_text(value)}{share}")
        if self._answer.special[token]:
            lines.append("a special token: not counted")
        elif self._answer.sink[token]:
            lines.append("an attention sink: not counted")
        return "\n".join(lines)

    def scale_words(self) -> str:
        """What the end of the scale is."""
        heat = self.heat()
        if heat is None:
            return ""
        if heat.feature is None:
            return "Select a feature to see where it fires."
        if heat.maximum is not None:
            return "its maximum in the harvest"
        if heat.end > 0:
            return f"its highest value here. {self.yardstick.problem}".strip()
        return "It does not fire on this prompt."

    def chips(self) -> tuple[int, ...]:
        """The features one click away: the selected one, unless it is pinned, then the pins."""
        pinned = tuple(pin.feature for pin in self._workspace.pins())
        selected = self._workspace.selected
        return pinned if selected is None or selected in pinned else (selected, *pinned)

    def name(self, feature: int) -> tuple[str, bool]:
        """What to call a feature, and whether that is a label; without one, its top tokens in the harvest."""
        label = self._workspace.label(feature)
        if label:
            return label, True
        harvest = self.yardstick.harvest
        tokens = harvest.top_tokens(feature)[:4] if harvest and feature < harvest.features else []
        return " ".join(token.strip() or "␣" for token in tokens) or "no label", False

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
        self._workspace.do(edits.set_prompt(self.text, chat), self)
        self._shown = (self.text, self.chat)
        self.text_changed.emit()
        self.run()

    def recall(self, text: str) -> None:
        """Take up a recent prompt again."""
        self._workspace.do(edits.set_prompt(text), self)
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
        if self._workspace.model_info is None or self._workspace.sae_info is None:
            return
        if not self.text:
            self._drop()
            return
        question = (self.text, self.chat)
        if question == self._asked and self._error is None:
            return
        self._asked, self._error = question, None
        messages = (("user", self.text),) if self.chat else ()
        self._ticket = self._workspace.bridge.request(
            PromptFeatures("" if self.chat else self.text, messages, median=self.yardstick.median),
            on_done=self._done,
            on_error=self._failed,
            kind="prompt",
        )
        self.phase_changed.emit()

    def point_at(self, token: int | None) -> None:
        """List the features of this token; None for those of the whole prompt."""
        if self._answer is None or (token is not None and not 0 <= token < len(self._answer.strings)):
            token = None
        if token != self._token:
            self._token = token
            self.list_changed.emit()

    def select(self, feature: int) -> None:
        """Show this feature here and everywhere."""
        self._workspace.select(feature)

    def toggle_pin(self, feature: int) -> None:
        """Pin the feature, or take it off the pins."""
        pinned = self._workspace.is_pinned(feature)
        self._workspace.do(edits.unpin(feature) if pinned else edits.pin(feature), self)

    # --- what happens -----------------------------------------------------------------------------------------

    def _done(self, answer: PromptActivations) -> None:
        if self._asked is None:
            return  # the field was emptied, or model or SAE changed meanwhile
        same = self._answer is not None and self._answer.strings == answer.strings
        self._ticket, self._answer, self._overall = None, answer, None
        if not same:
            self._token = None
        self.answered.emit()
        self.phase_changed.emit()

    def _failed(self, error: Exception) -> None:
        if self._asked is None:
            return
        self._ticket, self._answer, self._error, self._token = None, None, error, None
        self.answered.emit()
        self.phase_changed.emit()

    def _drop(self) -> None:
        """Forget answer, question and failure."""
        if self._ticket is not None:
            self._ticket.cancel()
        self._ticket = self._answer = self._asked = self._error = self._token = None
        self.answered.emit()
        self.phase_changed.emit()

    def _session_changed(self, change: Change) -> None:
        if self._named != self._names_and_pins():
            self._named = self._names_and_pins()
            self.list_changed.emit()
        if change.source is self or (self.text, self.chat) == self._shown:
            return
        self._shown = (self.text, self.chat)
        self.text_changed.emit()
        self.run()

    def _names_and_pins(self) -> tuple[object, ...]:
        features = tuple(pin.feature for pin in self._workspace.pins())
        return features, self._workspace.session.notes

    def _measure_changed(self) -> None:
        self._overall = None
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

    def _job_changed(self, record: JobRecord) -> None:
        if record.kind in OPENING_KINDS:
            self.phase_changed.emit()
