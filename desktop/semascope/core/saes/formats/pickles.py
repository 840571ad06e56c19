"""A look at a PyTorch file without opening it: the strings in its pickle, so that its format can be named."""

from __future__ import annotations

import pickletools
import zipfile
import zlib
from pathlib import Path

_MOST_PICKLE = 1 << 20


def torch_strings(path: Path) -> frozenset[str]:
    """The strings in a `torch.save` file's pickle, parsed and not executed; empty when there is no such pickle."""
    found: set[str] = set()
    try:
        with zipfile.ZipFile(path) as archive:
            member = next(info for info in archive.infolist() if info.filename.endswith("data.pkl"))
            with archive.open(member) as stream:
                for _, argument, _ in pickletools.genops(stream.read(_MOST_PICKLE)):
                    if isinstance(argument, str):
                        found.add(argument)
    except (OSError, zipfile.BadZipFile, zlib.error, StopIteration, ValueError, EOFError, RuntimeError, IndexError):
        pass  # what was found until then is all that can be said
    return frozenset(found)
