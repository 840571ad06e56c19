"""The feature page's commands, for menus, the palette and the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semascope.ui.commands.registry import Command, Commands

if TYPE_CHECKING:
    from semascope.ui.panels.feature.panel import FeaturePanel

_MENU = "Features"


def add_commands(panel: FeaturePanel, commands: Commands) -> None:
    """Register them; all act on the feature that is shown."""
    presenter = panel.presenter

    def shown() -> bool:
        return presenter.feature is not None

    for command in (
        Command(
            "feature.open",
            "Open the feature page",
            "Bring the page of the selected feature to the front.",
            panel.come_forward,
            menu=_MENU,
            enabled=shown,
            section="go",
            words="show read",
        ),
        Command(
            "feature.back",
            "Back to the feature before",
            "Go back along the features that were shown.",
            lambda: presenter.go(-1),
            "Alt+Left",
            _MENU,
            enabled=lambda: presenter.can_go_back,
            section="go",
        ),
        Command(
            "feature.forward",
            "Forward to the feature after",
            "Go forward again along the features that were shown.",
            lambda: presenter.go(1),
            "Alt+Right",
            _MENU,
            enabled=lambda: presenter.can_go_forward,
            section="go",
        ),
        Command(
            "feature.label",
            "Label the feature…",
            "Write the name of the selected feature.",
            panel.edit_label,
            "F2",
            _MENU,
            enabled=shown,
            section="feature",
            words="rename name",
        ),
        Command(
            "feature.tag",
            "Tag the feature…",
            "Add a tag to the selected feature.",
            panel.edit_tags,
            menu=_MENU,
            enabled=shown,
            section="feature",
        ),
        Command(
            "feature.notes",
            "Write notes on the feature…",
            "Write freely about the selected feature.",
            panel.edit_notes,
            menu=_MENU,
            enabled=shown,
            section="feature",
            words="note comment",
        ),
        Command(
            "feature.pin",
            "Pin the feature",
            "Keep the selected feature at hand with a slider and a colour, or let it go.",
            presenter.toggle_pin,
            "P",
            _MENU,
            enabled=shown,
            live_title=presenter.pin_words,
            section="feature",
            words="unpin slider steer",
        ),
        Command(
            "feature.copy_number",
            "Copy the feature's number",
            "Put the number of the selected feature on the clipboard.",
            panel.copy_number,
            menu=_MENU,
            enabled=shown,
            section="feature",
            words="id",
        ),
        Command(
            "feature.open_examples",
            "Open all examples",
            "Show the whole window of every example.",
            lambda: panel.examples.toggle_all(True),
            menu=_MENU,
            enabled=shown,
            section="examples",
            words="expand",
        ),
        Command(
            "feature.close_examples",
            "Close all examples",
            "Show one line of every example.",
            lambda: panel.examples.toggle_all(False),
            menu=_MENU,
            enabled=shown,
            section="examples",
            words="collapse",
        ),
    ):
        commands.add(command)
