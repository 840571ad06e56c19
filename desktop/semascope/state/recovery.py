"""Knows whether the last run of the program ended well, and which session it had open if not. No Qt.

A small file says which process works on which session. It is removed when the window closes; one whose process is
gone means that the program was killed, and that its session (saved to the last second) should be opened again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import psutil

from semascope import paths


class Recovery:
    """The marker of this process."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or paths.state_dir() / "running"
        self._own = self._folder / f"{os.getpid()}.json"

    def working_on(self, session: Path) -> None:
        """Note down what is open. That it can't be is no reason to stop anybody."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            born = psutil.Process().create_time()
            self._own.write_text(json.dumps({"session": str(session), "born": born}), encoding="utf-8")
        except OSError:
            return

    def ended_well(self) -> None:
        self._own.unlink(missing_ok=True)

    def left_behind(self) -> Path | None:
        """The session of a run that was killed, newest first, or None. Its marker is taken away: it is told once."""
        found: list[tuple[float, Path]] = []
        for marker in self._folder.glob("*.json"):
            session = _of_dead_process(marker)
            if session is not None:
                found.append((marker.stat().st_mtime, session))
                marker.unlink(missing_ok=True)
        return max(found)[1] if found else None


def _of_dead_process(marker: Path) -> Path | None:
    try:
        record = json.loads(marker.read_text(encoding="utf-8"))
        session, born, number = Path(record["session"]), float(record["born"]), int(marker.stem)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if not session.is_file():
        return None
    try:
        alive = abs(psutil.Process(number).create_time() - born) < 2
    except psutil.Error:
        alive = False
    return None if alive else session
