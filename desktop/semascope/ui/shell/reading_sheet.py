"""Reads an open SAE otherwise than its files say: other hook points, another form of activations, a scale, a normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtWidgets import QComboBox, QLineEdit, QWidget

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import hooks_text
from semascope.core.saes.config import NORMALISATIONS, PROCESSINGS
from semascope.core.saes.reading import Reading
from semascope.jobs.infos import SAEInfo
from semascope.ui.shell.hook_field import HookField
from semascope.ui.shell.sheet import Sheet

AS_SAID = "As its files say"
_FORMS = {"raw": "Raw", "centred": "Centred", "folded": "Folded"}
_NORMED = {
    "none": "None",
    "expected_average_only_in": "One factor, which is part of the weights",
    "constant_norm_rescale": "Each token to the norm √d",
    "layer_norm": "Each token to mean 0 and deviation 1",
}


class ReadingSheet(Sheet):
    """Calls `on_reading(reading)`; an empty reading is as the files say.

    Args:
        parent: The window.
        info: The SAE, as it is read now.
        layers: Of the open model, or None.
        on_reading: Reads it so.
    """

    def __init__(
        self, parent: QWidget, info: SAEInfo, layers: int | None, on_reading: Callable[[Reading], object]
    ) -> None:
        super().__init__("Read the SAE otherwise", "Read it so", parent)
        self.setObjectName("readingSheet")
        self._info, self._on_reading = info, on_reading
        now = info.reading
        several = len(info.reads) > 1
        self.hook = HookField(AS_SAID if info.hook_point or not now.hooks else "Not known", layers, several)
        self.hook_out = HookField(AS_SAID, layers, several or len(info.writes) > 1)
        self.processing, self.normalize, self.scale = choices(_forms()), choices(_normalisations()), QLineEdit()
        self.threshold = QLineEdit(placeholderText=AS_SAID)
        self.scale.setPlaceholderText(f"{AS_SAID}; now {info.scale:.6g}")
        self.hook.show_text(hooks_text(now.hooks))
        self.hook_out.show_text(hooks_text(now.hooks_out))
        self.processing.setCurrentIndex(max(0, self.processing.findData(now.processing)))
        self.normalize.setCurrentIndex(max(0, self.normalize.findData(now.normalize)))
        self.scale.setText("" if now.scale is None else f"{now.scale:.10g}")
        self.threshold.setText("" if now.threshold is None else f"{now.threshold:.10g}")
        self.row("Reads at", self.hook)
        self.hook.set_names("Reads at")
        if info.kind != "sae":
            self.row("Writes to", self.hook_out)
            self.hook_out.set_names("Writes to")
        self.row("Activations", self.processing)
        self.row("Multiplied by", self.scale)
        self.row("Normalised", self.normalize)
        if info.activation == "jumprelu":
            self.row("Thresholds times", self.threshold)
        self.hook.changed.connect(self._judge)
        self.hook_out.changed.connect(self._judge)
        for line in (self.scale, self.threshold):
            line.textChanged.connect(self._judge)
        for combo in (self.processing, self.normalize):
            combo.currentIndexChanged.connect(self._judge)
        self.hook.setFocus()
        self._judge()

    @property
    def reading(self) -> Reading:
        """What the form says.

        Raises:
            UserError: Something in it makes no sense.
        """
        return Reading(
            hooks=self.hook.hooks,
            hooks_out=self.hook_out.hooks if self._info.kind != "sae" else (),
            processing=self.processing.currentData() or None,
            scale=parse_scale(self.scale.text()),
            normalize=self.normalize.currentData() or None,
            threshold=parse_scale(self.threshold.text(), "a factor of thresholds"),
        )

    def accept(self) -> None:
        reading = self.reading
        super().accept()
        self._on_reading(reading)

    def _judge(self) -> None:
        try:
            reading = self.reading
        except UserError as error:
            self.judge(str(error))
            return
        if reading == self._info.reading:
            self.judge("", "This is how it is read now.", unfinished=True)
        elif not reading:
            self.judge("", "It will be read as its files say, and checked again.")
        else:
            self.judge("", f"It will be read {reading}, and checked again. Undo takes it back.")


def parse_scale(text: str, what: str = "a scale") -> float | None:
    """The number in a field, None where it is empty.

    Raises:
        UserError: It is none, or not above 0.
    """
    if not text.strip():
        return None
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise UserError(f"“{text.strip()[:40]}” is not {what}.", "Give a number above 0.")
    return number


def choices(entries: list[tuple[str, str, str]]) -> QComboBox:
    """A combo of (words, value, help)."""
    combo = QComboBox()
    for words, value, help in entries:
        combo.addItem(words, value)
        combo.setItemData(combo.count() - 1, help, 3)  # the tooltip's role
    return combo


def _forms() -> list[tuple[str, str, str]]:
    known = [(f"{_FORMS.get(name, name)}: {words}", name, words) for name, words in PROCESSINGS.items()]
    return [(AS_SAID, "", "The form that its files name or imply."), *known]


def _normalisations() -> list[tuple[str, str, str]]:
    return [
        (AS_SAID, "", "The normalisation that its files name or imply."),
        *((_NORMED.get(name, name), name, f"SAELens calls it {name}.") for name in NORMALISATIONS),
    ]
