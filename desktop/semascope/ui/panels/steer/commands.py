"""The steer panel's commands."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from semascope.ui.commands.registry import Command, Commands
from semascope.ui.panels.steer.presenter import SteerPresenter
from semascope.ui.widgets.front import bring_to_front

MENU = "Model"


def add_commands(commands: Commands, presenter: SteerPresenter, prompt: QWidget) -> None:
    """Register them."""
    for command in (
        Command(
            "steer.generate",
            "Generate answers",
            "Answer the steer panel's prompt twice, with and without the sliders.",
            presenter.generate,
            shortcut="Ctrl+G",
            menu=MENU,
            section="steer",
            enabled=lambda: presenter.can_generate,
            words="run answer compare",
        ),
        Command(
            "steer.stop",
            "Stop generating",
            "End both answers where they are.",
            presenter.stop,
            shortcut="Ctrl+.",
            menu=MENU,
            section="steer",
            enabled=lambda: presenter.generating,
            words="cancel",
        ),
        Command(
            "steer.reset_all",
            "Turn all sliders off",
            "Put every pinned feature's slider back to nothing, unmuted.",
            presenter.reset_all,
            menu=MENU,
            section="steer",
            enabled=lambda: presenter.can_reset,
            words="reset clear baseline",
        ),
        Command(
            "steer.edit_prompt",
            "Edit the steering prompt",
            "Go to the prompt that baseline and steered answer share.",
            lambda: _edit(prompt),
            menu=MENU,
            section="steer",
            words="ask question",
        ),
    ):
        commands.add(command)


def _edit(field: QWidget) -> None:
    """Give a field the keyboard, wherever its panel is."""
    bring_to_front(field)
    field.setFocus(Qt.FocusReason.ShortcutFocusReason)
