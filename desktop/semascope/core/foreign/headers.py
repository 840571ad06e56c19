"""Names, dtypes and shapes of the tensors in a weights file, without reading the weights. Imports no torch.

Both readers compare what a header claims with the size of the file, so a header that passes can't make a reader allocate
more than a small multiple of what is on disk.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from semascope.core.errors import UserError, from_os_error
from semascope.core.foreign.archives import MOST_RATIO, SparingFile

_MOST_HEADER = 16 << 20
_MOST_TENSORS = 100_000
_MOST_NAME = 1000

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
            text = stream.read(length)
            if text.count(b"{") > _MOST_TENSORS:
                raise _Lie("it claims to hold more tensors than any")
            header = json.loads(text, object_pairs_hook=_without_repeats)
        return _checked(header, size - 8 - length)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise broken(path, "its header makes no sense" if not error.args else _reason(error)) from error
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; one that says the same thing twice would mean something else to each of its readers."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Lie("its header says the same thing twice")
    return found


class _Lie(ValueError):
    """A header that doesn't fit its file; the message ends a sentence."""


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, _Lie) else "its header makes no sense"


def _checked(header: Any, size: int) -> dict[str, TensorInfo]:
    """The tensors of a parsed header, whose data is `size` bytes."""
    if not isinstance(header, dict):
        raise _Lie("its header makes no sense")
    found: dict[str, TensorInfo] = {}
    spans: list[tuple[int, int]] = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if len(name) > _MOST_NAME:
            raise _Lie("its header makes no sense")
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
    if at < size:
        raise _Lie("it is longer than its header says")
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
                if member.filename.removesuffix(".npy") in found or len(member.filename) > _MOST_NAME:
                    raise _Lie("its directory makes no sense")
                found[member.filename.removesuffix(".npy")] = info
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError, NotImplementedError) as error:
        raise broken(path, str(error) if isinstance(error, _Lie) else "it is damaged or truncated") from error
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error
    return found


_NUMPY = {
    "f8": "F64",
    "f4": "F32",
    "f2": "F16",
    "i8": "I64",
    "i4": "I32",
    "i2": "I16",
    "i1": "I8",
    "u1": "U8",
    "b1": "BOOL",
}
_NPY_ITEM = r"'(descr|fortran_order|shape)' *: *('[^'\\]{1,20}'|True|False|\((?:\d{1,15}L?, ?)*(?:\d{1,15}L?)?\))"
_NPY_HEADER = re.compile(rf" *\{{(?: *{_NPY_ITEM} *,?){{3}} *\}}[ \n]*")
_MOST_NPY = 10_000


def _npy_header(stream: IO[bytes]) -> tuple[TensorInfo, int]:
    """What an array's own header says, and where its values begin; looked at more narrowly than numpy does, which evaluates it."""
    start = stream.read(8)
    version = start[6:7]
    if not start.startswith(b"\x93NUMPY") or version not in (b"\1", b"\2", b"\3"):
        raise _Lie("it holds an array of an unknown version")
    width = 2 if version == b"\1" else 4
    length = int.from_bytes(stream.read(width), "little")
    text = stream.read(min(length, _MOST_NPY + 1)).decode("latin-1")
    if len(text) < length:
        raise _Lie("it is damaged or truncated")
    said = dict(re.findall(_NPY_ITEM, text))
    if "'O" in text or "|O" in text:
        raise _Lie("it holds pickled objects, which are never opened")
    if not _NPY_HEADER.fullmatch(text) or len(said) != 3 or not said["shape"].startswith("("):
        raise _Lie("it holds numbers of a kind no SAE has")
    order, dtype = said["descr"][1:2], said["descr"][2:-1]
    if dtype not in _NUMPY or order not in ("<", "|"):
        raise _Lie("it holds numbers of a kind no SAE has")
    shape = tuple(_whole(int(number)) for number in re.findall(r"\d+", said["shape"]))
    return TensorInfo(_NUMPY[dtype], shape), 8 + width + length


def broken(path: Path, why: str) -> UserError:
    """The sentence for a weights file that can't be read."""
    return UserError(f"{path.name} can't be read: {why}.", "Copy or download the file again.")
