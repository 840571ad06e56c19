"""The fields of the sheet that maps tensors: which tensor of a file is which part of an SAE, and how it computes.

A `TensorMap` goes in and out; what is offered comes from a `MapDraft`. Whether it makes sense, what a preview says and where it
is written is the sheet's matter.
"""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLineEdit, QWidget

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import hooks_text
from semascope.core.saes.config import NORMALISATIONS, PROCESSINGS
from semascope.core.saes.reading import Reading
from semascope.core.saes.tensor_map import ACTIVATIONS, LAYER, ROLES, TOPS, TensorMap
from semascope.ui.shell.hook_field import HookField
from semascope.ui.shell.map_draft import MapDraft, for_one
from semascope.ui.shell.reading_sheet import choices, parse_scale
from semascope.ui.shell.sheet import labelled_row
from semascope.ui.shell.tensor_row import TensorRow
from semascope.ui.theme import theme
from semascope.ui.widgets.number_field import number_field

_GATES = ("b_gate", "r_mag", "b_mag")
_BELONGS = {  # the parts that only some activations have
    **dict.fromkeys(("threshold", "log_threshold"), frozenset({"jumprelu"})),
    **dict.fromkeys(_GATES, frozenset({"gated"})),
}
_ORDER = ("W_enc", "b_enc", "threshold", "log_threshold", *_GATES, "W_dec", "b_dec", "b_pre", "W_skip")
_TIED = {"W_enc": "the decoder, turned round", "W_dec": "the encoder, turned round"}


