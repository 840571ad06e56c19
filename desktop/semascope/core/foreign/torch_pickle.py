"""What a PyTorch pickle says, worked out without unpickling it: plain values, and tensors by where they lie. No torch.

A pickle is a program for a small stack machine. This one builds values and calls nothing: what a pickle may name is a short
list of words (`torch_words`), and whatever else it names is refused before it could matter. Steps, depth and lengths are
bounded, so a hostile pickle costs a second and some megabytes at most.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Mapping
from typing import Any

from semascope.core.foreign.torch_words import (
    CALLS,
    DTYPES_BY_NAME,
    STORAGES,
    TYPES,
    UNTYPED,
    Storage,
    StoredTensor,
    UnknownClass,
    Unreadable,
    View,
    Word,
    enter,
    is_odd_tensor,
    whole,
)

_MOST_STEPS = 1 << 18
_MOST_DEPTH = 64
_MOST_ARGUMENTS = 16
_MOST_SHARED = 16
"""How many values there may be for each step of the pickle: those that are used again and again are counted each time."""


class Reading:
    """The values of the pickles in a file, one after another.

    Attributes:
        storages: The storages that they named, by key, in that order.
        at: Where the pickle that was read last ends.
    """

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._steps = 0
        self.storages: dict[str, Storage] = {}
        self.at = 0

    def next(self) -> Any:
        """The value of the next pickle: dicts, lists, tuples, plain values and `StoredTensor`s; what is none of them is None.

        It is a tree, of which no part is shared with another, and no deeper than settings are.

        Raises:
            Unreadable: It makes no sense, or is longer or deeper than any that holds a state dict.
            UnknownClass: It names a class or a function that has no meaning here.
        """
        self._stack, self._marks, self._memo = [], [], {}
        before = self._steps
        self._data.seek(self.at)
        try:
            for code, argument, _ in pickletools.genops(self._data):
                self._steps += 1
                if self._steps > _MOST_STEPS:
                    raise Unreadable("its pickle is far longer than one that holds tensors")
                if code.name == "STOP":
                    self.at = self._data.tell()
                    return _tree(self._pop(), _MOST_SHARED * (1000 + self._steps - before))
                step = _STEPS.get(code.name)
                if step is None:
                    raise Unreadable(f"its pickle uses the instruction {code.name}, which no file of tensors needs")
                step(self, argument)
        except Unreadable:
            raise
        except (ValueError, LookupError, TypeError, OverflowError) as error:
            raise Unreadable("its pickle makes no sense") from error
        raise Unreadable("its pickle is truncated")

    # --- the stack -----------------------------------------------------------------------------------------------------

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if self._marks and len(self._stack) <= self._marks[-1]:
            raise Unreadable("its pickle makes no sense")
        return self._stack.pop()

    def _pop_many(self, count: int) -> list[Any]:
        return [self._pop() for _ in range(count)][::-1]

    def _pop_marked(self) -> list[Any]:
        at = self._marks.pop()
        items = self._stack[at:]
        del self._stack[at:]
        return items

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _text(self, text: str) -> None:
        text.encode()  # half a surrogate pair could be printed nowhere
        self._push(text)

    def _byte_text(self, text: str) -> None:
        """A string of Python 2."""
        self._push(text.encode("latin-1").decode())

    def _put(self, index: int | None) -> None:
        self._memo[len(self._memo) if index is None else index] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._push(self._memo[index])

    # --- containers ----------------------------------------------------------------------------------------------------

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise Unreadable("its pickle makes no sense")
        self._stack[-1].extend(items)

    def _fill(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise Unreadable("its pickle makes no sense")
        enter(target, zip(items[::2], items[1::2], strict=True))

    def _build(self, _: Any) -> None:
        """The attributes of a value, such as a state dict's versions: none of our business, but not those of a tensor."""
        self._pop()
        if not isinstance(self._stack[-1], dict):
            raise Unreadable("its pickle makes no sense")

    # --- words ---------------------------------------------------------------------------------------------------------

    def _name(self, module: str, name: str) -> None:
        if module == "__builtin__":
            module = "builtins"
        full = f"{module}.{name}"
        if module == "torch" and name in DTYPES_BY_NAME:
            self._push(full)
        elif full in CALLS or full in TYPES or (module in ("torch", "torch.cuda") and name in STORAGES):
            self._push(Word(full))
        elif module in ("torch", "torch.cuda", "torch._utils") and is_odd_tensor(name):
            raise Unreadable("it holds tensors of a kind no SAE has")
        else:
            raise UnknownClass(full)

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._name(module, name)

    def _stack_global(self, _: Any) -> None:
        module, name = self._pop_many(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise Unreadable("its pickle makes no sense")
        self._name(module, name)

    def _reduce(self, _: Any) -> None:
        word, arguments = self._pop_many(2)
        if not isinstance(word, Word) or word.name not in CALLS or not isinstance(arguments, tuple):
            raise Unreadable("its pickle makes no sense")
        if len(arguments) > _MOST_ARGUMENTS:
            raise Unreadable("its pickle makes no sense")
        # A call may copy its arguments, and the same large ones could be handed over again and again.
        self._steps += sum(len(value) for value in arguments if isinstance(value, list | tuple | dict))
        self._push(CALLS[word.name](*arguments))

    def _persistent(self, _: Any) -> None:
        """A storage: ("storage", class, key, device, length), in old files with the part of it that is meant."""
        said = self._pop()
        if (
            not isinstance(said, tuple)
            or len(said) not in (5, 6)
            or said[0] != "storage"
            or not isinstance(said[1], Word)
        ):
            raise Unreadable("its pickle makes no sense")
        _, word, key, _, length = said[:5]
        dtype = "U8" if word.name == UNTYPED else STORAGES.get(word.name.rpartition(".")[2])
        if dtype is None or not isinstance(key, str) or len(key) > 1000:
            raise Unreadable("its pickle makes no sense")
        storage = Storage(key, dtype, whole(length))
        if self.storages.setdefault(key, storage) != storage:
            raise Unreadable("its pickle describes a storage in two ways")
        view = View(storage, 0, storage.length)
        if len(said) == 6 and said[5] is not None:
            _, begin, length = said[5]
            view = View(storage, whole(begin), whole(length))
            if view.begin + view.length > storage.length:
                raise Unreadable("a tensor in it is larger than its storage")
        self._push(view)


_Step = Callable[[Reading, Any], None]

_STEPS: Mapping[str, _Step] = {
    "PROTO": lambda _, __: None,
    "FRAME": lambda _, __: None,
    "MARK": Reading._mark,
    "NONE": lambda r, _: r._push(None),
    "NEWTRUE": lambda r, _: r._push(True),
    "NEWFALSE": lambda r, _: r._push(False),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), Reading._push),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), Reading._text),
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), Reading._byte_text),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), lambda r, _: r._push(None)),
    "EMPTY_LIST": lambda r, _: r._push([]),
    "EMPTY_SET": lambda r, _: r._push([]),
    "EMPTY_DICT": lambda r, _: r._push({}),
    "EMPTY_TUPLE": lambda r, _: r._push(()),
    "TUPLE": lambda r, _: r._push(tuple(r._pop_marked())),
    "TUPLE1": lambda r, _: r._push(tuple(r._pop_many(1))),
    "TUPLE2": lambda r, _: r._push(tuple(r._pop_many(2))),
    "TUPLE3": lambda r, _: r._push(tuple(r._pop_many(3))),
    "FROZENSET": lambda r, _: r._push(r._pop_marked()),
    "APPEND": lambda r, _: r._extend([r._pop()]),
    "APPENDS": lambda r, _: r._extend(r._pop_marked()),
    "ADDITEMS": lambda r, _: r._extend(r._pop_marked()),
    "SETITEM": lambda r, _: r._fill(r._pop_many(2)),
    "SETITEMS": lambda r, _: r._fill(r._pop_marked()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), Reading._put),
    "MEMOIZE": lambda r, _: r._put(None),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), Reading._get),
    "GLOBAL": Reading._global,
    "STACK_GLOBAL": Reading._stack_global,
    "REDUCE": Reading._reduce,
    "BUILD": Reading._build,
    "BINPERSID": Reading._persistent,
}


def _tree(value: Any, most: int) -> Any:
    """A value of at most so many parts, without what is neither plain nor a tensor."""
    left = min(most, _MOST_STEPS)

    def copy(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if depth > _MOST_DEPTH or left < 0:
            raise Unreadable("it is nested deeper than any file of tensors")
        if isinstance(value, dict):
            return {key: copy(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, View | Word):
            return None
        if isinstance(value, StoredTensor):
            return value
        if isinstance(value, list | tuple):
            inner = [copy(item, depth + 1) for item in value]
            return inner if isinstance(value, list) else tuple(inner)
        return value

    return copy(value, 0)
