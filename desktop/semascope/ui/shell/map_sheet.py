"""“Map the tensors yourself”: which tensor of unknown files is which part of an SAE, and how it computes.

Everything is guessed first. What is missing is said while one chooses; with a model open, the self-check can be run before
anything is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import hooks_text
from semascope.core.progress import Progress
from semascope.core.saes.config import NORMALISATIONS, PROCESSINGS
from semascope.core.saes.reading import Reading
from semascope.core.saes.tensor_map import ACTIVATIONS, LAYER, ROLES, TOPS, TensorMap
from semascope.jobs.conversions import CheckMapped, Mapped
from semascope.jobs.records import Ticket
from semascope.state.checking import CheckState, corpus_at_hand
from semascope.state.workspace import Workspace
from semascope.ui.shell.check_card import CheckCard
from semascope.ui.shell.hook_field import HookField
from semascope.ui.shell.map_draft import MapDraft, draw_up, for_one, write_map
from semascope.ui.shell.reading_sheet import choices, parse_scale
from semascope.ui.shell.sheet import Sheet
from semascope.ui.shell.tensor_list import TensorList
from semascope.ui.shell.tensor_row import TensorRow
from semascope.ui.theme import theme
from semascope.ui.widgets.number_field import number_field
from semascope.ui.widgets.plain_text import plain_label

_GATES = ("b_gate", "r_mag", "b_mag")
_BELONGS = {  # the parts that only some activations have
    **dict.fromkeys(("threshold", "log_threshold"), frozenset({"jumprelu"})),
    **dict.fromkeys(_GATES, frozenset({"gated"})),
}
_ORDER = ("W_enc", "b_enc", "threshold", "log_threshold", *_GATES, "W_dec", "b_dec", "b_pre", "W_skip")
_TIED = {"W_enc": "the decoder, turned round", "W_dec": "the encoder, turned round"}


class MapSheet(Sheet):
    """Calls `on_saved(path)` once the map is written, or `on_convert(mapped)` where it can't be.

    Args:
        parent: The window.
        workspace: Its engine runs the preview, its disk pool reads and writes.
        path: A folder or file of tensors.
        on_saved: Opens what was mapped.
        on_convert: Converts what the map makes into a folder elsewhere.
    """

    def __init__(
        self,
        parent: QWidget,
        workspace: Workspace,
        path: Path,
        on_saved: Callable[[Path], object],
        on_convert: Callable[[Mapped], object],
    ) -> None:
        super().__init__("Map the tensors yourself", "Save the map and open it", parent)
        self.setObjectName("mapSheet")
        self._workspace, self._on_saved, self._on_convert = workspace, on_saved, on_convert
        self._draft: MapDraft | None = None
        self._ticket: Ticket | None = None
        self._filling = True
        model = workspace.model_info
        self._fields(model.layers if model else None)
        self.tensors = TensorList()
        self.card = CheckCard(self._take_reading, self._preview)
        self.card.use.setText("Put this in")
        self._where = plain_label(str(path), tone="quiet", size="small")
        self._where.setWordWrap(True)
        self._lay_out()
        self.fit_to(1120, 780)
        self._content(False)
        self.judge("", "Reading the headers…", unfinished=True)
        workspace.bridge.read(lambda: draw_up(path), self._drawn_up, self._failed)

    # --- what it is made of -------------------------------------------------------------------------------------

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
            row.changed.connect(self._changed)
        for combo in (self.activation, self.normalize, self.processing):
            combo.currentIndexChanged.connect(self._changed)
        for box in (self.keep_negative, self.subtract, self.all_files):
            box.toggled.connect(self._changed)
        for line in (self.threshold, self.scale, self.model_name):
            line.textChanged.connect(self._changed)
        for field in (self.hook, self.hook_out):
            field.changed.connect(self._changed)
        self.k.valueChanged.connect(self._changed)
        self.file.currentIndexChanged.connect(self._other_file)

    def _lay_out(self) -> None:
        """The form at the left in a scroll area, what lies in the files and the preview at the right."""
        self.row("File", self.file)
        self.form.addRow("", self.all_files)
        self.row("Activation", self.activation, self.k)
        self.k.setAccessibleName("k: features kept for each token")
        self.form.addRow("", self.keep_negative)
        for role in _ORDER:
            self.row(f"{role}", self.rows[role]).setToolTip(ROLES[role].words)
            self.rows[role].tensor.setAccessibleName(f"{role}, {ROLES[role].words}")
            if role == "threshold":
                self.row("", self.threshold)
                self.threshold.setAccessibleName("One threshold for all features")
        self.form.addRow("", self.subtract)
        self.row("Normalised", self.normalize)
        self.row("Activations", self.processing)
        self.row("Multiplied by", self.scale)
        self.row("Reads at", self.hook)
        self.row("Writes to", self.hook_out)
        self.hook.set_names("Reads at")
        self.hook_out.set_names("Writes to")
        self.row("Model", self.model_name)
        whole = self.layout()
        assert isinstance(whole, QVBoxLayout)
        whole.removeItem(self.form)
        left = QWidget()
        self.form.setContentsMargins(0, 0, theme().spacing(3), 0)
        left.setLayout(self.form)
        self.tensors.setMinimumHeight(7 * theme().row)
        beside = QWidget()
        right = QVBoxLayout(beside)
        right.setContentsMargins(0, 0, theme().spacing(3), 0)
        right.addWidget(plain_label("In the file", tone="quiet", size="small"))
        right.addWidget(self.tensors, 1)
        right.addWidget(self.card)
        across = QHBoxLayout()
        across.setSpacing(theme().spacing(4))
        self._areas = (_scrolled(left), _scrolled(beside))
        for area in self._areas:
            across.addWidget(area, 1)
        whole.insertWidget(0, self._where)
        whole.insertLayout(1, across, 1)

    def _content(self, usable: bool) -> None:
        """Everything but the buttons, which end the sheet at any time."""
        for area in self._areas:
            area.setEnabled(usable)

    # --- filling in -----------------------------------------------------------------------------------------------

    def _drawn_up(self, draft: MapDraft) -> None:
        self._draft = draft
        self._content(True)
        for name in draft.headers:
            self.file.addItem(name, name)
        plan = draft.plan
        self.file.setCurrentIndex(max(0, self.file.findData(draft.file)))
        alike = draft.alike(plan)
        self.all_files.setVisible(LAYER in plan.weights)
        self.all_files.setText(f"For all {len(alike)} files named {plan.weights}")
        self.all_files.setChecked(LAYER in plan.weights)
        self._offer()
        self._fill(for_one(plan, draft.file))
        self.go.setText("Save the map and open it" if draft.writable else "Convert to SAELens…")
        self.rows["W_enc"].setFocus()

    def _offer(self) -> None:
        """Offer the tensors of the file that is chosen."""
        draft, file = self._draft, self.file.currentData()
        if draft is None or file is None:
            return
        for role, row in self.rows.items():
            candidates = draft.candidates(role, file)
            row.offer(candidates, [draft.shape(stored, file) for stored in candidates])
        self.tensors.show_header(draft.headers[file])

    def _fill(self, plan: TensorMap) -> None:
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
        self._changed()

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
        self._changed()

    def _take_reading(self, reading: Reading) -> None:
        """Put what the preview recommends into the fields."""
        if reading.hooks:
            self.hook.show_text(hooks_text(reading.hooks))
        if reading.processing:
            self.processing.setCurrentIndex(self.processing.findData(reading.processing))
        if reading.normalize:
            self.normalize.setCurrentIndex(self.normalize.findData(reading.normalize))
        if reading.scale is not None:
            self.scale.setText(f"{reading.scale:.8g}")

    # --- what it says -----------------------------------------------------------------------------------------------

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

    def _changed(self) -> None:
        if self._filling or self._draft is None:
            return
        activation = self.activation.currentData()
        self.k.setVisible(activation in TOPS)
        self.keep_negative.setVisible(activation == "topk")
        for role, needs in _BELONGS.items():
            self.form.setRowVisible(self.rows[role], activation in needs)
        self.form.setRowVisible(self.threshold, activation == "jumprelu")
        self._cancel_preview()
        try:
            plan = self.plan()
        except UserError as error:
            self.judge(str(error))
            return
        file = plan.weights
        for role, row in self.rows.items():
            free = self._draft.open_axes(plan, role, file)
            if not free and role in plan.tensors:
                bare = replace(
                    plan, tensors={r: s if r != role else s._replace(axes=()) for r, s in plan.tensors.items()}
                )
                row.show_axes(self._draft.axes(bare, role, file), free=False)
            else:
                row.show_axes(row.axes.currentData() or (), free=free)
        self._judge(self.plan())

    def _judge(self, plan: TensorMap) -> None:
        draft = self._draft
        assert draft is not None
        wrong = draft.faults(plan, plan.weights)
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        if wrong:
            self.judge(wrong[0] + more)
        elif not draft.writable:
            self.judge("", f"{draft.folder} can't be written to: it is converted to a SAELens folder elsewhere.")
        else:
            kept = " It takes the place of the map that lies there." if draft.has_map else ""
            place = "" if plan.hook else " Where it reads is looked for by the self-check."
            self.judge("", f"semascope-map.json is written beside the tensors; nothing else is changed.{place}{kept}")
        has_model = self._workspace.model_info is not None
        self.card.show_state(CheckState(), has_model, knows_place=bool(plan.hook))
        self.card.again.setText("Preview the self-check")
        self.card.again.setEnabled(not wrong)

    # --- the preview --------------------------------------------------------------------------------------------------

    def _preview(self) -> None:
        """Check the map on the open model, without writing anything."""
        plan, draft, workspace = self.plan(), self._draft, self._workspace
        if draft is None:
            return
        mapped = Mapped(draft.folder, plan.weights, plan)
        self._show(CheckState("running"))
        self._ticket = workspace.bridge.request(
            CheckMapped(mapped, corpus_at_hand(workspace)),
            lambda check: self._show(CheckState("done", check)),
            lambda error: self._show(CheckState("failed", why=str(getattr(error, "sentence", error)))),
            self._moved,
            kind="preview of a map",
        )

    def _moved(self, update: Any) -> None:
        if self._ticket is not None and isinstance(update, Progress):
            self._show(CheckState("running", fraction=update.fraction))

    def _show(self, state: CheckState) -> None:
        if state.stage != "running":
            self._ticket = None
        self.card.show_state(state, True, knows_place=bool(self.hook.text))
        self.card.again.setText("Preview the self-check")

    def _cancel_preview(self) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            ticket.cancel()

    # --- the end --------------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        draft, plan = self._draft, self.plan()
        if draft is None or draft.faults(plan, plan.weights):
            return
        if not draft.writable:
            super().accept()
            self._on_convert(Mapped(draft.folder, plan.weights, plan))
            return
        whole = self._for_all(plan)
        path = draft.folder if len(draft.alike(whole)) > 1 else draft.folder / plan.weights
        self.go.setEnabled(False)
        self._workspace.bridge.read(lambda: write_map(draft.folder, whole), lambda _: self._saved(path), self._failed)

    def _for_all(self, plan: TensorMap) -> TensorMap:
        """The map for every file named alike, where that is wanted: the layer comes from the name."""
        draft = self._draft
        if draft is None or LAYER not in draft.plan.weights or not self.all_files.isChecked():
            return plan
        pattern = replace(plan, weights=draft.plan.weights)
        layer = pattern.layer_of(plan.weights)
        if layer is None:
            return plan
        return replace(
            pattern, hook=_with_layer(plan.hook, int(layer)), hook_out=_with_layer(plan.hook_out, int(layer))
        )

    def _saved(self, path: Path) -> None:
        super().accept()
        self._on_saved(path)

    def done(self, result: int) -> None:
        self._cancel_preview()
        super().done(result)

    def _failed(self, error: Any) -> None:
        self.judge(str(error))


def _scrolled(inside: QWidget) -> QScrollArea:
    """A part of the sheet that scrolls by itself, on the sheet's own ground."""
    area = QScrollArea()
    area.setObjectName("bare")
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inside)
    inside.setAutoFillBackground(False)
    return area


def _with_layer(hook: str, layer: int) -> str:
    """A hook point of that layer with {layer} in place of it."""
    site, _, number = hook.rpartition(".")
    return f"{site}.{LAYER}" if number == str(layer) else hook


def _number(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise UserError(f"“{text.strip()[:40]}” is not a number.") from error
