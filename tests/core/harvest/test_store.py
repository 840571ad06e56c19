"""Opening harvests: quickly, without torch; what is damaged, foreign or from the future is refused with a sentence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from semascope.core.errors import UserError
from semascope.core.harvest.arrays import Stream, map_arrays, write_arrays
from semascope.core.harvest.store import Harvest
from semascope.core.models.text import TextCodec


def test_opens_quickly_and_without_torch(small_harvest_path: Path) -> None:
    code = (
        "import sys, time; from semascope.core.harvest.store import Harvest; t = time.process_time();"
        f"h = Harvest.open({str(small_harvest_path)!r}); h.examples(3); h.logits(3); h.neighbours(3); h.top_tokens(3);"
        "print(time.process_time() - t);"
        "assert not {'torch', 'transformers', 'PySide6'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.0


def test_the_files_are_plain_safetensors(small_harvest_path: Path) -> None:
    for file in small_harvest_path.glob("*.safetensors"):
        ours = map_arrays(file)
        theirs = load_file(file)
        assert ours.keys() == theirs.keys()
        for name, array in theirs.items():
            np.testing.assert_array_equal(ours[name], array)
            assert not ours[name].flags.writeable


def test_streams_are_written_like_arrays(tmp_path: Path) -> None:
    whole = np.arange(10, dtype=np.float32)
    list(write_arrays(tmp_path / "a", {"x": whole, "b": np.zeros(3, np.uint8)}))
    stream = Stream(np.float32, (10,), (whole[at : at + 3] for at in range(0, 10, 3)))
    *_, last = write_arrays(tmp_path / "b", {"x": stream, "b": np.zeros(3, np.uint8)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert last.size == (tmp_path / "b").stat().st_size
    with pytest.raises(ValueError, match="as long as"):
        list(write_arrays(tmp_path / "c", {"x": Stream(np.float32, (9,), [whole])}))


def truncate(folder: Path) -> None:
    file = folder / "examples.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def swap_header(folder: Path) -> None:
    file = folder / "statistics.safetensors"
    raw = bytearray(file.read_bytes())
    raw[0:8] = (1 << 60).to_bytes(8, "little")
    file.write_bytes(raw)


def wild_offsets(folder: Path) -> None:
    file = folder / "effects.safetensors"
    raw = file.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    header["cosine"]["data_offsets"] = [-8, 1 << 50]
    text = json.dumps(header, separators=(",", ":")).encode()
    rest = raw[8 + length :]
    file.write_bytes((len(text).to_bytes(8, "little") + text + rest)[: len(raw)].ljust(len(raw), b"\0"))
    edit(folder, lambda record: record["files"]["effects.safetensors"].update(size=file.stat().st_size))


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    file = folder / "harvest.json"
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no record": (lambda folder: (folder / "harvest.json").unlink(), "not a harvest"),
    "another format": (lambda folder: edit(folder, lambda r: r.update(format="x")), "not a harvest"),
    "a later version": (lambda folder: edit(folder, lambda r: r.update(version=2)), "version 2"),
    "no counts": (lambda folder: edit(folder, lambda r: r.pop("counts")), "damaged"),
    "another number of features": (lambda folder: edit(folder, lambda r: r["counts"].update(features=513)), "damaged"),
    "rubbish for a record": (lambda folder: (folder / "harvest.json").write_bytes(b"\xff\xfe{"), "damaged"),
    "a list for a record": (lambda folder: (folder / "harvest.json").write_text("[]"), "not a harvest"),
    "a truncated array file": (truncate, "truncated"),
    "an array file gone": (lambda folder: (folder / "effects.safetensors").unlink(), "missing"),
    "a huge header": (swap_header, "damaged"),
    "offsets outside": (wild_offsets, "damaged"),
    "strings gone": (lambda folder: (folder / "strings.sqlite").unlink(), "damaged"),
    "strings of rubbish": (lambda folder: (folder / "strings.sqlite").write_bytes(b"x" * 5000), "damaged"),
    "labels of rubbish": (lambda folder: (folder / "labels.json").write_text("{"), "damaged"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_one_sentence(small_harvest_path: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "h"
    shutil.copytree(small_harvest_path, folder)
    damage, sentence = DAMAGE[kind]
    damage(folder)
    with pytest.raises(UserError, match=sentence):
        Harvest.open(folder)


@pytest.mark.parametrize("kind", ["nothing", "file", "empty"])
def test_foreign_places(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "h"
    if kind == "file":
        place.write_text("hello")
    elif kind == "empty":
        place.mkdir()
    with pytest.raises(UserError, match="not a harvest"):
        Harvest.open(place)


def test_labels_that_ship_with_a_harvest(small_harvest_path: Path, tmp_path: Path) -> None:
    shutil.copytree(small_harvest_path, tmp_path / "h")
    (tmp_path / "h" / "labels.json").write_text(json.dumps({"7": "hotels"}))
    assert Harvest.open(tmp_path / "h").labels == {7: "hotels"}


def test_the_whole_vocabulary_is_there(small_harvest_path: Path, demo_model_path: Path) -> None:
    codec = TextCodec(AutoTokenizer.from_pretrained(demo_model_path))
    strings = Harvest.open(small_harvest_path).strings
    ids = range(len(codec.tokenizer))
    assert strings.pieces(ids) == [codec.piece(i) for i in ids]
    assert strings.pieces_folded == [codec.piece(i).casefold() for i in ids]
    text = "naïve café 🌉 日本語 <|im_start|>user"
    tokens = codec.encode(text)
    assert strings.texts(tokens.ids) == (tokens.strings, tokens.special)


def test_every_feature_reads(small_harvest_path: Path) -> None:
    harvest = Harvest.open(small_harvest_path)
    begun = time.process_time()
    for feature in range(harvest.features):
        examples = harvest.examples(feature)
        assert (len(examples) > 0) == (harvest.count[feature] > 0)
        for example in examples:
            assert len(example.tokens) == len(example.activations) == len(example.special)
            assert example.activations[example.position] == pytest.approx(example.activation, rel=1e-3)
    assert (time.process_time() - begun) / harvest.features < 0.05
    harvest.close()
