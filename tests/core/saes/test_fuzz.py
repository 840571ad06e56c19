"""Damaged fixtures of every family: whatever happens to their files, a sentence or an SAE comes of it, and quickly.

The same examples each time, in less than a minute. SEMASCOPE_FUZZ=20 tries twenty times as many, others at each run.
"""

from __future__ import annotations

import io
import json
import os
import random
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.core.saes.damage import SETTINGS, WEIGHTS, before_archive, below, check, copied, files, load, save
from tests.core.saes.made import everything, source

TIMES = int(os.environ.get("SEMASCOPE_FUZZ", "1"))

pytestmark = [
    pytest.mark.timeout(120 * TIMES),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of escapes in what a pickle says
]


def fuzz(examples: int) -> settings:
    """So many examples, none of which may take longer than a few seconds."""
    return settings(
        max_examples=examples * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=8000,
        suppress_health_check=list(HealthCheck),
    )


def files_of(suffixes: tuple[str, ...]) -> list[tuple[str, str]]:
    """The fixtures' files of some endings, as a fixture and a path in it."""
    return [
        (name, path.relative_to(source(name)).as_posix())
        for name in everything()
        for path in files(source(name), suffixes)
    ]


def changed(name: str, file: str, change: Callable[[Path], Any]) -> None:
    """See that a fixture with one file changed is safe, as a folder and as the file."""
    with tempfile.TemporaryDirectory() as place:
        folder = copied(name, Path(place))
        change(folder / file)
        check(folder)
        if (folder / file).exists():
            check(folder / file)


# --- bytes -----------------------------------------------------------------------------------------------------------------

Cut = tuple[str, int, int, bytes]
cuts = st.lists(
    st.tuples(
        st.sampled_from(["overwrite", "insert", "delete", "truncate", "flip"]),
        st.one_of(st.integers(0, 600), st.integers(0, 12_000), st.integers(-600, -1)),
        st.integers(1, 40),
        st.one_of(
            st.binary(min_size=1, max_size=12),
            st.sampled_from(
                [b"null", b"[]", b"{}", b"-1", b"1e999", b'"', b"99999999999", b"NaN", b"true", b"F64", b"\xff" * 8]
            ),
        ),
    ),
    min_size=1,
    max_size=4,
)


def cut(data: bytes, changes: list[Cut]) -> bytes:
    for how, at, length, new in changes:
        at %= len(data) + 1
        if how == "overwrite":
            data = data[:at] + new + data[at + len(new) :]
        elif how == "insert":
            data = data[:at] + new + data[at:]
        elif how == "delete":
            data = data[:at] + data[at + length :]
        elif how == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << length % 8)]) + data[at + 1 :]
        elif how == "truncate":
            data = data[:at]
    return data


@fuzz(600)
@given(st.sampled_from(files_of((*WEIGHTS, *SETTINGS))), cuts)
@example(("sae_lens/topk", "cfg.json"), [("truncate", 0, 1, b"")])
def test_bytes(file: tuple[str, str], changes: list[Cut]) -> None:
    changed(*file, lambda path: path.write_bytes(cut(path.read_bytes(), changes)))


def packed_again(path: Path, change: Callable[[str, bytes], bytes]) -> None:
    """An archive whose members are others, and whose directory says so."""
    before, data = before_archive(path), path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data[len(before) :])) as archive:
        members = [(name, change(name, archive.read(name))) for name in archive.namelist()]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    path.write_bytes(before + stream.getvalue())


@fuzz(400)
@given(st.sampled_from(files_of((".pt", ".pth", ".bin", ".npz"))), cuts, st.booleans())
def test_bytes_within_archives(file: tuple[str, str], changes: list[Cut], pickles: bool) -> None:
    def damaged(name: str, data: bytes) -> bytes:
        return cut(data, changes) if name.endswith(("data.pkl", ".npy")) or not pickles else data

    changed(*file, lambda path: packed_again(path, damaged))


# --- settings --------------------------------------------------------------------------------------------------------------

