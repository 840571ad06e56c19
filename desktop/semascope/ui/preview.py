"""Runs one panel alone, on a harvest and with no engine behind it: for looking at it while working on it.

Each panel's `preview.py` is a call of `preview`. Usage: `python -m semascope.ui.panels.feature.preview [HARVEST] [--dark]`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QWidget

from semascope import paths
from semascope.core.errors import UserError
from semascope.jobs.bridge import Bridge
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.theme import themes


class NoEngine:
    """Answers every request with a refusal."""

    def handle(self, request: object) -> Any:
        raise UserError("A preview has no engine.", "Open the panel in the program.")

    def start(self, request: object) -> Generator[Any, None, Any]:
        raise UserError("A preview has no engine.", "Open the panel in the program.")


def preview(make: Callable[[Workspace, Commands], QWidget], width: int, height: int) -> int:
    """Show the panel that `make` builds until its window is closed; the exit status."""
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    app = QApplication.instance() or QApplication(sys.argv[:1])
    themes().set("dark" if "--dark" in sys.argv else "light")
    workspace, commands = Workspace(Bridge(NoEngine())), Commands()
    panel = make(workspace, commands)
    for command in commands:
        panel.addAction(commands.action(command.id))
    panel.resize(width, height)
    panel.show()
    workspace.harvest_changed.connect(lambda: _select_first(workspace))
    QTimer.singleShot(
        0, lambda: workspace.open_harvest(Path(arguments[0]) if arguments else paths.demo_dir() / "harvest")
    )
    status = app.exec()
    workspace.bridge.close()
    return int(status)


def _select_first(workspace: Workspace) -> None:
    """Show the feature with the highest activation, so that there is something to see."""
    if workspace.harvest is not None and workspace.selected is None:
        workspace.select(int(workspace.harvest.maximum.argmax()))
