"""What the SAE's chip shows when it is clicked: all that are open, whether the current one is read rightly, and how."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout

from semascope.core.errors import UserError
from semascope.core.identify import Identified, identify
from semascope.core.saes.config import PROCESSINGS
from semascope.core.saes.reading import Reading
from semascope.jobs.infos import SAEInfo
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.shell import words
from semascope.ui.shell.check_card import CheckCard
from semascope.ui.shell.check_words import chip_word
from semascope.ui.shell.popover import Action, Facts, Popover
from semascope.ui.theme import theme
from semascope.ui.widgets.link_row import LinkRow
from semascope.ui.widgets.plain_text import plain_label

_NORMALISATIONS = {
    "none": "none",
    "expected_average_only_in": "one factor, part of the weights",
    "constant_norm_rescale": "each token to the norm √d",
    "layer_norm": "each token to mean 0 and standard deviation 1",
}


class SAEDetails(Popover):
    """Of the current SAE; it follows its check while it is shown."""

    def __init__(self, workspace: Workspace, commands: Commands) -> None:
        self._workspace, self._commands = workspace, commands
        self._info = info = workspace.sae_info
        super().__init__(_title(workspace), width=570 if info else 440)
        self._list_open()
        if info is None:
            self._say_nothing_is_open()
            return
        self.card = CheckCard(self._use, self._ask_for_check)
        self.column.addWidget(self.card)
        self._show_check(info.fingerprint)
        workspace.checking.changed.connect(self._show_check)
        for sentence in info.problems:
            self.add_sentence(sentence, "error")
        for sentence in info.notes:
            self.add_sentence(sentence)
        self.column.addWidget(plain_label("What was understood", tone="quiet", size="small"))
        self._facts = self.add_facts(understood(info))
        self.add_actions(self._what_can_be_done())
        workspace.bridge.read(lambda: identify(info.path), self._add_what_files_say, lambda _: None)

    def _list_open(self) -> None:
        """A row for each SAE, when there are several."""
        infos = self._workspace.sae_infos
        if len(infos) < 2:
            return
        rows = QVBoxLayout()
        rows.setSpacing(0)
        for info in infos:
            current = self._info is not None and info.fingerprint == self._info.fingerprint
            row = LinkRow(sae_line(info), self._remark(info, current))
            row.clicked.connect(lambda _=False, mark=info.fingerprint: self._switch(mark))
            close = QPushButton("Close")
            close.setProperty("kind", "quiet")
            close.setAccessibleName(f"Close {sae_line(info)}")
            close.clicked.connect(lambda _=False, mark=info.fingerprint: self._close_one(mark))
            across = QHBoxLayout()
            across.setSpacing(theme().spacing(1))
            across.addWidget(row, 1)
            across.addWidget(close)
            rows.addLayout(across)
        self.column.addLayout(rows)

    def _remark(self, info: SAEInfo, current: bool) -> str:
        state = chip_word(self._workspace.checking.of(info), self._workspace.model_info is not None)
        return " · ".join(filter(None, ["shown" if current else "", state]))

    def _say_nothing_is_open(self) -> None:
        workspace, reference = self._workspace, self._workspace.session.sae
        there = reference is not None and bool(reference.path) and Path(reference.path).name
        if reference:
            self.add_facts([("Where", reference.path)])
        self.add_sentence("The harvest shows what its features do. Prompts and steering need the SAE itself.")
        load: list[Action] = [("Load it", lambda: workspace.opening.again("sae"))] if there else []
        self.add_actions([*load, ("Open an SAE…", lambda: self._commands.run("sae.open"))])

    def _what_can_be_done(self) -> list[Action]:
        run = self._commands.run
        return [
            ("Open another…", lambda: run("sae.open")),
            ("Read otherwise…", lambda: run("sae.read_otherwise")),
            ("Convert to SAELens…", lambda: run("sae.convert")),
            ("Close it", lambda: run("sae.close")),
        ]

    # --- what it does -------------------------------------------------------------------------------------------

    def _switch(self, fingerprint: str) -> None:
        self.close()
        self._workspace.use(fingerprint)

    def _close_one(self, fingerprint: str) -> None:
        self.close()
        self._workspace.opening.close_sae(fingerprint)

    def _use(self, reading: Reading) -> None:
        self.close()
        if self._info is not None:
            self._workspace.checking.read_as(self._info, reading)

    def _ask_for_check(self) -> None:
        self.close()
        self._commands.run("sae.check")

    def _show_check(self, fingerprint: str) -> None:
        if self._info is None or fingerprint != self._info.fingerprint:
            return
        state = self._workspace.checking.of(self._info)
        self.card.show_state(
            state,
            self._workspace.model_info is not None,
            knows_place=bool(self._info.reads),
            made_for=self._info.model_name,
        )
        if self.isVisible():
            self.fit()

    def _add_what_files_say(self, found: Identified | UserError) -> None:
        """Once the files were looked at again: what the engine's summary does not carry."""
        if isinstance(found, Identified) and (facts := list(_said(found.details))):
            self.extend(self._facts, facts)


