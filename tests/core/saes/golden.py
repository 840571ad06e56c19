"""The golden fixtures: small folders in each release's layout, with inputs and outputs of the release's own library."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

GOLDEN = Path(__file__).parents[2] / "golden"

READ = ("sae_lens", "sae_lens_legacy", "sparsify", "releases/gemma_scope_2b_pt_res", "releases/gemma_scope_2_1b_pt")
NOT_YET = {"sae_lens/temporal"}


class Golden(NamedTuple):
    """What a release's library computed: x → f → x̂, and its forward pass where it differs."""

    x: torch.Tensor
    f: torch.Tensor
    x_hat: torch.Tensor
    forward: torch.Tensor | None


def folders() -> list[str]:
    """All fixtures, as paths below `GOLDEN`."""
    return sorted(path.parent.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("golden_io.npz"))


def read_folders() -> list[str]:
    """The fixtures of the families that are read."""
    return [name for name in folders() if name.startswith(READ) and name not in NOT_YET]


def load(name: str) -> Golden:
    """A fixture's inputs and outputs."""
    with np.load(GOLDEN / name / "golden_io.npz") as arrays:
        io = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    return Golden(io["x"], io["f"], io["x_hat"], io.get("fwd"))
