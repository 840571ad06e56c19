"""What was opened lately, as commands: a submenu of File, and found in the palette by name."""

from __future__ import annotations

from functools import partial

from semascope.state.recent import Recent, RecentList
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Command, Commands

_MENU = "File/Open recent"
_KINDS = {"model": "model", "sae": "SAE", "harvest": "harvest", "session": "session"}


class RecentCommands:
    """Keeps the commands in step with the list."""

    def __init__(self, workspace: Workspace, commands: Commands, recent: RecentList) -> None:
        self._workspace, self._commands, self._recent = workspace, commands, recent
        self._ids: list[str] = []
        self.refresh()

    def refresh(self) -> None:
        """The list has changed."""
        for id in self._ids:
            self._commands.remove(id)
        items = self._recent.items()
        self._ids = [f"recent.{place}" for place in range(len(items))]
        for id, item in zip(self._ids, items, strict=True):
            self._commands.add(self._command(id, item))
        if items:
            self._ids.append("recent.clear")
            help = "Forget what was opened lately; nothing is deleted."
            self._commands.add(
                Command("recent.clear", "Clear this list", help, self._clear, "", _MENU, section="clear")
            )

    def _command(self, id: str, item: Recent) -> Command:
        kind = _KINDS.get(item.kind, item.kind)
        return Command(
            id,
            f"{item.name} ({kind})",
            f"Open {item.path}.",
            partial(self._workspace.open_path, item.path),
            menu=_MENU,
            section="recent",
            words="recent lately again",
        )

    def _clear(self) -> None:
        self._recent.clear()
        self.refresh()
