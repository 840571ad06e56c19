"""A working copy of a session that must not change itself, such as the demo's, which is shipped read-only."""

from __future__ import annotations

from pathlib import Path

from semascope.core.errors import UserError
from semascope.core.session.document import Reference, Session
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
        if _of_the_same(opened.session, original):
            return opened
        opened.close()
    raise UserError(f"There are too many copies of {source.name} in {folder}.", "Remove some of them.")


def _of_the_same(copy: Session, original: Session) -> bool:
    """Whether a copy still has the model and corpus, and among its dictionaries the SAE and harvest, of the original."""
    known = {(_sha256(each.sae), _sha256(each.harvest)) for each in copy.dictionaries}
    return (
        _sha256(copy.model) == _sha256(original.model)
        and _sha256(copy.corpus) == _sha256(original.corpus)
        and (original.key == "" or (_sha256(original.sae), _sha256(original.harvest)) in known)
    )


def _sha256(reference: Reference | None) -> str:
    return reference.sha256 if reference else ""
