"""Keeps the session in its file. No Qt; called on the disk pool, one call at a time.

A session without a file gets one in the user's sessions folder at its first save, so nothing has to be named before
it is safe. The embedded demo, and any file that can't be written, is read and goes on in a file of its own.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from semascope import paths
from semascope.core.session.copies import open_working_copy
from semascope.core.session.document import Session
from semascope.core.session.file import SessionFile, read_session


class SessionKeeper:
    """The open session file, or none yet. `path` is where it is."""

    def __init__(self) -> None:
        self._file: SessionFile | None = None
        self._lock = threading.Lock()

    @property
    def path(self) -> Path | None:
        return self._file.path if self._file else None

    def open(self, path: Path) -> Session:
        """Open a session file and hold it for saving.

        Raises:
            UserError: It is no session, damaged, or open in another window; the session that was open stays so.
        """
        path = path.resolve()
        with self._lock:
            if self._file is not None and self._file.path == path:
                return self._file.session
            if paths.demo_dir().resolve() in path.parents:
                self._replace(open_working_copy(path, paths.sessions_dir()))
            elif os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
                self._replace(SessionFile.open(path))
            else:
                session = read_session(path)
                self._replace(None)
                return session
            assert self._file is not None
            return self._file.session

    def save(self, session: Session) -> Path:
        """Write the session to its file, and return where that is."""
        with self._lock:
            if self._file is None:
                self._file = SessionFile.create(_unused(time.strftime("Session %Y-%m-%d %H.%M")))
            self._file.save(session)
            return self._file.path

    def save_as(self, path: Path, session: Session) -> Path:
        """Write the session to another file and go on in that one. The old file stays as it was saved last."""
        with self._lock:
            if self._file is not None and self._file.path == path.resolve():
                self._file.save(session)
            else:
                self._replace(SessionFile.create(path, session, overwrite=True))
            assert self._file is not None
            return self._file.path

    def close(self) -> None:
        """Leave the file whole on disk, as one file; the next save begins another."""
        with self._lock:
            self._replace(None)

    def _replace(self, file: SessionFile | None) -> None:
        if self._file is not None:
            self._file.close()
        self._file = file


def _unused(stem: str) -> Path:
    """A file name in the sessions folder that nobody has taken."""
    folder = paths.sessions_dir()
    number, path = 1, folder / f"{stem}.semascope"
    while path.exists():
        number += 1
        path = folder / f"{stem} ({number}).semascope"
    return path
