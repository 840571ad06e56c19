"""The prompt panel's commands."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from semascope.ui.commands.registry import Command, Commands
from semascope.ui.panels.prompt.presenter import PromptPresenter
from semascope.ui.widgets.front import bring_to_front

MENU = "Model"


def add_commands(commands: Commands, presenter: PromptPresenter, text: QWidget) -> None:
    """Register them."""
    for command in (
        Command(
            "prompt.run",
            "Read the prompt",
            "Run the model on the prompt panel's text, and keep the text among the recent ones.",
            presenter.run_and_keep,
            menu=MENU,
            section="prompt",
            enabled=lambda: presenter.can_run,
            words="activations heatmap",
        ),
        Command(
            "prompt.edit",
            "Edit the prompt",
            "Go to the prompt panel's text.",
            lambda: _edit(text),
            menu=MENU,
            section="prompt",
            words="type paste text",
        ),
        Command(
            "prompt.chat",
            "Read the prompt as a chat",
            "Put the model's chat template round the prompt, or take it away.",
            lambda: presenter.set_chat(not presenter.chat),
            menu=MENU,
            section="prompt",
            enabled=lambda: presenter.can_chat,
            checked=lambda: presenter.chat,
            words="template raw user assistant",
        ),
        Command(
            "prompt.whole",
            "List the strongest features of the whole prompt",
            "Instead of those of one token.",
            lambda: presenter.point_at(None),
            menu=MENU,
            section="prompt",
            enabled=lambda: presenter.token is not None,
        ),
    ):
        commands.add(command)


def _edit(field: QWidget) -> None:
    """Give a field the keyboard, wherever its panel is."""
    bring_to_front(field)
    field.setFocus(Qt.FocusReason.ShortcutFocusReason)
