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
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from semascope.core.errors import UserError
from semascope.core.progress import Progress
from semascope.core.saes.tensor_map import LAYER, TensorMap
from semascope.jobs.conversions import CheckMapped, Mapped
from semascope.jobs.records import Ticket
from semascope.state.checking import CheckState, corpus_at_hand
from semascope.state.workspace import Workspace
from semascope.ui.shell.check_card import CheckCard
from semascope.ui.shell.map_draft import MapDraft, draw_up, write_map
from semascope.ui.shell.map_form import MapForm
from semascope.ui.shell.sheet import Sheet
from semascope.ui.shell.tensor_list import TensorList
from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_label


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
        model = workspace.model_info
        self.fields = MapForm(model.layers if model else None)
        self.tensors = TensorList()
        self.card = CheckCard(self.fields.take, self._preview)
        self.card.use.setText("Put this in")
        self._where = plain_label(str(path), tone="quiet", size="small")
        self._where.setWordWrap(True)
        self.fields.changed.connect(self._changed)
        self.fields.file_changed.connect(self._show_tensors)
        self._lay_out()
        self.fit_to(1120, 780)
        self._content(False)
        self.judge("", "Reading the headers…", unfinished=True)
        workspace.bridge.read(lambda: draw_up(path), self._drawn_up, self._failed)

    # --- what it is made of -------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        """The form at the left in a scroll area, what lies in the files and the preview at the right."""
        whole = self.layout()
        assert isinstance(whole, QVBoxLayout)
        self.tensors.setMinimumHeight(7 * theme().row)
        beside = QWidget()
        right = QVBoxLayout(beside)
        right.setContentsMargins(0, 0, theme().spacing(3), 0)
        right.addWidget(plain_label("In the file", tone="quiet", size="small"))
        right.addWidget(self.tensors, 1)
        right.addWidget(self.card)
        across = QHBoxLayout()
        across.setSpacing(theme().spacing(4))
        self._areas = (_scrolled(self.fields), _scrolled(beside))
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
        self.go.setText("Save the map and open it" if draft.writable else "Convert to SAELens…")
        self.fields.show_draft(draft)
        self.fields.rows["W_enc"].setFocus()

    def _show_tensors(self) -> None:
        """Show what lies in the file that is looked at."""
        if self._draft is not None:
            self.tensors.show_header(self._draft.headers[self.fields.file.currentData()])

    # --- what it says -----------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self._draft is None:
            return
        self._cancel_preview()
        try:
            self.fields.show_axes(self._draft, self.fields.plan())
        except UserError as error:
            self.judge(str(error))
            return
        self._judge(self.fields.plan())

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
        plan, draft, workspace = self.fields.plan(), self._draft, self._workspace
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
        self.card.show_state(state, True, knows_place=bool(self.fields.hook.text))
        self.card.again.setText("Preview the self-check")

    def _cancel_preview(self) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            ticket.cancel()

    # --- the end --------------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        draft, plan = self._draft, self.fields.plan()
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
        if draft is None or LAYER not in draft.plan.weights or not self.fields.all_files.isChecked():
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
