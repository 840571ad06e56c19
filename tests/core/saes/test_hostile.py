"""Files that lie: each refused with one sentence, nothing executed, nothing outside read, memory bounded."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
import sys
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from semascope.core.errors import UserError
from semascope.core.identify import identify
from semascope.core.saes import open_sae
from tests.core.saes.golden import GOLDEN

SAELENS = GOLDEN / "sae_lens/jumprelu"
GEMMA = GOLDEN / "releases/gemma_scope_2b_pt_res/layer_3/width_16k/average_l0_30"

Spoil = Callable[[Path], None]


def weights(folder: Path) -> Path:
    return folder / "sae_weights.safetensors"


def header(folder: Path, change: Callable[[dict], None]) -> None:
    """Rewrite the header of a safetensors file and leave its data."""
    data = weights(folder).read_bytes()
    length = int.from_bytes(data[:8], "little")
    content = json.loads(data[8 : 8 + length])
    change(content)
    new = json.dumps(content).encode()
    weights(folder).write_bytes(struct.pack("<Q", len(new)) + new + data[8 + length :])


def config(**settings: object) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / "cfg.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))

    return spoil


def tensor(name: str, change: Callable[[torch.Tensor], torch.Tensor | None]) -> Spoil:
    def spoil(folder: Path) -> None:
        tensors = load_file(weights(folder))
        value = change(tensors.pop(name))
        save_file(tensors if value is None else {**tensors, name: value}, weights(folder))

    return spoil


def content(name: str, data: bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(data) and None


def outside(folder: Path) -> None:
    secret = folder.parent / "secret.safetensors"
    shutil.move(weights(folder), secret)
    weights(folder).symlink_to(secret)


def lengthened(folder: Path) -> None:
    header(folder, lambda h: h["W_enc"].update(shape=[1 << 40, 1 << 40]))


def overlapping(folder: Path) -> None:
    header(folder, lambda h: h["b_enc"].update(data_offsets=h["threshold"]["data_offsets"]))


def truncated(folder: Path) -> None:
    weights(folder).write_bytes(weights(folder).read_bytes()[:-100])


def fifo(folder: Path) -> None:
    weights(folder).unlink()
    os.mkfifo(weights(folder))


SPOILS: dict[str, Spoil] = {
    "a shape that lies": lengthened,
    "tensors that overlap": overlapping,
    "a negative shape": lambda f: header(f, lambda h: h["W_enc"].update(shape=[-16, -64])),
    "a shape of words": lambda f: header(f, lambda h: h["W_enc"].update(shape=["16", 64])),
    "an unknown dtype": lambda f: header(f, lambda h: h["W_enc"].update(dtype="F4")),
    "a header that is a list": content("sae_weights.safetensors", struct.pack("<Q", 2) + b"[]"),
    "a header longer than the file": content("sae_weights.safetensors", struct.pack("<Q", 1 << 60) + b"{}"),
    "a header of 10,000 levels": content(
        "sae_weights.safetensors", struct.pack("<Q", 60000) + b'{"a":' * 10000 + b"1" + b"}" * 9999
    ),
    "a truncated file": truncated,
    "a file that goes on": lambda f: weights(f).write_bytes(weights(f).read_bytes() + b"more") and None,
    "an empty file": content("sae_weights.safetensors", b""),
    "a link out of the folder": outside,
    "a pipe": fifo,
    "NaN weights": tensor("W_enc", lambda t: t.fill_(float("nan"))),
    "infinite weights": tensor("W_dec", lambda t: t.fill_(float("inf"))),
    "NaN thresholds": tensor("threshold", lambda t: t.fill_(float("nan"))),
    "a missing tensor": tensor("threshold", lambda _: None),
    "a tensor of whole numbers": tensor("b_enc", lambda t: t.int()),
    "a transposed encoder": tensor("W_enc", lambda t: t.T.contiguous()),
    "a bias of another length": tensor("b_dec", lambda t: t[:-1].clone()),
    "an empty tensor": tensor("b_enc", lambda t: t[:0].clone()),
    "JSON of depth 10,000": content("cfg.json", b"[" * 10000 + b"]" * 10000),
    "a list for settings": content("cfg.json", b"[]"),
    "settings that are no JSON": content("cfg.json", b"\x00\xff rubbish"),
    "settings of 9 MB": content("cfg.json", b" " * (9 << 20)),
    "a number of 5,000 digits": content("cfg.json", b'{"k": ' + b"9" * 5000 + b"}"),
    "a k of words": config(architecture="topk", k="eight"),
    "a k beyond the features": config(architecture="topk", k=65),
    "a k of nothing": config(architecture="topk", k=0),
    "no k": config(architecture="topk"),
    "a flag of words": config(apply_b_dec_to_input="yes"),
    "an architecture that is a list": config(architecture=["jumprelu"]),
    "metadata that is a list": config(metadata=[1]),
    "a normalisation that nobody knows": config(normalize_activations="magic"),
    "endless pursuit": config(architecture="matching_pursuit", max_iterations=10**12),
}


@pytest.mark.parametrize("what", SPOILS)
def test_saelens(what: str, tmp_path: Path) -> None:
    folder = tmp_path / "sae"
    shutil.copytree(SAELENS, folder)
    SPOILS[what](folder)
    with pytest.raises(UserError) as refused:
        open_sae(folder, device="cpu")
    assert refused.value.sentence.endswith(".")
    assert len(refused.value.sentence) < 300
    found = identify(folder)
    assert found.problems or what in ("NaN weights", "infinite weights", "NaN thresholds")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all names are text")
def test_a_path_that_is_no_text(tmp_path: Path) -> None:
    folder = tmp_path / "bad\udc80"
    shutil.copytree(SAELENS, folder)
    with pytest.raises(UserError, match="bytes that are no text"):
        open_sae(folder, device="cpu")


def npz(folder: Path, **arrays: np.ndarray) -> None:
    with np.load(GEMMA / "params.npz") as stored:
        np.savez(folder / "params.npz", **{**{name: stored[name] for name in stored.files}, **arrays})


MARK = Path(tempfile.gettempdir()) / f"semascope-unpickled-{os.getpid()}"


class Bomb:
    """What a pickle could do."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(MARK),)


