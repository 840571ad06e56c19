"""Runs one panel alone, for looking at it while working on it: on a harvest, with no engine behind it unless it needs one.

Each panel's `preview.py` is a call of `preview`. Usage: `python -m semascope.ui.panels.feature.preview [PATH ...] [--dark]`,
the paths being what to open (by default the demo's harvest, and with an engine its SAE and model too).
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
from semascope.jobs.lane import Worker
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.theme import themes


class NoEngine:
    """Answers every request with a refusal."""

    def handle(self, request: object) -> Any:
        raise UserError("A preview has no engine.", "Open the panel in the program.")

    def start(self, request: object) -> Generator[Any, None, Any]:
        raise UserError("A preview has no engine.", "Open the panel in the program.")


def preview(
    make: Callable[[Workspace, Commands], QWidget], width: int, height: int, engine: Worker | None = None
) -> int:
    """Show the panel that `make` builds until its window is closed; the exit status."""
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    app = QApplication.instance() or QApplication(sys.argv[:1])
    themes().set("dark" if "--dark" in sys.argv else "light")
    workspace, commands = Workspace(Bridge(engine or NoEngine())), Commands()
    panel = make(workspace, commands)
    for command in commands:
        panel.addAction(commands.action(command.id))
    panel.resize(width, height)
    panel.show()
    workspace.harvest_changed.connect(lambda: _select_first(workspace))
    opened = [Path(argument) for argument in arguments] or _demo(with_engine=engine is not None)
    for path in opened:
        QTimer.singleShot(0, lambda path=path: workspace.open_path(path))
    status = app.exec()
    workspace.bridge.close()
    return int(status)


def _demo(with_engine: bool) -> list[Path]:
    """The parts of the demo that are here."""
    parts = [paths.demo_dir() / "harvest", *([paths.demo_dir() / "sae", paths.demo_model()] if with_engine else [])]
    return [part for part in parts if part is not None and part.exists()]


def _select_first(workspace: Workspace) -> None:
    """Show the feature with the highest activation, so that there is something to see."""
    if workspace.harvest is not None and workspace.selected is None:
        workspace.select(int(workspace.harvest.maximum.argmax()))
