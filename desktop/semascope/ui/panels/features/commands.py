"""The features panel's commands, for menus, the palette and the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semascope.ui.commands.registry import Command, Commands

if TYPE_CHECKING:
    from semascope.ui.panels.features.panel import FeaturesPanel

_MENU = "Features"


def add_commands(panel: FeaturesPanel, commands: Commands) -> None:
    """Register them; all act on the list."""
    presenter = panel.presenter

    def listed() -> bool:
        return len(presenter.order) > 0

    for command in (
        Command(
            "features.find",
            "Find a feature",
            "Go to the search field of the feature list.",
            panel.focus_search,
            "Ctrl+F",
            _MENU,
            enabled=lambda: presenter.has_harvest,
            section="find",
            words="search filter text label token",
        ),
        Command(
            "features.clear",
            "Show all features",
            "Take away the search text and every filter of the feature list.",
            panel.show_all,
            menu=_MENU,
            enabled=lambda: presenter.has_harvest,
            section="find",
            words="clear reset filter search",
        ),
    ):
        commands.add(command)
    for key, words in (
        ("density", "density"),
        ("max", "maximum"),
        ("id", "number"),
        ("label", "label"),
        ("token", "top token"),
        ("place", "place"),
        ("pin", "pin"),
    ):
        commands.add(
            Command(
                f"features.sort_{key}",
                f"Sort features by {words}",
                f"Sort the feature list by {words}; again turns the order round.",
                lambda key=key: presenter.sort_by(key),  # type: ignore[misc]
                menu=f"{_MENU}/Sort by",
                enabled=lambda: presenter.has_harvest,
                section="find",
                words="order column",
            )
        )
    for name, words in (("alive", "alive"), ("labelled", "labelled"), ("pinned", "pinned")):
        commands.add(
            Command(
                f"features.only_{name}",
                f"List only {words} features",
                f"Leave features that are not {words} out of the list, or take them in again.",
                lambda name=name: panel.set_filter(name, not getattr(presenter.query, name)),  # type: ignore[misc]
                menu=f"{_MENU}/Filter",
                enabled=lambda: presenter.has_harvest,
                checked=lambda name=name: bool(getattr(presenter.query, name)),  # type: ignore[misc]
                section="find",
                words="filter",
            )
        )
    for command in (
        Command(
            "features.next_dictionary",
            "Next SAE",
            "List the features of the next of the open SAEs.",
            lambda: presenter.use_next(1),
            "Alt+PgDown",
            _MENU,
            enabled=lambda: len(presenter.dictionaries) > 1,
            section="which",
            words="switch dictionary layer hook point",
        ),
        Command(
            "features.previous_dictionary",
            "Previous SAE",
            "List the features of the one before.",
            lambda: presenter.use_next(-1),
            "Alt+PgUp",
            _MENU,
            enabled=lambda: len(presenter.dictionaries) > 1,
            section="which",
            words="switch dictionary layer hook point",
        ),
        Command(
            "features.all_dictionaries",
            "List the features of all SAEs",
            "One list of the features of all open SAEs, or of the current one only.",
            lambda: presenter.list_all(not presenter.lists_all),
            menu=_MENU,
            enabled=lambda: len(presenter.dictionaries) > 1,
            checked=lambda: presenter.lists_all,
            section="which",
            words="merge every dictionary layers together",
        ),
        Command(
            "features.close_dictionary",
            "Close this SAE and its harvest",
            "Take it off the list. Labels, notes and pins are kept for the next time.",
            lambda: panel.workspace.opening.close_dictionary(),
            menu=_MENU,
            enabled=lambda: presenter.current is not None,
            section="which",
            words="dictionary remove unload",
        ),
        Command(
            "features.next",
            "Next feature in the list",
            "Select the feature below the selected one.",
            lambda: panel.table.step(1),
            "Alt+Down",
            _MENU,
            enabled=listed,
            section="go",
        ),
        Command(
            "features.previous",
            "Previous feature in the list",
            "Select the feature above the selected one.",
            lambda: panel.table.step(-1),
            "Alt+Up",
            _MENU,
            enabled=listed,
            section="go",
        ),
    ):
        commands.add(command)