def pickled(folder: Path) -> None:
    npz(folder, threshold=np.array([Bomb()], dtype=object))


def zip_bomb(folder: Path) -> None:
    with zipfile.ZipFile(folder / "params.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("W_enc", "W_dec", "b_enc", "b_dec", "threshold"):
            array = io.BytesIO()
            np.save(array, np.zeros((2304, 1024), np.float32))
            archive.writestr(f"{name}.npy", array.getvalue())


def lying_array(folder: Path) -> None:
    npz(folder)
    with zipfile.ZipFile(folder / "params.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["W_enc.npy"] = members["W_enc.npy"].replace(b"(16, 64)", b"(64, 64)")
    with zipfile.ZipFile(folder / "params.npz", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


NPZ: dict[str, Spoil] = {
    "a pickle": pickled,
    "a zip bomb": zip_bomb,
    "an array that lies": lying_array,
    "another byte order": lambda f: npz(f, threshold=np.zeros(64, ">f4")),
    "text": lambda f: npz(f, threshold=np.array(["a"] * 64)),
    "a plain pickle": content("params.npz", pickle.dumps(Bomb())),
    "a truncated file": lambda f: content("params.npz", (GEMMA / "params.npz").read_bytes()[:4000])(f),
    "no zip at all": content("params.npz", b"PK\x03\x04 rubbish"),
}


@pytest.mark.parametrize("what", NPZ)
def test_gemma_scope(what: str, tmp_path: Path) -> None:
    NPZ[what](tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(UserError):
            open_sae(tmp_path, device="cpu")
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert not MARK.exists()
    assert identify(tmp_path).problems


def test_the_bomb_would_have_gone_off() -> None:
    pickle.loads(pickle.dumps(Bomb()))
    MARK.rmdir()


def test_names_with_markup_come_back_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "<b>bold</b>\n<img src=x>"
    shutil.copytree(SAELENS, folder)
    assert open_sae(folder, device="cpu").config.d_sae == 64
    assert identify(folder).kind == "sae"


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(UserError, match="no permission"):
        open_sae(tmp_path)