class MapForm(QWidget):
    """Everything that a map says, for the one file that is looked at.

    Signals:
        changed: a person, or `fill`, changed something.
        file_changed: another file is looked at.
    """

    changed = Signal()
    file_changed = Signal()

    def __init__(self, layers: int | None) -> None:
        """Fields for a model of so many layers; None when it isn't known."""
        super().__init__()
        self._draft: MapDraft | None = None
        self._filling = True
        self._fields(layers)
        self._lay_out()

    def _fields(self, layers: int | None) -> None:
        """Every field, and what happens when one changes."""
        self.file = QComboBox()
        self.all_files = QCheckBox()
        self.activation = choices([(words, name, "") for name, words in ACTIVATIONS.items()])
        self.k = number_field(0, 1 << 30, prefix="k = ")
        self.k.setSpecialValueText("k not said")
        self.keep_negative = QCheckBox("Keep negative ones among the k")
        self.rows = {role: TensorRow(role, _TIED.get(role, "none")) for role in _ORDER}
        self.threshold = QLineEdit(placeholderText="or one number for all features")
        self.subtract = QCheckBox("b_dec is subtracted before the encoder")
        self.normalize = choices([(name.replace("_", " "), name, "") for name in NORMALISATIONS])
        self.processing = choices([(name, name, words) for name, words in PROCESSINGS.items()])
        self.scale = QLineEdit(placeholderText="1")
        self.hook, self.hook_out = HookField("Not known yet", layers), HookField("Where it reads", layers)
        self.model_name = QLineEdit(placeholderText="The model's name, for people")
        for row in self.rows.values():
            row.changed.connect(self._told)
        for combo in (self.activation, self.normalize, self.processing):
            combo.currentIndexChanged.connect(self._told)
        for box in (self.keep_negative, self.subtract, self.all_files):
            box.toggled.connect(self._told)
        for line in (self.threshold, self.scale, self.model_name):
            line.textChanged.connect(self._told)
        for field in (self.hook, self.hook_out):
            field.changed.connect(self._told)
        self.k.valueChanged.connect(self._told)
        self.file.currentIndexChanged.connect(self._other_file)

    def _lay_out(self) -> None:
        """One row for each of them."""
        self.form = QFormLayout(self)
        self.form.setContentsMargins(0, 0, theme().spacing(3), 0)
        self.form.setHorizontalSpacing(theme().spacing(4))
        self.form.setVerticalSpacing(theme().spacing(3))
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        labelled_row(self.form, "File", self.file)
        self.form.addRow("", self.all_files)
        labelled_row(self.form, "Activation", self.activation, self.k)
        self.k.setAccessibleName("k: features kept for each token")
        self.form.addRow("", self.keep_negative)
        for role in _ORDER:
            labelled_row(self.form, role, self.rows[role]).setToolTip(ROLES[role].words)
            self.rows[role].tensor.setAccessibleName(f"{role}, {ROLES[role].words}")
            if role == "threshold":
                labelled_row(self.form, "", self.threshold)
                self.threshold.setAccessibleName("One threshold for all features")
        self.form.addRow("", self.subtract)
        labelled_row(self.form, "Normalised", self.normalize)
        labelled_row(self.form, "Activations", self.processing)
        labelled_row(self.form, "Multiplied by", self.scale)
        labelled_row(self.form, "Reads at", self.hook)
        labelled_row(self.form, "Writes to", self.hook_out)
        self.hook.set_names("Reads at")
        self.hook_out.set_names("Writes to")
        labelled_row(self.form, "Model", self.model_name)

    def show_draft(self, draft: MapDraft) -> None:
        """Offer what lies in the files, and fill in the first guess."""
        self._draft = draft
        for name in draft.headers:
            self.file.addItem(name, name)
        self.file.setCurrentIndex(max(0, self.file.findData(draft.file)))
        alike = draft.alike(draft.plan)
        several = LAYER in draft.plan.weights
        self.all_files.setVisible(several)
        self.all_files.setText(f"For all {len(alike)} files named {draft.plan.weights}")
        self.all_files.setChecked(several)
        self._offer()
        self.fill(for_one(draft.plan, draft.file))

    def _offer(self) -> None:
        """Offer the tensors of the file that is chosen."""
        draft, file = self._draft, self.file.currentData()
        if draft is None or file is None:
            return
        for role, row in self.rows.items():
            candidates = draft.candidates(role, file)
            row.offer(candidates, [draft.shape(stored, file) for stored in candidates])
        self.file_changed.emit()

    def fill(self, plan: TensorMap) -> None:
        """Show a map in the fields."""
        self._filling = True
        for role, row in self.rows.items():
            row.choose(plan.tensors.get(role))
        self.activation.setCurrentIndex(max(0, self.activation.findData(plan.activation)))
        self.k.setValue(plan.k or 0)
        self.keep_negative.setChecked(not plan.rectify)
        self.subtract.setChecked(plan.subtract_b_dec)
        self.hook.show_text(plan.hook)
        self.hook_out.show_text(plan.hook_out)
        self.model_name.setText(plan.model)
        self._filling = False
        self._told()

    def _other_file(self) -> None:
        """Another file is looked at: the same parts, as far as it has them."""
        if self._filling or self._draft is None:
            return
        chosen = {role: row.stored for role, row in self.rows.items()}
        self._filling = True
        self._offer()
        for role, row in self.rows.items():
            row.choose(chosen[role])
        self._filling = False
        self._told()

    def take(self, reading: Reading) -> None:
        """Put what the preview recommends into the fields."""
        if reading.hooks:
            self.hook.show_text(hooks_text(reading.hooks))
        if reading.processing:
            self.processing.setCurrentIndex(self.processing.findData(reading.processing))
        if reading.normalize:
            self.normalize.setCurrentIndex(self.normalize.findData(reading.normalize))
        if reading.scale is not None:
            self.scale.setText(f"{reading.scale:.8g}")

    def plan(self) -> TensorMap:
        """The map as the fields say it, for the one file that is looked at.

        Raises:
            UserError: A field makes no sense.
        """
        activation = self.activation.currentData()
        tensors = {
            role: stored
            for role, row in self.rows.items()
            if activation in _BELONGS.get(role, {activation}) and (stored := row.stored) is not None
        }
        return TensorMap(
            weights=self.file.currentData() or "",
            tensors=tensors,
            activation=activation,
            k=self.k.value() or None if activation in TOPS else None,
            rectify=not self.keep_negative.isChecked() or activation != "topk",
            threshold=_number(self.threshold.text()) if activation == "jumprelu" else None,
            tied=("W_enc" in tensors) != ("W_dec" in tensors),
            subtract_b_dec=self.subtract.isChecked(),
            normalize=self.normalize.currentData(),
            processing=self.processing.currentData(),
            scale=parse_scale(self.scale.text()) or 1.0,
            hook=hooks_text(self.hook.hooks),
            hook_out=hooks_text(self.hook_out.hooks),
            model=self.model_name.text().strip(),
        )

    def _told(self) -> None:
        """Show the fields that belong to the activation, and say that something changed."""
        if self._filling or self._draft is None:
            return
        activation = self.activation.currentData()
        self.k.setVisible(activation in TOPS)
        self.keep_negative.setVisible(activation == "topk")
        for role, needs in _BELONGS.items():
            self.form.setRowVisible(self.rows[role], activation in needs)
        self.form.setRowVisible(self.threshold, activation == "jumprelu")
        self.changed.emit()

    def show_axes(self, draft: MapDraft, plan: TensorMap) -> None:
        """Say which way round each matrix lies; where the shapes don't settle it, it can be chosen."""
        file = plan.weights
        for role, row in self.rows.items():
            free = draft.open_axes(plan, role, file)
            if not free and role in plan.tensors:
                bare = replace(
                    plan, tensors={r: s if r != role else s._replace(axes=()) for r, s in plan.tensors.items()}
                )
                row.show_axes(draft.axes(bare, role, file), free=False)
            else:
                row.show_axes(row.axes.currentData() or (), free=free)


def _number(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise UserError(f"“{text.strip()[:40]}” is not a number.") from error
