"""A working copy of a session that must not change itself, such as the demo's, which is shipped read-only."""

from __future__ import annotations

from pathlib import Path

from semascope.core.errors import UserError
from semascope.core.session.document import KINDS, Session
from semascope.core.session.file import SessionFile, read_session

_MOST_COPIES = 1000


def open_working_copy(source: Path, folder: Path) -> SessionFile:
    """Open the person's copy of `source` in `folder`, so that what they did with it last time is still there.

    A new copy is made where there is none yet, where the last one is open in another window or damaged, and where it
    no longer refers to the same model, SAE and harvest as the source: a new release may ship another dictionary.

    Raises:
        UserError: The source is no session, or the copy can't be written.
    """
    original = read_session(source)
    for number in range(1, _MOST_COPIES):
        copy = folder / (source.name if number == 1 else f"{source.stem} {number}{source.suffix}")
        if not copy.exists():
            return SessionFile.create(copy, original)
        try:
            opened = SessionFile.open(copy)
        except UserError:
            continue
        if all(_fingerprint(opened.session, kind) == _fingerprint(original, kind) for kind in KINDS):
            return opened
        opened.close()
    raise UserError(f"There are too many copies of {source.name} in {folder}.", "Remove some of them.")


def _fingerprint(session: Session, kind: str) -> str:
    reference = getattr(session, kind)
    return reference.sha256 if reference else ""