def sae_details(workspace: Workspace, commands: Commands) -> Popover:
    """The page of the SAE's chip."""
    return SAEDetails(workspace, commands)


def _title(workspace: Workspace) -> str:
    info, reference = workspace.sae_info, workspace.session.sae
    return info.name if info is not None else reference.name if reference is not None else "No SAE is open"


def sae_line(info: SAEInfo) -> str:
    """An SAE in a list of those that are open: "resid_post 15 · 8,192"."""
    return f"{words.hook(info.hook_point) or info.name} · {info.features:,}"


def understood(info: SAEInfo) -> Facts:
    """How an SAE is read, each fact in words."""
    several = f" in each of {info.encoders} layers" if info.encoders > 1 else ""
    return [
        ("Reads", info.hook_point or "not stated"),
        *([("Writes", info.hook_out)] if info.hook_out not in ("", info.hook_point) else []),
        ("Kind", f"{words.architecture(info.architecture)} · {info.format}"),
        ("Features", f"{info.d_sae:,}{several} of width {info.d_in:,}"),
        ("Activation", info.activation + (f", k = {info.k:,}" if info.k is not None else "")),
        ("Before the encoder", "b_dec is subtracted" if info.subtracts_b_dec else "nothing is subtracted"),
        ("Normalisation", _NORMALISATIONS.get(info.normalize, info.normalize)),
        ("Activations", PROCESSINGS.get(info.processing, info.processing) + _scaled(info)),
        *([("Skip connection", "x̂ has a linear term in x")] if info.skip else []),
        ("Leaves out", _left_out(info)),
        ("BOS", {True: "put before each context", False: "not added", None: "not stated"}[info.prepend_bos]),
        ("Made for", info.model_name or "not stated"),
        ("L0 stated", f"{info.l0:g}" if info.l0 is not None else "not stated"),
        ("Numbers", _numbers(info)),
        ("Where", str(info.path)),
        ("Fingerprint", words.short(info.fingerprint)),
    ]


def _said(details: Any) -> Iterator[tuple[str, str]]:
    """Of what `identify` tells, what the engine's summary does not carry."""
    for name, key in (("Recognised by", "recognised_by"), ("Threshold", "threshold"), ("Units of features", "units")):
        if isinstance(value := details.get(key), str) and value:
            yield name, value


def _scaled(info: SAEInfo) -> str:
    return f", times {info.scale:.4g}" if info.scale != 1 else ""


def _left_out(info: SAEInfo) -> str:
    first = f"the first {info.mask_first} positions" if info.mask_first > 1 else "the first position" * info.mask_first
    ids = f"{len(info.mask_ids)} tokens of its own" if info.mask_ids else ""
    return " and ".join(filter(None, ["special tokens", first, ids]))


def _numbers(info: SAEInfo) -> str:
    stored = f"stored as {words.dtype(info.dtype)}, computes in {words.dtype(info.computes_in)}"
    return f"{stored}, left in its file" if info.mapped else f"{stored}, {words.bytes_(info.bytes)}"
