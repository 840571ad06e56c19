"""The folder of a harvest that is under way: claimed, checkpointed, taken up again, and at last given its name.

`<out>.partial` holds the final files as they are written and, in `scratch`, what is only needed until then. A checkpoint appears
whole or not at all, so after `kill -9` the harvest goes on from the last one.
"""

from __future__ import annotations

import errno
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from semascope.core.atomic import atomic_file, publish_folder
from semascope.core.errors import UserError


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Where a harvest was: its arrays by name, and everything else as JSON values."""

    arrays: dict[str, NDArray]
    record: dict[str, Any]


class Partial:
    """A harvest folder before it has its name.

    Attributes:
        out: The final name.
        path: The folder under its present name.
        scratch: The folder inside for what is not part of the harvest.
    """

    def __init__(self, out: Path, resume: bool) -> None:
        """Claim the place of a harvest.

        Raises:
            UserError: There is something under the final name; an unfinished harvest and no wish to resume it; or one that
                another process is at work on.
            OSError: The folder can't be made.
        """
        self.out = out
        self._lock: BinaryIO | None = None
        self.path = out.with_name(f"{out.name}.partial")
        self.scratch = self.path / "scratch"
        self._checkpoint = self.scratch / "checkpoint.npz"
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise UserError(f"{out} exists already.", "Choose another name, or remove it first.")
        if self.resumable and not resume:
            raise UserError(
                f"There is an unfinished harvest at {self.path}.", "Use --resume to go on with it, or delete it."
            )
        if self.whole:
            return
        if self.path.exists() and not self.scratch.is_dir():
            raise UserError(
                f"{self.path} exists already and is no unfinished harvest.", "Move it, or choose another name."
            )
        self.scratch.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self.scratch / "lock")
        if not self.resumable:
            self._clear()

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return self._checkpoint.is_file()

    @property
    def whole(self) -> bool:
        """Whether everything is written and only the name is missing."""
        return (self.path / "harvest.json").is_file() and not self.scratch.exists()

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint.

        Raises:
            OSError: The disk is full, or the file can't be written; the former checkpoint is still there.
        """
        record = np.frombuffer(json.dumps(checkpoint.record).encode(), dtype=np.uint8)
        with atomic_file(self._checkpoint) as path, path.open("wb") as file:
            np.savez(file, allow_pickle=False, record=record, **checkpoint.arrays)

    def load(self) -> Checkpoint:
        """Read the checkpoint.

        Raises:
            UserError: It is damaged.
        """
        try:
            with np.load(self._checkpoint, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            return Checkpoint(arrays, json.loads(arrays.pop("record").tobytes()))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"The checkpoint of {self.path} is damaged.", "Delete that folder and begin anew."
            ) from error

    def publish(self) -> None:
        """Give the finished folder its name."""
        self._unlock()
        shutil.rmtree(self.scratch, ignore_errors=True)
        publish_folder(self.path, self.out)

    def leave(self) -> None:
        """Keep what can be resumed, and remove anything else."""
        self._unlock()
        if not self.resumable and not self.whole:
            shutil.rmtree(self.path, ignore_errors=True)

    def _clear(self) -> None:
        """Remove what a harvest that was killed early has left."""
        for file in (*self.path.iterdir(), *self.scratch.iterdir()):
            if file.is_file() and file.name != "lock":
                file.unlink()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _lock(path: Path) -> BinaryIO:
    """Hold a lock that the system lets go of when the process ends, however it ends; none where there is no such lock."""
    file = path.open("wb")
    try:
        import fcntl
    except ImportError:  # Windows, where the open scratch files themselves are in the way of a second process
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise UserError(
                f"Another process is harvesting into {path.parent.parent}.", "Wait for it, or choose another name."
            ) from error
        return path.open("wb")  # a file system without locks
    return file


def unfinished(out: Path) -> bool:
    """Whether there is an unfinished harvest for `out` that can be resumed."""
    return (out.with_name(f"{out.name}.partial") / "scratch" / "checkpoint.npz").is_file()
