"""Files of torch.save that lie, or would run code: a sentence each, quickly, in little memory, and nothing has run."""

from __future__ import annotations

import io
import os
import pickle
import resource
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.torch_files import torch_file

MB = 1 << 20
START = b"\x80\x02"


class Bomb:
    """What a pickle could do, by the ways a pickle has to do it."""

    mark: Path

    def __init__(self, how: Callable[[Path], tuple[Any, ...]]) -> None:
        self.how = how

    def __reduce__(self) -> tuple[Any, ...]:
        return self.how(self.mark)


class Node:
    """Some class of a user's own program."""


BOMBS: dict[str, Callable[[Path], tuple[Any, ...]]] = {
    "os.mkdir": lambda mark: (os.mkdir, (str(mark),)),
    "os.system": lambda mark: (os.system, (f"mkdir {mark}",)),
    "eval": lambda mark: (eval, (f"__import__('os').mkdir({str(mark)!r})",)),
    "exec": lambda mark: (exec, (f"import os; os.mkdir({str(mark)!r})",)),
    "getattr": lambda mark: (getattr, (str(mark), "upper")),
    "torch.load": lambda mark: (torch.load, (str(mark),)),
    "torch.storage._load_from_bytes": lambda mark: (torch.storage._load_from_bytes, (b"",)),
    "a call with state": lambda mark: (os.mkdir, (str(mark),), {"a": 1}),
    "a list of calls": lambda mark: (list, (), None, iter([Bomb(BOMBS["os.mkdir"])])),
}


def archive(path: Path, data: bytes, **members: bytes) -> Path:
    """An archive like torch's around a pickle."""
    with zipfile.ZipFile(path, "w") as stream:
        stream.writestr("a/data.pkl", data)
        for name, content in members.items():
            stream.writestr(f"a/{name.replace('_', '/')}", content)
    return path


@pytest.mark.parametrize("what", BOMBS)
@pytest.mark.parametrize("container", ["archive", "old", "plain", "inside"])
def test_no_code_runs(what: str, container: str, tmp_path: Path) -> None:
    Bomb.mark = tmp_path / "ran"
    bomb, path = Bomb(BOMBS[what]), tmp_path / "a.pt"
    for protocol in (2, 4):
        if container == "plain":
            path.write_bytes(pickle.dumps(bomb, protocol))
        else:
            value = {"W": torch.ones(3), "b": [bomb]} if container == "inside" else bomb
            torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=container != "old")
        with pytest.raises(
            UserError, match=r"a\.pt (holds objects of the class .*could run code|can't be read)"
        ) as refused:
            torch_file(path)
        assert refused.value.hint
        assert not Bomb.mark.exists()


def test_the_class_is_named(tmp_path: Path) -> None:
    torch.save({"W": torch.ones(2), "cfg": Node()}, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"objects of the class .*test_torch_hostile\.Node, which could run code"):
        torch_file(tmp_path / "a.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "b.pt")
    with pytest.raises(UserError, match=r"class torch\.nn\.modules\.linear\.Linear"):
        Folder(tmp_path).header("b.pt")


def test_the_bomb_would_have_gone_off(tmp_path: Path) -> None:
    Bomb.mark = tmp_path / "ran"
    pickle.loads(pickle.dumps(Bomb(BOMBS["os.system"])))
    assert Bomb.mark.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_of_torchscript(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "a.pt"))
    with pytest.raises(UserError, match="TorchScript program"):
        torch_file(tmp_path / "a.pt")


@pytest.mark.filterwarnings("ignore")
def test_tensors_of_other_kinds(tmp_path: Path) -> None:
    for tensor in (
        torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr(), torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        torch.zeros(3, dtype=torch.complex64), torch.zeros(2, device="meta"), torch.zeros(3, dtype=torch.complex64).conj().imag,
    ):  # fmt: skip
        torch.save({"W": tensor}, tmp_path / "a.pt")
        with pytest.raises(UserError, match="of a kind no SAE has"):
            torch_file(tmp_path / "a.pt")


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def laughs(opener: bytes, twice: Callable[[int], bytes]) -> bytes:
    """Sixty levels, each of which holds the one before twice."""
    return START + opener + b"q\0" + b"".join(opener + b"q" + bytes([i]) + twice(i - 1) for i in range(1, 60)) + b"."


