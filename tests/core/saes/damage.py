"""What can happen to the files of a fixture, and what must come of it: a sentence, or an SAE that computes."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from semascope.core.errors import UserError
from semascope.core.identify import identify
from semascope.core.saes import open_sae
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.detect import describe
from semascope.core.saes.sae import SAE
from tests.core.saes.made import source

WEIGHTS = (".safetensors", ".npz", ".pt", ".pth", ".bin")
SETTINGS = (".json", ".yaml", ".yml")


def copied(name: str, place: Path) -> Path:
    """A fixture's files below `place`, under the names of its folders, which may say what its files don't."""
    folder = place / name
    shutil.copytree(source(name), folder, ignore=shutil.ignore_patterns("golden_*"))
    return folder


def files(folder: Path, suffixes: tuple[str, ...] = (*WEIGHTS, *SETTINGS)) -> list[Path]:
    """The files of a fixture that have one of some endings, in order."""
    found = (path for path in folder.rglob("*") if path.suffix in suffixes and not path.name.startswith("golden_"))
    return sorted(path for path in found if path.is_file())


def before_archive(path: Path) -> bytes:
    """What a file of saev has before PyTorch's archive: a line of JSON."""
    data = path.read_bytes()
    return data[: data.index(b"\n") + 1] if data.startswith(b"{") else b""


def load(path: Path) -> Any:
    """The tensors of a file of any format, as its own library reads them."""
    if path.suffix == ".safetensors":
        return load_file(path)
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    return torch.load(io.BytesIO(path.read_bytes()[len(before_archive(path)) :]), weights_only=True)


def save(path: Path, tensors: dict[str, Any], **settings: Any) -> None:
    """Write tensors to a file, in the format and behind the line that it had."""
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    elif path.suffix == ".npz":
        np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})
    else:
        stream = io.BytesIO()
        torch.save(tensors, stream, **settings)
        path.write_bytes(before_archive(path) + stream.getvalue())


def below(tensors: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every tensor of nested dicts, as a dict and a key of it."""
    for name, value in tensors.items():
        if isinstance(value, torch.Tensor):
            yield tensors, name
        elif isinstance(value, dict):
            yield from below(value)


def check(path: Path) -> bool:
    """See that all doors are safe: `path` is described in sentences, and opens as an SAE that computes or not at all.

    Returns:
        Whether it opened.
    """
    found = identify(path)
    assert found.kind in ("sae", "unknown", "model")
    assert json.loads(json.dumps(found.as_json()))["path"] == str(path)
    assert all(problem.endswith((".", "?")) and len(problem) < 2000 for problem in found.problems), found.problems
    try:
        layout = describe(path)
        sae = open_sae(path, device="cpu")
    except UserError as error:
        refused = error
    else:
        return computes(sae, layout.config)
    assert refused.sentence.endswith((".", "?"))
    assert len(refused.sentence) < 1000
    return False


def computes(sae: SAE, config: SAEConfig) -> bool:
    """See that it does; and that what was described is what was opened."""
    assert config == sae.config
    x = torch.randn(3, sae.config.width_in)
    f = sae.encode(x)
    assert f.shape == (3, sae.config.features)
    assert sae.decode(f).shape == sae(x).shape
    return True
