"""What a chip of the top bar shows when it is clicked: the facts, and what can be done about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFormLayout, QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.shell import words
from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_label

Facts = list[tuple[str, str]]
Action = tuple[str, Callable[[], object]]


class Details(QFrame):
    """A small page under a chip; Esc or a click elsewhere closes it."""

    def __init__(self, title: str, facts: Facts, notes: list[str], actions: list[Action]) -> None:
        super().__init__(None, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setObjectName("details")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAccessibleName(title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[theme().spacing(4)] * 4)
        layout.setSpacing(theme().spacing(3))
        heading = plain_label(title)
        font = theme().ui()
        font.setBold(True)
        heading.setFont(font)
        layout.addWidget(heading)
        form = QFormLayout()
        form.setHorizontalSpacing(theme().spacing(4))
        form.setVerticalSpacing(theme().spacing(1))
        for name, value in facts:
            shown = plain_label(value)
            shown.setWordWrap(True)
            shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            form.addRow(plain_label(name, tone="quiet"), shown)
        layout.addLayout(form)
        for note in notes:
            label = plain_label(note, tone="quiet")
            label.setWordWrap(True)
            layout.addWidget(label)
        buttons = QHBoxLayout()
        for name, run in actions:
            button = QPushButton(name)
            button.clicked.connect(self._closing(run))
            buttons.addWidget(button)
        buttons.addStretch()
        layout.addLayout(buttons)
        self.setMinimumWidth(round(360 * theme().scale))
        self.setMaximumWidth(round(520 * theme().scale))

    def open_below(self, chip: QWidget) -> None:
        self.move(chip.mapToGlobal(QPoint(0, chip.height() + theme().spacing(1))))
        self.show()

    def _closing(self, run: Callable[[], object]) -> Callable[[], None]:
        def act() -> None:
            self.close()
            run()

        return act


def model_details(workspace: Workspace, commands: Commands) -> Details:
    """The model's facts; what to do when there is none."""
    info, reference = workspace.model_info, workspace.session.model
    open_another: Action = ("Open another…" if info else "Open a model…", lambda: commands.run("model.open"))
    if info is None:
        load: list[Action] = [("Load it", lambda: workspace.opening.again("model"))] if reference else []
        facts = [("Where", reference.path)] if reference else []
        note = "Features can be read without a model. Prompts, steering and harvests need one."
        return Details(reference.name if reference else "No model is open", facts, [note], [*load, open_another])
    facts = [
        ("Architecture", info.architecture),
        ("Size", f"{info.layers} layers · d = {info.d_model:,} · {info.vocabulary:,} tokens"),
        ("Context", f"{info.context:,} tokens"),
        ("Runs on", words.model_facts(info)),
        ("Chat template", "yes" if info.chat else "none"),
        ("Where", str(info.path)),
        ("Fingerprint", words.short(info.fingerprint)),
    ]
    close: Action = ("Close it", lambda: commands.run("model.close"))
    return Details(info.name, facts, [], [open_another, close])


def sae_details(workspace: Workspace, commands: Commands) -> Details:
    """The SAE's facts, and its problems in words."""
    info, reference = workspace.sae_info, workspace.session.sae
    open_another: Action = ("Open another…" if info else "Open an SAE…", lambda: commands.run("sae.open"))
    if info is None:
        there = reference is not None and bool(reference.path) and Path(reference.path).name
        load: list[Action] = [("Load it", lambda: workspace.opening.again("sae"))] if there else []
        facts = [("Where", reference.path)] if reference else []
        note = "The harvest shows what its features do. Prompts and steering need the SAE itself."
        return Details(reference.name if reference else "No SAE is open", facts, [note], [*load, open_another])
    facts = [
        ("Reads", info.hook_point or "not stated"),
        *([("Writes", info.hook_out)] if info.hook_out not in ("", info.hook_point) else []),
        ("Kind", f"{words.architecture(info.architecture)} · {info.format}"),
        ("Features", f"{info.features:,} of width {info.d_in:,}"),
        ("Where", str(info.path)),
        ("Fingerprint", words.short(info.fingerprint)),
    ]
    close: Action = ("Close it", lambda: commands.run("sae.close"))
    return Details(info.name, facts, list(info.problems), [open_another, close])


def harvest_details(workspace: Workspace, commands: Commands) -> Details:
    """What the harvest counted."""
    harvest = workspace.harvest
    actions: list[Action] = [
        ("Open another…" if harvest else "Open a harvest…", lambda: commands.run("harvest.open")),
        ("Harvest a corpus…", lambda: commands.run("harvest.run")),
    ]
    if harvest is None:
        note = "A harvest holds each feature's statistics and examples, measured on a corpus."
        return Details("No harvest is open", [], [note], actions)
    facts = [
        ("Tokens", f"{harvest.tokens:,}"),
        ("Features", f"{harvest.features:,}, {harvest.alive:,} alive"),
        ("Measured at", str(harvest.hook_point)),
        ("Where", str(harvest.path)),
    ]
    return Details(words.harvest_name(harvest), facts, [], actions)
