"""Keeps how open SAEs are read, what the session says of it, and what is remembered for the next opening, in step. No Qt.

The session leads: a reading is chosen, undone and redone there, and the engine follows. Where an SAE can't be read so it stays
as it was, and the session is put right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.saes.kept import KeptReading
from semascope.core.saes.reading import Reading
from semascope.core.session import edits
from semascope.core.session.document import Session
from semascope.jobs.infos import SAEInfo
from semascope.jobs.requests import RereadSAE
from semascope.state.readings import ReadingStore

if TYPE_CHECKING:
    from semascope.state.workspace import Workspace


class Rereading:
    """One for a workspace; on the interface thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._store = ReadingStore()
        self._asked: dict[str, Reading] = {}  # what the engine was asked for and has not answered

    @property
    def kept(self) -> Mapping[str, KeptReading]:
        """How SAEs are read where somebody chose it, here or in another session, by fingerprint."""
        return {**self._store.kept, **self._workspace.session.readings}

    def opened(self, info: SAEInfo) -> None:
        """An SAE was opened: the session takes over how it is read, chosen now or before."""
        workspace, kept = self._workspace, self.kept.get(info.fingerprint)
        self._asked.pop(info.fingerprint, None)
        if kept is not None and kept.reading == info.reading:
            workspace.do(edits.adopt_reading(info.fingerprint, kept))
        elif info.reading:
            now = KeptReading(info.reading, made=date.today().isoformat())
            workspace.do(edits.take_reading(info.fingerprint, now))

    def follow(self, before: Session) -> None:
        """The session was changed: read SAEs as it says now, and remember it for the next opening."""
        workspace, old, new = self._workspace, before.readings, self._workspace.session.readings
        for mark in old.keys() | new.keys():
            kept = new.get(mark)
            if kept == old.get(mark):
                continue
            self._store.keep(mark, kept)
            info, reading = workspace.open_now.sae(mark), kept.reading if kept is not None else Reading()
            if info is not None and self._asked.get(mark, info.reading) != reading:
                self._asked[mark] = reading
                workspace.bridge.request(
                    RereadSAE(mark, reading), self._reread, partial(self._refused, info), kind=f"RereadSAE {mark}"
                )
        workspace.bridge.read(self._store.save, kind="save readings")

    def _reread(self, info: SAEInfo) -> None:
        workspace = self._workspace
        if self._asked.get(info.fingerprint) == info.reading:
            del self._asked[info.fingerprint]
        if workspace.open_now.sae(info.fingerprint) is not None:
            workspace.open_now.put_sae(info)
            workspace.engine_changed.emit()

    def _refused(self, info: SAEInfo, error: UserError) -> None:
        """The SAE stays as it was: the session says so too."""
        workspace, mark = self._workspace, info.fingerprint
        self._asked.pop(mark, None)
        now = workspace.open_now.sae(mark) or info
        kept = workspace.session.readings.get(mark, KeptReading())
        workspace.do(edits.take_reading(mark, replace(kept, reading=now.reading)))
        workspace.fail(error)
