"""The list of panels: which there are, what they are called, where they stand, and where their code is.

The one place that names every panel. Their modules are imported when the window builds them, not before; panels never
import each other, and a new panel is one more line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from semascope.state.workspace import Workspace
    from semascope.ui.commands.registry import Commands

Area = Literal["left", "centre", "right", "bottom"]


@dataclass(frozen=True)
class PanelSpec:
    """One panel.

    Attributes:
        id: Unique; the name of its room, and of its dock in saved layouts.
        title: What its tab says.
        factory: "module:Class"; called with the workspace and the commands.
        area: Its place in the standard layout.
        shown: Whether the standard layout shows it.
    """

    id: str
    title: str
    factory: str
    area: Area
    shown: bool = True

    def make(self, workspace: Workspace, commands: Commands) -> QWidget:
        """Import the panel's code and build it."""
        module, _, name = self.factory.partition(":")
        panel: QWidget = getattr(import_module(module), name)(workspace, commands)
        return panel


PANELS = (
    PanelSpec("features", "Features", "semascope.ui.panels.features.panel:FeaturesPanel", "left"),
    PanelSpec("feature", "Feature", "semascope.ui.panels.feature.panel:FeaturePanel", "centre"),
    PanelSpec("prompt", "Prompt", "semascope.ui.panels.prompt.panel:PromptPanel", "centre"),
    PanelSpec("steer", "Steer", "semascope.ui.panels.steer.panel:SteerPanel", "right"),
    PanelSpec("jobs", "Jobs", "semascope.ui.panels.jobs.panel:JobsPanel", "bottom", shown=False),
)
