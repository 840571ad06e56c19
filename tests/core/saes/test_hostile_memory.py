"""Files that claim to be endless: refused in seconds, by a process that hardly grows, at every door."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.foreign.test_torch_hostile import PICKLES, archive
from tests.core.saes.damage import copied, files

MB = 1 << 20
Make = Callable[[Path], Path]

SAELENS, GEMMA, DICTIONARY, SAEV, TRACER = (
    "sae_lens/standard", "releases/gemma_scope_2b_pt_res/layer_3/width_16k/average_l0_30",
    "dictionary_learning/standard/resid_post_layer_3/trainer_0", "saev/schema5_relu", "circuit_tracer/plt_jumprelu",
)  # fmt: skip


def made(fixture: str, pattern: str, change: Callable[[Path], object]) -> Make:
    """A fixture with the files that match changed."""

    def make(place: Path) -> Path:
        folder = copied(fixture, place)
        for path in files(folder):
            if path.match(pattern):
                change(path)
        return folder

    return make


def header(length: int, text: bytes, tail: int = 0) -> Callable[[Path], object]:
    """A safetensors file: what its header's length says, the header, and how long the file is."""

    def change(path: Path) -> None:
        path.write_bytes(struct.pack("<Q", length) + text)
        os.truncate(path, max(path.stat().st_size, tail))

    return change


def many_tensors(count: int, name: str = "t") -> bytes:
    entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return ("{" + ",".join(f'"{name}{i}":{entry}' for i in range(count)) + "}").encode()


def deflated(member: str, blocks: int, first: bytes = b"") -> Callable[[Path], object]:
    """An archive of one member that unpacks to so many megabytes of zeros."""

    def change(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stream, stream.open(member, "w") as packed:
            packed.write(first)
            for _ in range(blocks):
                packed.write(bytes(MB))

    return change


def many_members(path: Path) -> None:
    """A directory of 120,000 members, written by hand because `zipfile` takes its time."""
    entry = struct.Struct("<4s6H3I5H2I")
    entries = (
        entry.pack(b"PK\1\2", 20, 20, *[0] * 7, 10, *[0] * 6) + b"%06d.npy" % number for number in range(120_000)
    )
    directory = b"".join(entries)
    place = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 120_000, 120_000, len(directory), 0)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(directory), 1)
    path.write_bytes(
        directory
        + place
        + locator
        + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, (1 << 32) - 1, (1 << 32) - 1, 0)
    )


