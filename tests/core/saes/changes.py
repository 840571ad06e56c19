"""Fixtures with something changed, and small folders made up, for what the fixtures don't show."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.detect import describe

D, M, N = 16, 64, 32
"""Width, features and rows, as in the fixtures."""


def changed(source: Path, folder: Path, **settings: Any) -> Path:
    """A copy of a fixture with other settings; None removes one."""
    shutil.copytree(source, folder)
    name = next(name for name in ("cfg.json", "hyperparams.json", "config.json") if (folder / name).exists())
    config = {**json.loads((folder / name).read_text()), **settings}
    (folder / name).write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    return folder


def retensored(path: Path, **tensors: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Change tensors of a .safetensors file (double underscores are dots), or remove them; gives what it holds now."""
    weights = load_file(path)
    for name, tensor in tensors.items():
        weights.pop(name.replace("__", "."), None)
        if tensor is not None:
            weights[name.replace("__", ".")] = tensor
    save_file(weights, path)
    return weights


def draw(*shape: int, seed: int = 0, scale: float = 0.5) -> torch.Tensor:
    """Random numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def read(path: Path) -> SAEConfig:
    """What the files at `path` say."""
    return describe(path).config


def close(given: torch.Tensor, expected: torch.Tensor) -> None:
    """Equal to 1e-5, and zero in the same places."""
    torch.testing.assert_close(given, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(given != 0, expected != 0)