WORDS = (
    "topk", "gated", "jumprelu", "batchtopk", "matching_pursuit", "transcoder", "layer_norm", "temporal", "relu", "TopK", 8, 64,
    "blocks.3.hook_resid_pre", "model.layers.{all}.output", "../../etc/passwd", "clt", "crosscoder", "dataset-wise", "hook_z",
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS)
    | st.sampled_from([0, -1, 1 << 31, 1 << 62, 1e308, -0.0, "\ud800", "\0", "9" * 5000, "{" * 50, "%s", "a" * 5000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


def places(value: Any, most: int = 400) -> list[tuple[Any, Any]]:
    """Every place in nested settings, as a container and a key of it."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        found += [(value, key) for key in value]
    elif isinstance(value, list):
        found += [(value, at) for at in range(len(value))]
    for container, key in list(found):
        found += places(container[key])
    return found[:most]


def reset(content: Any, data: st.DataObject) -> Any:
    """Some settings are others, gone, or under another's name."""
    for _ in range(data.draw(st.integers(1, 3))):
        where = places(content)
        if not where:
            return content
        container, key = where[data.draw(st.integers(0, 1 << 16)) % len(where)]
        how = data.draw(st.sampled_from(["set", "set", "set", "drop", "rename", "swap"]))
        if how == "set":
            container[key] = data.draw(values)
        elif how == "drop":
            del container[key]
        elif how == "rename" and isinstance(container, dict):
            container[data.draw(st.sampled_from([key + "s", key.upper(), "", "layers", "k"]))] = container.pop(key)
        else:
            other, name = where[data.draw(st.integers(0, 1 << 16)) % len(where)]
            container[key] = json.loads(json.dumps(other.get(name) if isinstance(other, dict) else name))
    return content


def rewrite_settings(path: Path, data: st.DataObject) -> None:
    if path.suffix == ".json":
        path.write_text(json.dumps(reset(json.loads(path.read_text()), data)))
    elif path.suffix in SETTINGS:
        path.write_text(yaml.safe_dump(reset(yaml.safe_load(path.read_text()), data)), errors="replace")
    else:
        before = before_archive(path)
        line = json.dumps(reset(json.loads(before), data)).encode() + b"\n"
        path.write_bytes(line + path.read_bytes()[len(before) :])


LINES = [(name, file) for name, file in files_of((".pt",)) if before_archive(source(name) / file)]


@fuzz(800)
@given(st.sampled_from([*files_of(SETTINGS), *LINES]), st.data())
def test_settings(file: tuple[str, str], data: st.DataObject) -> None:
    changed(*file, lambda path: rewrite_settings(path, data))


# --- headers and tensors ---------------------------------------------------------------------------------------------------


def rewrite_header(path: Path, data: st.DataObject) -> None:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(reset(json.loads(content[8 : 8 + length]), data)).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])


@fuzz(500)
@given(st.sampled_from(files_of((".safetensors",))), st.data())
def test_headers(file: tuple[str, str], data: st.DataObject) -> None:
    changed(*file, lambda path: rewrite_header(path, data))


DTYPES = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.uint8, torch.bool)


def retouched(tensor: torch.Tensor, how: str, data: st.DataObject) -> torch.Tensor:
    """A tensor of another shape, of other numbers, or of other values."""
    if how == "turn":
        return tensor.mT.contiguous() if tensor.dim() > 1 else tensor
    if how == "cut":
        return tensor[: data.draw(st.integers(0, 20))].clone() if tensor.dim() else tensor
    if how == "axis":
        return tensor[None].clone()
    if how == "scalar":
        return tensor.reshape(-1)[0].clone() if tensor.numel() else tensor
    if how == "dtype":
        return tensor.to(data.draw(st.sampled_from(DTYPES)))
    if how == "empty":
        return tensor.new_empty((*tensor.shape[:-1], 0))
    number = data.draw(st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e38, -1e30, 0.0, -1.0]))
    spoiled = tensor.clone(memory_format=torch.contiguous_format)
    if spoiled.is_floating_point() and spoiled.numel():
        spoiled.view(-1)[data.draw(st.integers(0, 1 << 16)) % spoiled.numel()] = number
    return spoiled


def rewrite_tensors(path: Path, data: st.DataObject) -> None:
    tensors = load(path)
    for _ in range(data.draw(st.integers(1, 3))):
        there = list(below(tensors))
        if not there:
            break
        holder, name = there[data.draw(st.integers(0, 1 << 16)) % len(there)]
        how = data.draw(
            st.sampled_from(["turn", "cut", "axis", "scalar", "dtype", "empty", "value", "value", "drop", "name"])
        )
        if how == "drop":
            del holder[name]
        elif how == "name":
            new = data.draw(st.sampled_from([name.upper(), name + ".weight", "module." + name, "threshold", "k"]))
            holder[new] = holder.pop(name)
        else:
            holder[name] = retouched(holder[name], how, data)
    numpy_has = {name: value for name, value in tensors.items() if getattr(value, "dtype", None) != torch.bfloat16}
    save(path, numpy_has if path.suffix == ".npz" else tensors)


@fuzz(600)
@given(st.sampled_from(files_of(WEIGHTS)), st.data())
def test_tensors(file: tuple[str, str], data: st.DataObject) -> None:
    changed(*file, lambda path: rewrite_tensors(path, data))


# --- folders ---------------------------------------------------------------------------------------------------------------


@fuzz(300)
@given(
    st.sampled_from(everything()), st.lists(st.sampled_from(files_of((*WEIGHTS, *SETTINGS))), min_size=1), st.integers()
)
def test_folders_that_were_mixed_up(name: str, others: list[tuple[str, str]], seed: int) -> None:
    """Files of other releases beside one's own, or under their names."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = copied(name, Path(place))
        own = [path.name for path in files(folder)]
        for fixture, file in others:
            content = (source(fixture) / file).read_bytes()
            (folder / draw.choice([Path(file).name, Path(file).name, draw.choice(own)])).write_bytes(content)
        check(folder)
        check(draw.choice(files(folder)))