def npy(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(118)
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text


def lying_directory(path: Path) -> None:
    """A member of some bytes whose directory says that it unpacks to 2^40."""
    deflated("W_enc.npy", 1, npy("(1048576, 262144)"))(path)
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\1\2")
    data[at + 24 : at + 28] = b"\xfe\xff\xff\xff"
    path.write_bytes(data)


def pickled(what: str, packed: bool = False) -> Callable[[Path], object]:
    """A file of torch.save around one of the hostile pickles, perhaps packed to a thousandth."""

    def change(path: Path) -> None:
        before = path.read_bytes()[: path.read_bytes().find(b"PK")]
        archive(path, PICKLES[what], data_0=bytes(16))
        if packed:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stream:
                stream.writestr("a/data.pkl", PICKLES[what])
        path.write_bytes(before + path.read_bytes())

    return change


def tall(count: int) -> Callable[[Path], object]:
    return lambda path: path.write_text('{"a": [' + ",".join(["[]"] * count) + "]}")


def a_crowd(place: Path) -> Path:
    """A folder of 22,000 names, thousands of which look like weights."""
    folder = copied(SAELENS, place)
    (folder / "cfg.json").unlink()
    for number in range(11_000):
        (folder / f"layer_{number}.safetensors").touch()
        (folder / f"layer{number}.sae.pt").touch()
    return folder


def a_forest(place: Path) -> Path:
    """Thousands of folders below, and a deep one."""
    for number in range(3000):
        (place / "forest" / str(number)).mkdir(parents=True)
    deep = place / "forest/deep"
    for _ in range(100):
        deep /= "d"
    deep.mkdir(parents=True)
    return place / "forest"


def many_hostile(place: Path) -> Path:
    """Forty files of torch.save, each as slow to read as any can be."""
    folder = place / "many"
    folder.mkdir(parents=True)
    for number in range(40):
        archive(folder / f"layer{number}.sae.pt", PICKLES["a billion lists"])
    return folder


def one_line(path: Path) -> None:
    """saev's line of JSON, without an end."""
    path.write_bytes(b"{" + b" " * 1000)
    os.truncate(path, 4 << 30)


def gguf(*keys: bytes, count: int = 1 << 60) -> Make:
    def make(place: Path) -> Path:
        place.mkdir(parents=True)
        (place / "a.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, count) + b"".join(keys))
        return place / "a.gguf"

    return make


KEY = struct.pack("<Q", 1) + b"k"


def session_bomb(place: Path) -> Path:
    place.mkdir(parents=True)
    (place / "harvest.json").write_bytes(b'{"format":' + b"[" * (7 * MB))
    return place


ENDLESS: dict[str, Make] = {
    "a header of 2^40 bytes": made(SAELENS, "*.safetensors", header(1 << 40, b"{}")),
    "a header of 2^40 bytes in such a file": made(SAELENS, "*.safetensors", header(1 << 40, b"{}", tail=1 << 41)),
    "a header of 100 MB": made(SAELENS, "*.safetensors", header(100 * MB, b"{" + b" " * (100 * MB))),
    "a header of 15 MB of brackets": made(SAELENS, "*.safetensors", header(15 * MB, b"[" * (15 * MB))),
    "a header of 200,000 tensors": made(SAELENS, "*.safetensors", lambda path: header(len(T), T)(path)),
    "tensors with endless names": made(SAELENS, "*.safetensors", lambda path: header(len(LONG), LONG)(path)),
    "a tensor of 2^40 bytes": made(
        SAELENS, "*.safetensors",
        header(80, b'{"W_enc":{"dtype":"F32","shape":[1048576,262144],"data_offsets":[0,1099511627776]}}'[:80].ljust(80)),
    ),
    "an array of 2^40 bytes": made(GEMMA, "*.npz", deflated("W_enc.npy", 0, npy("(1048576, 262144)"))),
    "an array that unpacks to 4 GB": made(GEMMA, "*.npz", lying_directory),
    "an archive that unpacks to 256 MB": made(GEMMA, "*.npz", deflated("W_enc.npy", 256, npy("(8192, 8192)"))),
    "an archive of 120,000 members": made(GEMMA, "*.npz", many_members),
    "settings of 4 million lists": made(SAELENS, "*.json", tall(2_700_000)),
    "a pickle that unpacks to 256 MB": made(DICTIONARY, "*.pt", deflated("a/data.pkl", 256)),
    "a pickle packed to nothing": made(DICTIONARY, "*.pt", pickled("tuples without end", packed=True)),
    "saev's line without an end": made(SAEV, "*.pt", one_line),
    **{f"{what}, in dictionary_learning": made(DICTIONARY, "*.pt", pickled(what)) for what in
       ("deep tuples", "a billion laughs", "2^40 bytes", "sets of sets", "2^40 times the same", "a whole number of 15 MB")},
    **{f"{what}, behind saev's line": made(SAEV, "*.pt", pickled(what)) for what in ("deep tuples", "a storage of 2^40")},
    "YAML of brackets": made(TRACER, "*.yaml", lambda path: path.write_text("a: " + "[" * 250_000)),
    "YAML of many values": made(TRACER, "*.yaml", lambda path: path.write_text("a: [" + "a," * 125_000 + "]")),
    "YAML of lines": made(TRACER, "*.yaml", lambda path: path.write_text("a:\n" + " x\n" * 80_000)),
    "a crowd": a_crowd,
    "a forest": a_forest,
    "forty slow files": many_hostile,
    "a harvest's record of depth 7 million": session_bomb,
    "a GGUF of 2^60 keys": gguf(KEY, struct.pack("<I", 4) + bytes(4)),
    "a GGUF with a string of 2^60": gguf(KEY, struct.pack("<IQ", 8, 1 << 60)),
    "a GGUF of 16 million strings": gguf(KEY, struct.pack("<IIQ", 9, 8, (1 << 24) - 1), bytes(MB)),
    "a GGUF of arrays of arrays": gguf(KEY, struct.pack("<IIQ", 9, 9, 1 << 20)),
    "a GGUF of unknown values": gguf(KEY, struct.pack("<I", 77), bytes(100)),
}  # fmt: skip

T = many_tensors(200_000)
LONG = many_tensors(12, "x" * MB)

CHILD = """
import json, sys, time
from pathlib import Path
from semascope.core.errors import UserError
from semascope.core.identify import identify
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import describe

def peak():  # that of getrusage is at first the peak of the process that started this one
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

import semascope.core.saes.opening  # torch, which takes its own
for path in sys.argv[1:]:
    before, begun, said = peak(), time.process_time(), []
    said += identify(path).problems
    for door in (describe, open_sae):
        try:
            door(Path(path))
        except UserError as error:
            said.append(str(error))
    print(json.dumps([peak() - before, time.process_time() - begun, said]), flush=True)
"""


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is asked for as Linux tells it")

Outcome = tuple[int, float, list[str]]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Kilobytes, seconds and sentences of each, all in one process, the peak of which each may raise."""
    place = tmp_path_factory.mktemp("endless")
    paths = [str(make(place / str(number))) for number, make in enumerate(ENDLESS.values())]
    done = subprocess.run([sys.executable, "-c", CHILD, *paths], capture_output=True, text=True)
    shutil.rmtree(place)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"after {len(found)} of {list(ENDLESS)}: {done.stderr}"
    return dict(zip(ENDLESS, found, strict=True))


@pytest.mark.parametrize("what", ENDLESS)
def test_memory_and_time_are_bounded(what: str, outcomes: dict[str, Outcome]) -> None:
    kilobytes, seconds, said = outcomes[what]
    assert kilobytes < 300 << 10
    assert seconds < 30
    assert said or what.startswith("a GGUF")
    assert all(len(sentence) < 1000 for sentence in said)