def tensor(
    storage: bytes = b"K\x04", offset: bytes = b"K\0", shape: bytes = b"K\x04\x85", stride: bytes = b"K\1\x85"
) -> bytes:
    """A pickle of one tensor of 4 numbers, whose parts may be others."""
    place = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" + b"0X\3\0\0\0cpu" + storage + b"tQ"
    return START + b"ctorch._utils\n_rebuild_tensor_v2\n(" + place + offset + shape + stride + b"\x89}tR."


BIG = b"\x8a\x06" + (1 << 40).to_bytes(6, "little")
PICKLES: dict[str, bytes] = {
    "deep tuples": START + b")" + b"\x85" * (MB // 8) + b".",
    "tuples without end": START + b")" + b"\x85" * (15 * MB) + b".",
    "marks without end": START + b"(" * (15 * MB) + b".",
    "a billion laughs": laughs(b"}", lambda i: b"(X\1\0\0\0ah" + bytes([i]) + b"X\1\0\0\0bh" + bytes([i]) + b"u"),
    "a billion lists": laughs(b"]", lambda i: b"(h" + bytes([i]) + b"h" + bytes([i]) + b"e"),
    "a dict in itself": START + b"}q\0X\1\0\0\0ah\0s.",
    "a list in itself": START + b"]q\0h\0a.",
    "2^40 bytes": START + b"\x96" + u64(1 << 40) + b"abc.",
    "a text of 2^62": START + b"\x8d" + u64(1 << 62) + b"abc.",
    "a whole number of 15 MB": START + b"\x8b" + u32(15 * MB) + b"\1" * (15 * MB) + b".",
    "digits without end": b"L" + b"9" * (15 * MB) + b"L\n.",
    "a class with a long name": b"c" + b"o" * (8 * MB) + b"\nx\n.",
    "sets of sets": START + b"c__builtin__\nset\nq\0](" + b"K\1" * 50_000 + b"e\x85q\1" + b"h\0h\1R" * 50_000 + b".",
    "a call of 50,000 arguments": START + b"c__builtin__\nset\n(" + b"K\1" * 200_000 + b"tR.",
    "an empty stack": START + b".",
    "a mark below": START + b"](.",
    "a memory that isn't there": START + b"h\7.",
    "a truncated pickle": START + b"}X\4\0\0\0ab",
    "another copy of itself": START + b"N2.",
    "half a letter": START + b"X\3\0\0\0\xed\xa0\x80.",
    "an instruction of old": START + b"(i__main__\nNode\n.",
    "extensions": START + b"\x82\1.",
    "a buffer outside": START + b"\x97.",
    "a number called": START + b"K\1)R.",
    "a state for a tensor": tensor()[:-1] + b"}b.",
    "a persistent thing": START + b"X\6\0\0\0modulecos\nsystem\n\x86Q.",
    "a persistent number": START + b"K\1Q.",
    "a shape of 2^40": tensor(shape=BIG + b"\x85"),
    "a storage of 2^40": tensor(storage=BIG),
    "an offset of 2^40": tensor(offset=BIG),
    "a stride of 2^40": tensor(stride=BIG + b"\x85"),
    "2^40 times the same": tensor(shape=BIG + b"\x85", stride=b"K\0\x85"),
    "an overflow": tensor(shape=b"(" + BIG * 5 + b"t", stride=b"(" + BIG * 5 + b"t"),
    "a hundred axes": tensor(shape=b"(" + b"K\1" * 100 + b"t", stride=b"(" + b"K\1" * 100 + b"t"),
    "a negative shape": tensor(shape=b"J\xff\xff\xff\xff\x85"),
    "a negative stride": tensor(stride=b"J\xff\xff\xff\xff\x85"),
    "a negative offset": tensor(offset=b"J\xff\xff\xff\xff"),
    "a shape of truth": tensor(shape=b"\x88\x85"),
    "a shape of text": tensor(shape=b"X\1\0\0\x004\x85"),
    "fewer strides": tensor(stride=b")"),
    "one number too many": tensor(shape=b"K\5\x85"),
    "a storage of text": tensor(storage=b"X\1\0\0\x004"),
}  # fmt: skip


def peak() -> int:
    """The most memory this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@pytest.mark.parametrize("what", PICKLES)
def test_pickles_that_lie(what: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.pt", PICKLES[what], data_0=bytes(16))
    begun, before = time.process_time(), peak()
    with pytest.raises(UserError) as refused:
        torch_file(path)
    assert peak() - before < 200 * MB
    assert time.process_time() - begun < 10  # seconds; two on an ordinary machine
    assert refused.value.sentence.endswith(".")
    assert len(refused.value.sentence) < 250


def test_what_they_vary_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.pt", tensor(), data_0=bytes(16))
    assert torch.equal(torch_file(path).read([""])[""], torch.zeros(4))
    assert torch_file(archive(path, START + b"})" + b"\x85" * (MB // 8) + b"Ns.")).content == {}  # a very deep key
    assert torch_file(archive(path, START + b"]r\xff\xff\xff\xffj\xff\xff\xff\xff.")).tensors() == {}


def test_a_long_key_costs_nothing(tmp_path: Path) -> None:
    """Ten megabytes of key, in 100,000 places."""
    key = b"X" + u32(10 * MB) + b"k" * (10 * MB) + b"q\1"
    path = archive(tmp_path / "a.pt", START + b"}" + key + b"N" + b"s](}h\1Nsq\2" + b"h\2" * 100_000 + b"e\x86.")
    assert torch_file(path).tensors() == {}


# --- archives --------------------------------------------------------------------------------------------------------------


def saved(path: Path) -> bytes:
    torch.save({"W": torch.randn(64, 4), "b": torch.ones(300)}, path)
    return path.read_bytes()


def patched(data: bytes, signature: bytes, at: int, value: bytes) -> bytes:
    """Bytes at an offset behind each signature, changed."""
    start = -1
    while (start := data.find(signature, start + 1)) >= 0:
        data = data[: start + at] + value + data[start + at + len(value) :]
    return data


CENTRAL, LOCAL, END = b"PK\1\2", b"PK\3\4", b"PK\6\6"
ARCHIVES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "half of it": lambda data: data[: len(data) // 2],
    "no directory": lambda data: data[:-200],
    "encrypted": lambda data: patched(data, CENTRAL, 8, b"\1"),
    "packed in another way": lambda data: patched(data, CENTRAL, 10, b"\x0e\0"),
    "members of 4 GB": lambda data: patched(patched(data, CENTRAL, 20, b"\xf0" * 4), CENTRAL, 24, b"\xf0" * 4),
    "members that unpack to 4 GB": lambda data: patched(data, CENTRAL, 24, b"\xf0" * 4),
    "members all in one place": lambda data: patched(data, CENTRAL, 42, bytes(4)),
    "members beyond the end": lambda data: patched(data, CENTRAL, 42, b"\xff\xff\xff\x7f"),
    "members in the directory": lambda data: patched(data, CENTRAL, 42, u32(data.find(CENTRAL))),
    "a directory of 4 GB": lambda data: patched(data, END, 40, u64(0xF0F0F0F0)),
    "another signature": lambda data: data[:200] + data[200:].replace(LOCAL, b"PK\7\7"),
    "a long name": lambda data: patched(data, LOCAL, 26, b"\xff\xff"),
    "storages of no length": lambda data: patched(patched(data, CENTRAL, 20, bytes(4)), CENTRAL, 24, bytes(4)),
    "no zip": lambda data: LOCAL + b"rubbish",
    "a header of a later version": lambda data: patched(data, CENTRAL, 6, b"\xff"),
}  # fmt: skip


@pytest.mark.parametrize("what", ARCHIVES)
def test_archives_that_lie(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(ARCHIVES[what](saved(path)))
    tracemalloc.start()
    try:
        with pytest.raises(UserError):
            torch_file(path).read(["W", "b"])
        assert tracemalloc.get_traced_memory()[1] < 8 * MB
    finally:
        tracemalloc.stop()


def test_a_zip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    pickled = tensor(storage=b"J" + u32(64 * MB), shape=b"J" + u32(64 * MB) + b"\x85")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stream:
        stream.writestr("a/data.pkl", pickled)
        with stream.open("a/data/0", "w") as member:
            for _ in range(256):
                member.write(bytes(MB))
    with pytest.raises(UserError, match="unpack to far more"):
        torch_file(path)


def test_a_checksum_that_is_wrong_is_found_where_it_matters(tmp_path: Path) -> None:
    """A packed member is checked as it is unpacked; torch itself may leave out that of a stored one."""
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stream:
        stream.writestr("a/data.pkl", tensor())
        stream.writestr("a/data/0", b"abcdefghijklmnop")
    data = path.read_bytes()
    path.write_bytes(patched(data, CENTRAL, 16, bytes(4)))
    with pytest.raises(UserError, match="damaged"):
        torch_file(path).read([""])


@pytest.mark.parametrize(
    "names",
    [["data.pkl"], ["a/data.pkl", "b/data.pkl"], ["a/b/data.pkl"], ["a/version"], ["a/data.pkl", "a/data.pkl"], []],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_of_another_kind(names: list[str], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as stream:
        for name in names:
            stream.writestr(name, tensor())
    with pytest.raises(UserError):
        torch_file(tmp_path / "a.pt")


def test_names_lead_nowhere(tmp_path: Path) -> None:
    """A storage's key is looked up in the archive, and nowhere else."""
    (tmp_path / "secret").write_bytes(bytes(16))
    for key in (b"../../secret", b"/etc/passwd", b"0/../0", b""):
        pickled = tensor().replace(b"X\1\0\0\0" + b"0", b"X" + u32(len(key)) + key)
        with pytest.raises(UserError):
            torch_file(archive(tmp_path / "a.pt", pickled, data_0=bytes(16)))


def test_old_files_that_lie(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save({"W": torch.randn(8, 4), "b": torch.ones(30)}, stream, _use_new_zipfile_serialization=False)
    data, path = stream.getvalue(), tmp_path / "a.pt"
    lies = [data[:at] for at in range(0, len(data), 7)]
    lies += [data.replace(u64(32), u64(number), 1) for number in (0, 31, 33, 1 << 40, (1 << 64) - 1)]
    for lie in lies:
        path.write_bytes(lie)
        with pytest.raises(UserError):
            torch_file(path).read(["W", "b"])
    path.write_bytes(data)
    assert set(torch_file(path).read(["W", "b"])) == {"W", "b"}


def test_a_file_that_changes_under_our_hands(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    data = saved(path)
    file = torch_file(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="has changed"):
        file.read(["W"])
    path.unlink()
    with pytest.raises(UserError, match="does not exist"):
        file.read(["W"])


def test_a_tensor_that_is_not_there(tmp_path: Path) -> None:
    saved(tmp_path / "a.pt")
    with pytest.raises(UserError, match="has no tensor V"):
        torch_file(tmp_path / "a.pt").read(["V"])


def test_two_tensors_of_one_name(tmp_path: Path) -> None:
    torch.save({"a": {"b": torch.ones(1)}, "a.b": torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="two tensors of the same name"):
        torch_file(tmp_path / "a.pt")
