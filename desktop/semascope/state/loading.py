"""Whether a model or an SAE is being opened just now, in the words that a panel waiting for it shows. No Qt."""

from __future__ import annotations

import sys
from typing import Protocol

from semascope.jobs.records import JobRecord

OPENING_KINDS = ("OpenModel", "OpenSAE")


class HasJobs(Protocol):
    """The part of a bridge that is asked."""

    def running(self) -> list[JobRecord]: ...


def loading(bridge: HasJobs) -> str:
    """What is being opened ("Opening SmolLM2: loading PyTorch"), or "" when nothing is."""
    for record in bridge.running():
        if record.kind in OPENING_KINDS:
            # The first model pays for the import; there is nothing to count meanwhile.
            return record.title if "torch" in sys.modules else f"{record.title}: loading PyTorch"
    return ""
