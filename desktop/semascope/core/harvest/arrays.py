"""Named arrays in one safetensors file: written as a stream, opened by memory map. Numpy only.

The safetensors package copies what it reads and holds what it writes; a harvest of millions of features should do neither.
Files made here open with it too (https://github.com/huggingface/safetensors, "Format").
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from semascope.core.errors import UserError, from_os_error

_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
}
_DTYPES = {short: np.dtype(name) for name, short in _NAMES.items()}
_LONGEST_HEADER = 1 << 20
_CHUNK = 8 << 20


@dataclass(frozen=True)
class Stream:
    """An array that is made piece by piece, along its first axis."""

    dtype: DTypeLike
    shape: tuple[int, ...]
    pieces: Iterable[NDArray[Any]]


@dataclass(frozen=True)
class Written:
    """What a file holds: its size in bytes and the sha256 of its content."""

    size: int
    sha256: str


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any] | Stream]) -> Iterator[Written]:
    """Write a safetensors file; yields what has been written after every few megabytes, at the end the whole.

    Raises:
        OSError: The disk is full, or the file can't be written.
    """
    # The widest first, so that every array begins at a multiple of its item's size.
    ordered = sorted(arrays.items(), key=lambda item: (-np.dtype(item[1].dtype).itemsize, item[0]))
    header: dict[str, Any] = {}
    at = 0
    for name, array in ordered:
        dtype = np.dtype(array.dtype)
        size = dtype.itemsize * math.prod(array.shape)
        header[name] = {"dtype": _NAMES[dtype.name], "shape": list(array.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    written = 0
    with path.open("wb") as file:
        pieces = (piece for _, array in ordered for piece in _pieces(array))
        for piece in itertools.chain((memoryview(len(text).to_bytes(8, "little")), memoryview(text)), pieces):
            file.write(piece)
            digest.update(piece)
            written += len(piece)
            yield Written(written, digest.copy().hexdigest())
    if written != 8 + len(text) + at:
        raise ValueError(f"{path.name}: a stream was not as long as it said")


def _pieces(array: NDArray[Any] | Stream) -> Iterator[memoryview]:
    for piece in array.pieces if isinstance(array, Stream) else [array]:
        raw = np.ascontiguousarray(piece, dtype=array.dtype).reshape(-1).view(np.uint8)
        for at in range(0, len(raw), _CHUNK):
            yield raw[at : at + _CHUNK].data


def map_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, read-only, mapped and not read.

    Raises:
        UserError: The file is missing, truncated or something else.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            text = file.read(length) if length <= _LONGEST_HEADER else b""
        whole = np.memmap(path, dtype=np.uint8, mode="r") if size else np.zeros(0, np.uint8)
    except OSError as error:
        raise from_os_error(error, f"read {path.name}") from error
    try:
        header = json.loads(text)
        arrays = {name: _view(whole[8 + length :], entry) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path.name} is damaged.", "Make the harvest again, or copy it again.") from error
    return arrays


def _view(data: NDArray[np.uint8], entry: dict[str, Any]) -> NDArray[Any]:
    """One array in `data`, the part of the file behind its header."""
    dtype, shape = _DTYPES[entry["dtype"]], tuple(int(n) for n in entry["shape"])
    begin, end = (int(offset) for offset in entry["data_offsets"])
    if min((*shape, begin), default=0) < 0 or end > len(data) or end - begin != dtype.itemsize * math.prod(shape):
        raise ValueError("offsets do not fit")
    return np.frombuffer(data[begin:end], dtype=dtype).reshape(shape)
