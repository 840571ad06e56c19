"""What a panel needs that is not open: whether it is being opened, what to offer, and how to get it. No Qt."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from semascope.jobs.bridge import Bridge
    from semascope.jobs.records import JobRecord
    from semascope.state.workspace import Workspace

Part = Literal["model", "sae"]
_OPENING_KINDS = ("OpenModel", "OpenSAE")
_OFFERS: dict[Part, str] = {"model": "Open a model…", "sae": "Open an SAE…"}


def loading(bridge: Bridge) -> str:
    """What is being opened ("Opening SmolLM2: loading PyTorch"), or "" when nothing is."""
    for record in bridge.running():
        if is_opening(record):
            # The first model pays for the import; there is nothing to count meanwhile.
            return record.title if "torch" in sys.modules else f"{record.title}: loading PyTorch"
    return ""


def is_opening(record: JobRecord) -> bool:
    """Whether a job opens a model or an SAE."""
    return record.kind.partition(" ")[0] in _OPENING_KINDS


def offer(workspace: Workspace, part: Part) -> str:
    """What the button that gets a missing part says: to load what the session refers to, or to open one."""
    known = getattr(workspace.session, part)
    return f"Load {known.name}" if known is not None else _OFFERS[part]


def load(workspace: Workspace, part: Part) -> bool:
    """Load what the session refers to (with a model its SAE too); False when it refers to none and a person must choose."""
    session = workspace.session
    if getattr(session, part) is None:
        return False
    workspace.opening.again(part)
    if part == "model" and session.sae is not None and workspace.sae_info is None:
        workspace.opening.again("sae")
    return True
