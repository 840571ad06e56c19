"""Files of torch.save (.pt, .pth, .bin), read without torch.load and without executing anything.

What a pickle says is worked out by `torch_pickle`, where the storages lie by `torch_containers`; tensors are mapped into
memory where they lie as they are, so that opening a file of 50 GB costs nothing. torch is imported when values are read.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semascope.core.errors import UserError, from_os_error
from semascope.core.foreign.archives import MOST_RATIO
from semascope.core.foreign.headers import DTYPES, TensorInfo, broken
from semascope.core.foreign.torch_containers import Program, Span, contained
from semascope.core.foreign.torch_words import StoredTensor, UnknownClass, Unreadable

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StoredTensor", "TorchFile", "torch_file"]

_MOST_TENSORS = 100_000
_MOST_NAME = 1000
_SMALL = 16 << 20
_TORCH = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool", "U16": "uint16", "U32": "uint32", "U64": "uint64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
_CONVERT = "Save its tensors as .safetensors in the program that made it."


@dataclass(frozen=True)
class TorchFile:
    """What a file of torch.save holds.

    Attributes:
        path: The file.
        skip: Bytes before torch's own first one.
        content: What was saved: nested dicts, lists and tuples of plain values and `StoredTensor`s; what is neither is None.
    """

    path: Path
    skip: int
    content: Any = field(repr=False)
    _spans: Mapping[str, Span] = field(repr=False)
    _swapped: bool = field(repr=False)
    _stamp: tuple[int, int] = field(repr=False)

    def tensors(self) -> dict[str, StoredTensor]:
        """Every tensor in the dicts, its keys joined with "."; a tensor that was saved alone has the name "".

        Raises:
            UserError: There are too many, or two of the same name.
        """
        found: dict[str, StoredTensor] = {}
        for name, tensor in _below("", self.content):
            if name in found or len(found) >= _MOST_TENSORS:
                raise broken(
                    self.path, "it holds two tensors of the same name" if name in found else "it holds too many tensors"
                )
            found[name] = tensor
        return found

    def header(self) -> dict[str, TensorInfo]:
        """Dtype and shape of every tensor, by its name."""
        return {name: TensorInfo(tensor.dtype, tensor.shape) for name, tensor in self.tensors().items()}

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors by name, on the CPU, of their own dtype, shape and strides; those that share a storage still do.

        A storage that lies in the file as it is in memory is mapped: changes made to it stay in memory.

        Raises:
            UserError: A tensor is missing, or the file has changed or can't be read.
        """
        import torch

        found = self.tensors()
        storages: dict[tuple[str, str], Tensor] = {}
        tensors: dict[str, Tensor] = {}
        try:
            if _stamp(self.path) != self._stamp:
                raise UserError(f"{self.path.name} has changed while it was read.", "Open it again.")
            for name in names:
                if name not in found:
                    raise UserError(f"{self.path.name} has no tensor {name[:60]}.", "Copy the whole folder again.")
                stored = found[name]
                place = (stored.storage, stored.dtype)
                if place not in storages:
                    raw = self._bytes(self._spans[stored.storage], DTYPES[stored.dtype])
                    dtype = getattr(torch, _TORCH[stored.dtype])
                    storages[place] = torch.from_numpy(raw).view(dtype) if len(raw) else torch.empty(0, dtype=dtype)
                tensors[name] = storages[place].as_strided(stored.shape, stored.stride, stored.offset)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
            raise broken(self.path, "it is damaged or truncated") from error
        except OSError as error:
            raise from_os_error(error, f"read {self.path}") from error
        return tensors

    def number(self, name: str) -> float | None:
        """The value of a tensor that holds a single number, read without torch; None where there is no such tensor.

        Raises:
            UserError: The file can't be read.
        """
        stored = self.tensors().get(name)
        if stored is None or math.prod(stored.shape) != 1 or stored.dtype.startswith("F8"):
            return None
        width = DTYPES[stored.dtype]
        try:
            whole = self._bytes(self._spans[stored.storage], width)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
            raise broken(self.path, "it is damaged or truncated") from error
        except OSError as error:
            raise from_os_error(error, f"read {self.path}") from error
        raw = whole[stored.offset * width : (stored.offset + 1) * width].tobytes()
        kind = {"F": "f", "I": "i", "U": "u", "B": "u"}[stored.dtype[0]]
        if stored.dtype == "BF16":  # the upper half of a float32
            raw, width, kind = b"\0\0" + raw, 4, "f"
        return float(np.frombuffer(raw, f"<{kind}{width}")[0]) if len(raw) == width else None

    def _bytes(self, span: Span, width: int) -> np.ndarray:
        """The whole numbers of a storage, `width` bytes each, as bytes in this machine's order."""
        size = span.size - span.size % width
        if size == 0:
            return np.empty(0, np.uint8)
        if span.member:
            with zipfile.ZipFile(self.path) as archive, archive.open(span.member) as stream:
                raw = np.frombuffer(bytearray(stream.read(size)), np.uint8)
        elif span.begin % width or self._swapped:
            raw = np.fromfile(self.path, np.uint8, size, offset=span.begin)
        else:
            raw = np.memmap(self.path, np.uint8, "c", span.begin, (size,))
        if len(raw) != size:
            raise EOFError
        return raw.view(f"u{width}").byteswap().view(np.uint8) if self._swapped else raw


def torch_file(path: Path, *, skip: int = 0) -> TorchFile:
    """What the file at `path` holds behind its first `skip` bytes; no weights are read.

    Raises:
        UserError: It is damaged, lies about its sizes, is a program, or holds objects other than tensors and plain values.
    """
    try:
        stamp = _stamp(path)
        inside = contained(path, skip)
        file = TorchFile(path, skip, inside.value, inside.spans, inside.swapped, stamp)
        # A tensor may repeat a few numbers endlessly; it must not grow beyond all measure once someone copies it.
        whole = sum(math.prod(tensor.shape) * DTYPES[tensor.dtype] for tensor in file.tensors().values())
        if whole > MOST_RATIO * stamp[0] + _SMALL:
            raise broken(path, "it would unpack to far more than any SAE")
        return file
    except UnknownClass as error:
        name = "".join(letter if letter.isprintable() else "?" for letter in str(error)[:100])
        raise UserError(
            f"{path.name} holds objects of the class {name}, which could run code, and is not opened.", _CONVERT
        ) from error
    except Program as error:
        raise UserError(f"{path.name} is a TorchScript program, which is code, and is not opened.", _CONVERT) from error
    except Unreadable as error:
        raise broken(path, str(error)) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
        raise broken(path, "it is damaged or truncated") from error
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _below(name: str, value: Any) -> Iterator[tuple[str, StoredTensor]]:
    """The tensors of a value that `torch_pickle.plain` gave, and so of one that is no deeper and no larger than it allows."""
    if isinstance(value, StoredTensor):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            key = str(key)
            if len(name) + len(key) < _MOST_NAME:
                yield from _below(f"{name}.{key}" if name else key, inner)
