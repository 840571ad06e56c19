"""Files of torch.save: what is read without torch.load is bit for bit what torch.load gives."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semascope.core.foreign.folder import Folder
from semascope.core.foreign.torch_files import StoredTensor, TorchFile, torch_file
from tests.core.saes.golden import GOLDEN

DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    torch.uint16: "U16", torch.uint32: "U32", torch.uint64: "U64",
}  # fmt: skip


def flat(value: Any, name: str = "") -> dict[str, torch.Tensor]:
    """The tensors that `TorchFile.tensors` names, of what torch.load gave."""
    if isinstance(value, torch.Tensor):
        return {name: value}
    if not isinstance(value, dict):
        return {}
    found: dict[str, torch.Tensor] = {}
    for key, inner in value.items():
        found |= flat(inner, f"{name}.{key}" if name else str(key))
    return found


def raw(tensor: torch.Tensor) -> bytes:
    packed = torch.empty(tensor.numel(), dtype=tensor.dtype).copy_(tensor.detach().reshape(-1))
    return packed.view(torch.uint8).numpy().tobytes()


def check(file: TorchFile, expected: dict[str, torch.Tensor]) -> None:
    """The same names, and behind each the same bytes."""
    stored = file.tensors()
    read = file.read(stored)
    assert read.keys() == expected.keys()
    for name, tensor in read.items():
        other = expected[name]
        assert tensor.dtype == other.dtype
        assert tensor.shape == other.shape == stored[name].shape
        assert tensor.stride() == other.stride()
        assert DTYPES[tensor.dtype] == stored[name].dtype == file.header()[name].dtype
        assert raw(tensor) == raw(other), name


def skipped(path: Path) -> int:
    """saev writes a line of JSON first."""
    data = path.read_bytes()
    return data.index(b"\n") + 1 if data.startswith(b"{") else 0


@pytest.mark.parametrize("path", sorted(GOLDEN.rglob("*.pt")), ids=lambda path: path.relative_to(GOLDEN).as_posix())
def test_the_fixtures(path: Path) -> None:
    skip = skipped(path)
    expected = torch.load(io.BytesIO(path.read_bytes()[skip:]), weights_only=True)
    check(torch_file(path, skip=skip), flat(expected))
    assert Folder(path.parent).torch(path.name, skip).header().keys() == flat(expected).keys()


# --- whatever torch can save ---------------------------------------------------------------------------------------------

seeds = st.integers(0, 1 << 30)


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """A tensor, or a view of one: turned, cut, thinned, expanded, of no elements, a parameter."""
    shape = draw(st.lists(st.integers(0, 5), max_size=3))
    dtype = draw(st.sampled_from(list(DTYPES)))
    noise = torch.randint(0, 256, (*shape, dtype.itemsize), generator=torch.Generator().manual_seed(draw(seeds)))
    tensor = noise.to(torch.uint8).view(dtype).reshape(shape) if dtype != torch.bool else noise[..., 0] > 127
    for _ in range(draw(st.integers(0, 2))):
        how = draw(st.sampled_from(["turn", "cut", "thin", "expand", "flat"]))
        if how == "turn" and tensor.dim() > 1:
            tensor = tensor.transpose(0, -1)
        elif how == "cut" and tensor.dim() and len(tensor):
            tensor = tensor[draw(st.integers(0, len(tensor) - 1)) :]
        elif how == "thin" and tensor.dim():
            tensor = tensor[::2]
        elif how == "expand":
            tensor = tensor[None].expand(3, *tensor.shape)
        elif how == "flat":
            tensor = tensor.flatten()
    if tensor.is_floating_point() and draw(st.booleans()):
        return torch.nn.Parameter(tensor, requires_grad=draw(st.booleans()))
    return tensor


plain = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 40), 1 << 70), st.floats(allow_nan=False), st.text(max_size=5),
    st.sampled_from([torch.Size([2, 3]), torch.float32, torch.bfloat16, torch.device("cpu"), b"bytes", {1, 2}, (1, "a")]),
)  # fmt: skip
keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(lambda key: "." not in key)
values = st.recursive(
    st.one_of(tensors(), tensors(), plain),
    lambda inner: st.one_of(
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4).map(OrderedDict),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(keys, values, max_size=4),
    st.booleans(),
    st.sampled_from([b"", b'{"schema": 5}\n', b"x" * 63 + b"\n"]),
)
def test_whatever_torch_can_save(
    tmp_path_factory: pytest.TempPathFactory, value: dict, zipped: bool, before: bytes
) -> None:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=zipped)
    try:
        expected = torch.load(io.BytesIO(stream.getvalue()), weights_only=True)
    except AttributeError:
        assert not zipped  # of its old format, torch can't read back the dtypes that are newer than it
        return
    path = tmp_path_factory.getbasetemp() / "any.pt"
    path.write_bytes(before + stream.getvalue())
    check(torch_file(path, skip=len(before)), flat(expected))


def save(path: Path, value: Any, **settings: Any) -> TorchFile:
    torch.save(value, path, **settings)
    return torch_file(path)


def test_plain_values_come_as_they_are(tmp_path: Path) -> None:
    value = {
        "text": "relu", "whole": 32, "long": 1 << 80, "half": 0.5, "yes": True, "none": None, "list": [1, "a", (2.0, None)],
        "size": torch.Size([2, 3]), "dtype": torch.bfloat16, "device": torch.device("cuda", 1), 7: {"deep": {"er": -1}},
        "counted": Counter("aab"), "bytes": b"no", "array": bytearray(b"no"), "complex": 1j, "set": {4},
    }  # fmt: skip
    assert save(tmp_path / "a.pt", value).content == {
        **value, "size": (2, 3), "dtype": "torch.bfloat16", "device": "cuda:1", "counted": {"a": 2, "b": 1},
        "bytes": None, "array": None, "complex": None, "set": [4],
    }  # fmt: skip


def test_names(tmp_path: Path) -> None:
    value = {
        "sae": {"W_E": torch.zeros(2), 3: torch.zeros(1)},
        "encoder.weight": torch.zeros(3),
        "list": [torch.zeros(4)],
    }
    assert set(save(tmp_path / "a.pt", value).tensors()) == {"sae.W_E", "sae.3", "encoder.weight"}
    assert set(save(tmp_path / "b.pt", torch.zeros(2)).tensors()) == {""}


def test_a_module_s_state_with_its_versions(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    for zipped in (True, False):
        file = save(tmp_path / "a.pt", module.state_dict(), _use_new_zipfile_serialization=zipped)
        check(file, dict(module.state_dict()))


def test_tensors_with_attributes(tmp_path: Path) -> None:
    tensor, parameter = torch.randn(3), torch.nn.Parameter(torch.randn(2))
    tensor.note, parameter.note = "a", "b"  # type: ignore[attr-defined]
    check(save(tmp_path / "a.pt", {"t": tensor, "p": parameter}), {"t": tensor, "p": parameter})


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol(tmp_path: Path, protocol: int) -> None:
    value = {"a" * 300: torch.randn(2, 3), "b": OrderedDict(c=torch.randn(1), d={1, 2}), "é": "ü", "n": 1 << 100}
    for zipped in (True, False):
        file = save(tmp_path / "a.pt", value, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
        check(file, flat(value))
        assert file.content["b"]["d"] == [1, 2]
        assert file.content["é"] == "ü"


def test_tied_tensors_stay_tied(tmp_path: Path) -> None:
    both = torch.randn(6, 4)
    for zipped in (True, False):
        file = save(tmp_path / "a.pt", {"enc": both, "dec": both.T}, _use_new_zipfile_serialization=zipped)
        read = file.read(["enc", "dec"])
        assert torch.equal(read["dec"], read["enc"].T)
        assert read["enc"].data_ptr() == read["dec"].data_ptr()


def test_weights_are_mapped_and_the_file_stays_as_it_is(tmp_path: Path) -> None:
    """A change to what was read stays in memory."""
    path = tmp_path / "a.pt"
    torch.save({"W": torch.arange(8.0)}, path)
    before = path.read_bytes()
    tensor = torch_file(path).read(["W"])["W"]
    tensor += 1
    assert path.read_bytes() == before
    assert torch.equal(torch_file(path).read(["W"])["W"], torch.arange(8.0))


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is asked for as Linux tells it")
def test_a_gigabyte_takes_no_memory(tmp_path: Path) -> None:
    code = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from semascope.core.foreign.torch_files import torch_file\n"
        "def peak():\n"
        "    with open('/proc/self/status') as status:\n"
        "        return next(int(line.split()[1]) for line in status if line.startswith('VmHWM'))\n"
        "before = peak()\n"
        "tensor = torch_file(Path(sys.argv[1])).read(['W'])['W']\n"
        "assert tensor.shape == (1 << 28,) and tensor[-1] == 0\n"
        "print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, holes(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 64 << 10  # kB


def holes(place: Path) -> str:
    """A file of 1 GB that takes no place: the archive of one storage, whose bytes were never written."""
    path = place / "holes.pt"
    torch.save({"W": torch.zeros(1 << 10)}, path)
    with zipfile.ZipFile(path) as archive:
        pickle = archive.read("holes/data.pkl").replace(b"M\x00\x04", b"J" + (1 << 28).to_bytes(4, "little"))
    size, name = 1 << 30, "holes/data/0"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        before = (
            30 + len("holes/data.pkl") + len(pickle) + 30 + len(name) + 20
        )  # two headers, the second for large files
        archive.writestr(
            "holes/data.pkl", pickle + bytes(-before % 64)
        )  # storages begin at multiples of 64, as torch has it
        with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as stream:
            archive.fp.seek(size, io.SEEK_CUR)  # type: ignore[union-attr]
            stream._file_size = stream._compress_size = size  # type: ignore[attr-defined]
    return str(path)


def rewritten(path: Path, change: Any, compression: int = zipfile.ZIP_STORED) -> TorchFile:
    """An archive with each member's bytes changed by `change(name, data)`."""
    with zipfile.ZipFile(path) as archive:
        members = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return torch_file(path)


