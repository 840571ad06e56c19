"""Names, dtypes and shapes of the tensors in a weights file, without reading the weights. Imports no torch.

Both readers compare what a header claims with the size of the file, so a header that passes can't make a reader allocate
more than a small multiple of what is on disk.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from semascope.core.errors import UserError, from_os_error
from semascope.core.foreign.archives import MOST_RATIO, SparingFile

_MOST_HEADER = 16 << 20
_MOST_TENSORS = 100_000

DTYPES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
DTYPES |= {"U16": 2, "U32": 4, "U64": 8, "F8_E4M3": 1, "F8_E5M2": 1}
FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


class TensorInfo(NamedTuple):
    """One tensor's dtype, by safetensors' names, and shape."""

    dtype: str
    shape: tuple[int, ...]


def safetensors_header(path: Path) -> Mapping[str, TensorInfo]:
    """The tensors of a .safetensors file.

    Raises:
        UserError: The file is truncated, or its header lies.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > min(size - 8, _MOST_HEADER):
                raise broken(
                    path, "its header is longer than the file" if length > size - 8 else "its header is too long"
                )
            header = json.loads(stream.read(length))
        return _checked(header, size - 8 - length)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise broken(path, "its header makes no sense" if not error.args else _reason(error)) from error
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error


class _Lie(ValueError):
    """A header that doesn't fit its file; the message ends a sentence."""


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, _Lie) else "its header makes no sense"


def _checked(header: Any, size: int) -> dict[str, TensorInfo]:
    """The tensors of a parsed header, whose data is `size` bytes."""
    if not isinstance(header, dict) or len(header) > _MOST_TENSORS:
        raise _Lie("its header makes no sense")
    found: dict[str, TensorInfo] = {}
    spans: list[tuple[int, int]] = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (_whole(value) for value in entry["data_offsets"])
        shape = tuple(_whole(value) for value in entry["shape"])
        if entry["dtype"] not in DTYPES:
            raise _Lie(f"{name[:60]} has a number format that is not known")
        if math.prod(shape) * DTYPES[entry["dtype"]] != end - begin:
            raise _Lie(f"{name[:60]} has not the size its shape says")
        spans.append((begin, end))
        found[name] = TensorInfo(entry["dtype"], shape)
    at = 0
    for begin, end in sorted(spans):
        if begin != at:
            raise _Lie("its tensors overlap or leave gaps")
        at = end
    if at > size:
        raise _Lie("it is truncated")
    return found


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 48:
        raise _Lie("its header makes no sense")
    return value


def npz_header(path: Path) -> Mapping[str, TensorInfo]:
    """The arrays of a .npz file; none of them may be a pickle.

    Raises:
        UserError: The file is damaged, holds something other than plain arrays, or unpacks to far more than it is.
    """
    found: dict[str, TensorInfo] = {}
    try:
        size = path.stat().st_size
        with SparingFile(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > _MOST_TENSORS or sum(m.file_size for m in members) > MOST_RATIO * size:
                raise broken(path, "it would unpack to far more than any SAE")
            for member in members:
                with archive.open(member) as stream:
                    info, start = _npy_header(stream)
                if math.prod(info.shape) * DTYPES[info.dtype] + start != member.file_size:
                    raise _Lie(f"{member.filename[:60]} has not the size its shape says")
                found[member.filename.removesuffix(".npy")] = info
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        KeyError,
        EOFError,
        RuntimeError,
        struct.error,
        SyntaxError,
    ) as error:
        raise broken(path, str(error) if isinstance(error, _Lie) else "it is damaged or truncated") from error
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error
    return found


_NUMPY = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "bool": "BOOL"}


def _npy_header(stream: IO[bytes]) -> tuple[TensorInfo, int]:
    """What an array's own header says, and where its values begin."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise _Lie("it holds an array of an unknown version")
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise _Lie("it holds pickled objects, which are never opened")
    if dtype.name not in _NUMPY or not dtype.isnative:
        raise _Lie("it holds numbers of a kind no SAE has")
    return TensorInfo(_NUMPY[dtype.name], tuple(_whole(n) for n in shape)), stream.tell()


def broken(path: Path, why: str) -> UserError:
    """The sentence for a weights file that can't be read."""
    return UserError(f"{path.name} can't be read: {why}.", "Copy or download the file again.")
