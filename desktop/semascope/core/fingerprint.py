"""Fingerprints: which file was this? sha256 of the content, sampled where a model is too large to read at every opening.

A fingerprint names its method: `sha256:…` covers every byte, `sha256-sampled:…` the names and sizes of the files, and the
first, last and evenly spaced blocks of each. The sampled one tells versions apart; it is no proof against forgery.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

_WHOLE_BELOW = 512 << 20
_BLOCK = 1 << 20
_BLOCKS = 16


def fingerprint(files: Iterable[Path], part: str = "") -> str:
    """The fingerprint of some files together, or of a `part` of them; independent of where they lie and of the order given.

    Raises:
        OSError: A file can't be read.
    """
    ordered = sorted(files, key=lambda file: file.name)
    whole = sum(file.stat().st_size for file in ordered) <= _WHOLE_BELOW
    digest = hashlib.sha256(part.encode(errors="surrogatepass"))
    for file in ordered:
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode(errors="surrogatepass"))
        with file.open("rb") as stream:
            if whole:
                while block := stream.read(_BLOCK):
                    digest.update(block)
            else:
                for at in sorted({max(0, (size - _BLOCK) * i // (_BLOCKS - 1)) for i in range(_BLOCKS)}):
                    stream.seek(at, os.SEEK_SET)
                    digest.update(stream.read(_BLOCK))
    return f"{'sha256' if whole else 'sha256-sampled'}:{digest.hexdigest()}"
