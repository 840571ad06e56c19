"""The words a PyTorch pickle may use, and what each means here: a tensor by where it lies, or a plain value. No torch.

A pickle names classes and functions to be called; `torch_pickle` looks them up in these tables and in nothing else, so that
a word without a meaning here can't have any effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from semascope.core.foreign.headers import DTYPES

_MOST_DIMENSIONS = 32

STORAGES = {
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "LongStorage": "I64",
    "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8", "BoolStorage": "BOOL",
}  # fmt: skip
DTYPES_BY_NAME = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL", "uint16": "U16", "uint32": "U32", "uint64": "U64",
    "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
}  # fmt: skip
"""Dtypes by torch's names."""


class Unreadable(ValueError):
    """A pickle, or the file around it, that makes no sense; the message ends a sentence."""


class UnknownClass(Exception):
    """A pickle that names something that is neither a tensor nor a plain value: its full name."""


class StoredTensor(NamedTuple):
    """A tensor as it lies in a storage.

    Attributes:
        dtype: Its numbers, by safetensors' names ("F32").
        shape: Its lengths.
        stride: Elements from one index to the next, for each axis.
        offset: Elements before its first one in the storage.
        storage: The storage's key.
    """

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    storage: str


class Storage(NamedTuple):
    """What a pickle claims about a storage: a row of bytes that tensors share.

    Attributes:
        key: Its name.
        dtype: What the bytes are, by safetensors' names; bytes of no type are "U8".
        length: In elements.
    """

    key: str
    dtype: str
    length: int

    @property
    def size(self) -> int:
        """In bytes."""
        return self.length * DTYPES[self.dtype]


class Word(NamedTuple):
    """A class or function that a pickle names, and that has a meaning here."""

    name: str


class View(NamedTuple):
    """A part of a storage, in elements."""

    storage: Storage
    begin: int
    length: int


def enter(target: dict[Any, Any], items: Any) -> None:
    """Set items; those whose key is neither a word nor a small number are left out: no tensor is ever asked for by them."""
    target.update((key, value) for key, value in items if _is_key(key))


def _is_key(key: Any) -> bool:
    return isinstance(key, str) or key is None or (isinstance(key, int) and abs(key) < 1 << 48)


def is_odd_tensor(name: str) -> bool:
    """Whether torch's `name` has to do with complex, sparse, quantised or nested tensors, or those of another device."""
    return name.endswith(("Storage", "Tensor")) or name.startswith(("_rebuild_", "complex", "q"))


def whole(value: Any) -> int:
    """A size that a file could have."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 48:
        raise Unreadable("it holds a tensor of an impossible size")
    return value


def _wholes(values: Any) -> tuple[int, ...]:
    if not isinstance(values, tuple | list) or len(values) > _MOST_DIMENSIONS:
        raise Unreadable("it holds a tensor of an impossible size")
    return tuple(whole(value) for value in values)


def _tensor(view: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> StoredTensor:
    """A tensor, if it lies within its storage. Whether gradients were wanted doesn't matter here."""
    if not isinstance(view, View):
        raise Unreadable("its pickle makes no sense")
    return _placed(view, view.storage.dtype, whole(offset), _wholes(shape), _wholes(stride))


def _tensor_v2(
    view: Any, offset: Any, shape: Any, stride: Any, grad: Any, hooks: Any, flags: Any = None
) -> StoredTensor:
    if flags:  # conjugated or negated when it is read
        raise Unreadable("it holds tensors of a kind no SAE has")
    return _tensor(view, offset, shape, stride, grad, hooks)


def _tensor_v3(
    view: Any, offset: Any, shape: Any, stride: Any, _: Any, __: Any, dtype: Any, flags: Any = None
) -> StoredTensor:
    """A tensor over bytes of no type."""
    untyped = isinstance(view, View) and view.storage.dtype == "U8" and view.begin == 0
    if flags or not untyped or not isinstance(dtype, str):
        raise Unreadable("it holds tensors of a kind no SAE has")
    return _placed(view, DTYPES_BY_NAME[dtype.removeprefix("torch.")], whole(offset), _wholes(shape), _wholes(stride))


def _placed(view: View, dtype: str, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> StoredTensor:
    if len(shape) != len(stride):
        raise Unreadable("it holds a tensor of an impossible size")
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    there = view.length * DTYPES[view.storage.dtype]
    if 0 not in shape and (last + 1) * DTYPES[dtype] > there:
        raise Unreadable("a tensor in it is larger than its storage")
    return StoredTensor(dtype, shape, stride, 0 if 0 in shape else view.begin + offset, view.storage.key)


def _same(value: Any, *_: Any) -> StoredTensor:
    """A parameter, or a tensor with attributes: the tensor."""
    if not isinstance(value, StoredTensor):
        raise Unreadable("its pickle makes no sense")
    return value


def _of_type(word: Any, _: Any, arguments: Any, *__: Any) -> StoredTensor:
    """A tensor that was given attributes or a class of its own."""
    rebuild = _TENSORS.get(word.name) if isinstance(word, Word) else None
    if rebuild is None or not isinstance(arguments, tuple):
        raise Unreadable("its pickle makes no sense")
    return rebuild(*arguments)


def _dict(items: Any = ()) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    enter(made, items.items() if isinstance(items, dict) else items)
    return made


def _list(items: Any = ()) -> list[Any]:
    return list(items) if isinstance(items, list | tuple) else []


def _size(lengths: Any = ()) -> tuple[int, ...]:
    return _wholes(lengths)


def _device(kind: Any = "", index: Any = None) -> str:
    if not isinstance(kind, str):
        raise Unreadable("its pickle makes no sense")
    return kind if index is None else f"{kind}:{whole(index)}"


def _nothing(*_: Any) -> None:
    """Bytes and complex numbers: no setting, and no weight."""


_TENSORS: Mapping[str, Callable[..., StoredTensor]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
}
"""Functions whose result is a tensor."""

CALLS: Mapping[str, Callable[..., Any]] = {
    **_TENSORS,
    "torch._utils._rebuild_parameter": _same,
    "torch._utils._rebuild_parameter_with_state": _same,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "torch.Size": _size,
    "torch.device": _device,
    "torch.serialization._get_layout": _device,
    "collections.OrderedDict": _dict,
    "collections.Counter": _dict,
    "builtins.set": _list,
    "builtins.bytearray": _nothing,
    "builtins.complex": _nothing,
    "_codecs.encode": _nothing,
}
"""Everything that a pickle may call."""

UNTYPED = "torch.storage.UntypedStorage"
TYPES = frozenset({UNTYPED, "torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer"})
"""What else it may name, as an argument."""
