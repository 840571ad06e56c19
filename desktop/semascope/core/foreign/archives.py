"""Reading zip archives that may lie about themselves: how far one may unpack, and a file that hands out no huge pieces."""

from __future__ import annotations

import io
import os
from pathlib import Path

MOST_RATIO = 64
"""How much smaller an archive may be than its content: weights hardly compress, a zip bomb is a thousand times smaller."""

_MOST_AT_ONCE = 64 << 20


class SparingFile(io.FileIO):
    """A file that gives no more than 64 MB at once, since `zipfile` asks for as much as the archive's directory claims.

    Attributes:
        size: In bytes, when it was opened.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self.size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """As files do.

        Raises:
            ValueError: So much is never asked for by an honest archive.
        """
        wanted = max(0, self.size - self.tell()) if size is None or size < 0 else size
        if wanted > _MOST_AT_ONCE:
            raise ValueError("an archive's directory claims to be larger than any")
        parts = []
        while wanted > 0 and (part := super().read(wanted)):
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)