def test_an_archive_that_was_packed_again(tmp_path: Path) -> None:
    value = {"a": torch.randn(40, 3), "b": torch.ones(5, dtype=torch.int64)}
    torch.save(value, tmp_path / "a.pt")
    file = rewritten(tmp_path / "a.pt", lambda _, data: data, zipfile.ZIP_DEFLATED)
    check(file, torch.load(tmp_path / "a.pt", weights_only=True))


def test_the_other_byte_order(tmp_path: Path) -> None:
    value = {"a": torch.randn(4, 3), "b": torch.arange(5), "h": torch.randn(3).bfloat16(), "u": torch.ones(3).byte()}
    torch.save(value, tmp_path / "a.pt")
    widths = dict(zip("0123", (4, 8, 2, 1), strict=True))

    def turn(name: str, data: bytes) -> bytes:
        if name.endswith("byteorder"):
            return b"big"
        width = widths[name[-1]] if "/data/" in name else 1
        return b"".join(data[at : at + width][::-1] for at in range(0, len(data), width))

    file = rewritten(tmp_path / "a.pt", turn)
    check(file, torch.load(tmp_path / "a.pt", weights_only=True))
    check(file, value)


def test_python_2_wrote_texts_as_bytes(tmp_path: Path) -> None:
    torch.save({"name": torch.ones(2)}, tmp_path / "a.pt")
    file = rewritten(
        tmp_path / "a.pt",
        lambda name, data: data.replace(b"X\4\0\0\0name", b"U\4name") if name.endswith("pkl") else data,
    )
    assert set(file.tensors()) == {"name"}


def test_looking_at_a_file_imports_no_torch(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pt")
    code = (
        "import sys, json\n"
        "from pathlib import Path\n"
        "from semascope.core.foreign.torch_files import torch_file\n"
        "print(json.dumps([list(torch_file(Path(sys.argv[1])).tensors()), 'torch' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.pt"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [["a"], False]


def test_a_stored_tensor_says_where_it_lies(tmp_path: Path) -> None:
    whole = torch.arange(20.0).reshape(4, 5)
    found = save(tmp_path / "a.pt", {"part": whole[1:, 2:]}).tensors()["part"]
    assert found == StoredTensor("F32", (3, 3), (5, 1), 7, "0")
