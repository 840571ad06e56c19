"""Opens an SAE about which something has to be decided first: where it reads, with which model, in how much memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from PySide6.QtWidgets import QComboBox, QLineEdit, QWidget

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import hooks_text
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.reading import Reading
from semascope.jobs.infos import ModelInfo
from semascope.state.looking import Survey, misfits_of
from semascope.ui.shell import words
from semascope.ui.shell.hook_field import HookField
from semascope.ui.shell.reading_sheet import AS_SAID, choices, parse_scale
from semascope.ui.shell.sheet import Sheet
from semascope.ui.widgets.plain_text import plain_label

_FIND = "Find it by the self-check"
_FORMS = [
    (AS_SAID, "", "The form that its files name or imply."),
    ("Raw", "raw", "As the model computes them."),
    ("Centred", "centred", "With their mean over the width taken off."),
    ("Folded", "folded", "As TransformerLens gives them by default."),
]


@dataclass(frozen=True)
class OpenChoice:
    """How to open an SAE.

    Attributes:
        path: What to open.
        reading: How to read it; empty as its files say.
        dtype: What it computes in, or None.
        mapped: Whether its matrices stay in the file, or None.
        model: A model to open first, or None.
    """

    path: Path
    reading: Reading = field(default_factory=Reading)
    dtype: str | None = None
    mapped: bool | None = None
    model: Path | None = None


class SAESheet(Sheet):
    """Calls `on_open(choice)`.

    Args:
        parent: The window.
        survey: The SAE as its files tell.
        model: The model that is open, or None.
        on_open: Opens it.
    """

    def __init__(
        self, parent: QWidget, survey: Survey, model: ModelInfo | None, on_open: Callable[[OpenChoice], object]
    ) -> None:
        super().__init__("Open an SAE", "Open", parent)
        self.setObjectName("saeSheet")
        self._survey, self._model, self._on_open = survey, model, on_open
        config = survey.config
        self._fact("SAE", f"{survey.path.name}\n{_what(survey)}")
        self._fact("Recognised by", survey.why)
        for problem in config.problems:
            self._fact("", problem, tone="error")
        several = config.places > 1
        self.hook = HookField(self._unsaid(), model.layers if model else None, several)
        self.hook_out = HookField(self._unsaid_out(), model.layers if model else None, several)
        self.hook.show_text(hooks_text(survey.reading.hooks))
        self.hook_out.show_text(hooks_text(survey.reading.hooks_out))
        self.processing, self.scale = choices(_FORMS), QLineEdit()
        self.processing.setCurrentIndex(max(0, self.processing.findData(survey.reading.processing)))
        self.scale.setText("" if survey.reading.scale is None else f"{survey.reading.scale:.10g}")
        self.scale.setPlaceholderText(f"{AS_SAID}: {config.scale:.6g}")
        self.model, self.numbers = self._models(), self._memory()
        self.row("Reads at", self.hook)
        self.hook.set_names("Reads at")
        if config.is_transcoder:
            self.row("Writes to", self.hook_out)
            self.hook_out.set_names("Writes to")
        self.row("Activations", self.processing)
        self.row("Multiplied by", self.scale)
        self.row("Model", self.model)
        self.row("Memory", self.numbers)
        self.hook.changed.connect(self._judge)
        self.hook_out.changed.connect(self._judge)
        self.scale.textChanged.connect(self._judge)
        for combo in (self.processing, self.model, self.numbers):
            combo.currentIndexChanged.connect(self._judge)
        self._first_question().setFocus()
        self._judge()

    @property
    def reading(self) -> Reading:
        """What the form says about how it is read.

        Raises:
            UserError: Something in it makes no sense.
        """
        return replace(
            self._survey.reading,
            hooks=self.hook.hooks,
            hooks_out=self.hook_out.hooks if self._survey.config.is_transcoder else (),
            processing=self.processing.currentData() or None,
            scale=parse_scale(self.scale.text()),
        )

    def accept(self) -> None:
        dtype, mapped = self.numbers.currentData()
        model = self.model.currentData()
        choice = OpenChoice(self._survey.path, self.reading, dtype, mapped, model)
        super().accept()
        self._on_open(choice)

    # --- the fields ---------------------------------------------------------------------------------------------

    def _fact(self, name: str, value: str, tone: str = "") -> None:
        shown = plain_label(value, tone=tone)
        shown.setWordWrap(True)
        self.form.addRow(plain_label(name), shown)

    def _unsaid(self) -> str:
        reads = self._survey.config.reads
        if reads:
            return f"{AS_SAID}: {hooks_text(reads)}"
        return _FIND if self._model is not None else "Not known yet"

    def _unsaid_out(self) -> str:
        writes = self._survey.config.writes
        return f"{AS_SAID}: {hooks_text(writes)}" if writes else "Not known yet"

    def _models(self) -> QComboBox:
        """The open model, others that were opened lately, and none."""
        combo = QComboBox()
        if self._model is not None:
            fits = "does not fit" if self._survey.misfits else "open"
            combo.addItem(f"{self._model.name} ({fits})", None)
        else:
            combo.addItem("None for now", None)
        for each in self._survey.candidates:
            combo.addItem(f"{each.name} ({'does not fit' if each.misfits else 'open it too'})", each.path)
        first = next((i for i, each in enumerate(self._survey.candidates, 1) if not each.misfits), 0)
        if self._survey.misfits and first:
            combo.setCurrentIndex(first)
        return combo

    def _memory(self) -> QComboBox:
        """The ways to hold it, with what each takes."""
        combo, memory, free = QComboBox(), self._survey.memory, self._survey.free
        for name, (dtype, mapped) in _WAYS.items():
            if name in memory:
                combo.addItem(f"{words.bytes_(memory[name])} · {_WORDS[name]}", (dtype, mapped))
        if free is not None and memory["float32"] > free and "mapped" in memory:
            combo.setCurrentIndex(combo.count() - 1)
        return combo

    def _first_question(self) -> QWidget:
        fields: dict[str, QWidget] = {"hook": self.hook, "fit": self.model, "memory": self.numbers}
        return next((fields[question] for question in self._survey.questions), self.go)

    # --- judging ------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        try:
            config = self.reading.apply(self._survey.config)
        except UserError as error:
            self.judge(str(error))
            return
        problem = self._misfit(config)
        if problem:
            self.judge(problem)
        elif self._too_large():
            self.judge(self._too_large())
        else:
            self.judge("", self._outlook(config))

    def _misfit(self, config: SAEConfig) -> str:
        """Why the chosen model can't be used with it."""
        if not config.reads:
            return ""
        chosen = self.model.currentData()
        if chosen is None:
            wrong = misfits_of(config, self._model) if self._model is not None else ()
        else:
            wrong = next(each.misfits for each in self._survey.candidates if each.path == chosen)
        made_for = f" It was made for {config.model_name}." if config.model_name else ""
        return f"{wrong[0]}{made_for}" if wrong else ""

    def _too_large(self) -> str:
        dtype, mapped = self.numbers.currentData()
        needed = self._survey.memory["mapped" if mapped else dtype or "float32"]
        free = self._survey.free
        if free is None or needed <= free:
            return ""
        return f"It needs {words.bytes_(needed)}, and {words.bytes_(free)} are free. Choose another way, or close something."

    def _outlook(self, config: SAEConfig) -> str:
        free = f"{words.bytes_(self._survey.free)} of memory are free. " if self._survey.free is not None else ""
        has_model = self._model is not None or self.model.currentData() is not None
        if not config.reads:
            if has_model:
                return f"{free}Its files don't say where it reads: every layer is tried, which takes a little while."
            return f"{free}Its files don't say where it reads. Say so here, or open its model, and it is looked for."
        return (
            f"{free}It is checked by itself once it is open."
            if has_model
            else f"{free}It is checked when its model is open."
        )


_WAYS: dict[str, tuple[str | None, bool | None]] = {
    "float32": ("float32", False),
    "bfloat16": ("bfloat16", False),
    "mapped": (None, True),
}
_WORDS = {
    "float32": "fp32, exact",
    "bfloat16": "bf16, features near their threshold may move",
    "mapped": "left in its file, exact and slower",
}


def _what(survey: Survey) -> str:
    config = survey.config
    several = f" in each of {config.encoders} layers" if config.encoders > 1 else ""
    return (
        f"{words.architecture(config.architecture)} · {survey.title} · "
        f"{config.d_sae:,} features{several} of width {config.d_in:,}"
    )
