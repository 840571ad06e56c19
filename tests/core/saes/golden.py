"""The golden fixtures: small folders in each release's layout, with inputs and outputs of the release's own library."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

GOLDEN = Path(__file__).parents[2] / "golden"

RESCALED = {"releases/llama_scope/Llama3_1-8B-Base-L3R-8x": 16**0.5 / 6.0}
"""SAELens gives these features in units of normalised activations, the release's own library in raw ones: √d/6 between."""


class Golden(NamedTuple):
    """What a release's library computed: x → f → x̂, and its forward pass where it differs."""

    x: torch.Tensor
    f: torch.Tensor
    x_hat: torch.Tensor
    forward: torch.Tensor | None


def folders() -> list[str]:
    """All fixtures, as paths below `GOLDEN`."""
    return sorted(path.parent.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("golden_io.npz"))


def one_layer() -> list[str]:
    """The fixtures of one encoder whose activations are plain vectors: x is (rows, d)."""
    return [name for name in folders() if load(name).x.dim() == 2]


def load(name: str) -> Golden:
    """A fixture's inputs and outputs."""
    with np.load(GOLDEN / name / "golden_io.npz") as arrays:
        io = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    forward = io.get("fwd", io["x_hat"] if "x_hat includes skip" in io_note(name) else None)
    return Golden(io["x"], io["f"] / RESCALED.get(name, 1.0), io["x_hat"], forward)


def io_note(name: str) -> str:
    """What the fixture's makers say of it."""
    return (GOLDEN / name / "golden_note.txt").read_text(encoding="utf-8")
