"""Scratch files of a harvest that is under way: windows of activations, and the contexts read so far. Numpy only.

Windows of kept examples lie in memory-mapped files whose room is taken before the start: a full disk is then an error at the
start and never a fault in a mapped page. A window is only ever overwritten by that of an example which has taken its place
for good. So, after a kill, a checkpoint may be older than these files: whatever it still keeps in the end has not been
overwritten, or is written again.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from semascope.core.corpus.contexts import Context

UNCOUNTED = np.float16(-1.0)
_ZEROS = bytes(1 << 20)


class ExampleScratch:
    """Where kept examples are stored, by feature and slot.

    Attributes:
        windows: Activations around the peak, float16, shape (m, slots, width): 0 beyond the context's end, and `UNCOUNTED` on
            positions that do not count (special tokens, sinks).
        values: The activation of the peak, float32, shape (m, slots).
        positions: Index of the peak in its context, uint32, shape (m, slots).
    """

    def __init__(self, folder: Path, name: str, features: int, slots: int, width: int) -> None:
        """Open the files of this name, making them if they are not there.

        Raises:
            OSError: There is no room for them.
        """
        self.windows = _mapped(folder / f"{name}.windows", np.dtype(np.float16), (features, slots, width))
        self.values = _mapped(folder / f"{name}.values", np.dtype(np.float32), (features, slots))
        self.positions = _mapped(folder / f"{name}.positions", np.dtype(np.uint32), (features, slots))

    @staticmethod
    def size(features: int, slots: int, width: int) -> int:
        """Bytes on the disk."""
        return features * slots * (2 * width + 8)

    def store(
        self,
        feature: NDArray[np.int64],
        slot: NDArray[np.int64],
        value: NDArray[np.float32],
        position: NDArray[np.int64],
        windows: NDArray[np.float16],
    ) -> None:
        """Store examples; of two for one slot the later stays."""
        self.values[feature, slot] = value
        self.positions[feature, slot] = position
        self.windows[feature, slot] = windows

    def flush(self) -> None:
        """Bring what was stored onto the disk."""
        for array in (self.windows, self.values, self.positions):
            array.flush()


class ContextLog:
    """The contexts read so far: token ids one behind the other, and where each context begins. Only ever appended to."""

    ENTRY = np.dtype([("offset", "<i8"), ("length", "<u4"), ("document", "<u4"), ("start", "<i4")])

    def __init__(self, folder: Path, vocabulary: int) -> None:
        self.dtype = np.dtype("<u2") if vocabulary <= 1 << 16 else np.dtype("<u4")
        self._paths = [folder / name for name in ("contexts.tokens", "contexts.index", "contexts.documents")]
        self._files = [path.open("ab") for path in self._paths]
        self.documents = 0

    def append(self, window: Sequence[Context], names: dict[int, str], bos_id: int | None) -> None:
        """Add contexts, and the names of documents up to the last one's.

        Args:
            window: Contexts in corpus order.
            names: Names of documents, by index; what has been written is removed.
            bos_id: The BOS that was put in front of contexts, or None.
        """
        tokens, index, documents = self._files
        offset = tokens.tell() // self.dtype.itemsize
        entries = np.zeros(len(window), dtype=self.ENTRY)
        for i, context in enumerate(window):
            front = int(bos_id is not None and context.ids[0] == bos_id)
            entries[i] = (offset, len(context.ids), context.document, context.start - front)
            tokens.write(context.ids.astype(self.dtype).tobytes())
            offset += len(context.ids)
        index.write(entries.tobytes())
        while self.documents <= window[-1].document:
            documents.write(json.dumps(names.pop(self.documents, "")).encode() + b"\n")
            self.documents += 1

    def flush(self) -> None:
        """Bring what was appended onto the disk."""
        for file in self._files:
            file.flush()
            os.fsync(file.fileno())

    def mark(self) -> list[int]:
        """Where the files end now, for `rewind`."""
        return [*(file.tell() for file in self._files), self.documents]

    def rewind(self, mark: Sequence[int]) -> None:
        """Forget what was appended behind `mark`."""
        for file, size in zip(self._files, mark[:3], strict=True):
            file.truncate(size)
            file.seek(size)
        self.documents = mark[3]

    def index(self) -> NDArray:
        """The entries (`ENTRY`) of all contexts."""
        self.flush()
        return np.fromfile(self._paths[1], dtype=self.ENTRY)

    def tokens(self) -> NDArray[np.uint32]:
        """All token ids, mapped, uint16 or uint32."""
        self.flush()
        return np.memmap(self._paths[0], dtype=self.dtype, mode="r")

    def names(self) -> list[str]:
        """The names of all documents."""
        self.flush()
        with self._paths[2].open("rb") as lines:
            return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


def _mapped(path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> np.memmap:
    size = dtype.itemsize * int(np.prod(shape))
    if not path.exists() or path.stat().st_size != size:
        with path.open("wb") as file:
            _take_room(file, size)
    return np.memmap(path, dtype=dtype, mode="r+", shape=shape)


def _take_room(file: BinaryIO, size: int) -> None:
    """Make a new file as long as `size`, with every block of it on the disk."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that can't promise room
                raise
    for at in range(0, size, len(_ZEROS)):
        file.write(_ZEROS[: size - at])
