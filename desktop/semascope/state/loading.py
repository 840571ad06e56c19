"""Whether a model or an SAE is being opened just now, in the words that a panel waiting for it shows. No Qt."""

from __future__ import annotations

from typing import Protocol

from semascope.jobs.records import JobRecord

OPENING_KINDS = ("OpenModel", "OpenSAE")


class HasJobs(Protocol):
    """The part of a bridge that is asked."""

    def running(self) -> list[JobRecord]: ...


def loading(bridge: HasJobs) -> str:
    """What is being opened and how far that is ("Open SmolLM2: loading PyTorch"), or "" when nothing is."""
    for record in bridge.running():
        if record.kind in OPENING_KINDS:
            note = record.progress.note if record.progress else ""
            return f"{record.title}: {note}" if note else record.title
    return ""
