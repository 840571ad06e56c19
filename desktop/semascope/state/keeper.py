"""Keeps the session in its file. No Qt; called on the disk pool, one call at a time.

A session without a file gets one in the user's sessions folder at its first save, so nothing has to be named before it is safe.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from semascope import paths
from semascope.core.errors import UserError
from semascope.core.session.file import SessionFile
from semascope.core.session.model import Session


class SessionKeeper:
    """The open session file, or none yet. `path` is where it is."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self._file: SessionFile | None = None
        self._lock = threading.Lock()

    def open(self, path: Path) -> Session:
        """Open a session file and hold it for saving."""
        with self._lock:
            file = SessionFile.open(path)
            try:
                session = file.session()
            except UserError:
                file.close()
                raise
            self._replace(file, path)
            return session

    def save(self, session: Session) -> Path:
        """Write the session to its file and return the file's path."""
        with self._lock:
            if self._file is None or self.path is None:
                path = _unused(paths.sessions_dir())
                self._replace(SessionFile.create(path), path)
            assert self._file is not None
            assert self.path is not None
            self._file.save(session)
            return self.path

    def save_as(self, path: Path, session: Session) -> Path:
        """Write the session to a new file and go on in that one."""
        with self._lock:
            file = SessionFile.create(path)
            file.save(session)
            self._replace(file, path)
            return path

    def close(self) -> None:
        """Leave the file whole on disk, as one file."""
        with self._lock:
            self._replace(None, None)

    def _replace(self, file: SessionFile | None, path: Path | None) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self.path = file, path


def _unused(folder: Path) -> Path:
    """A file name by the clock that nobody has taken."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = time.strftime("Session %Y-%m-%d %H.%M")
    names = [f"{stem}.semascope", *(f"{stem} ({n}).semascope" for n in range(2, 1000))]
    return next(folder / name for name in names if not (folder / name).exists())
