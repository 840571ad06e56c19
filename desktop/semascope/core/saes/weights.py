"""Reading the tensors that a `Layout` names: from .safetensors or .npz, in float32, in our orientation, every value a number.

Headers were checked against the file's size before this is called (`foreign.headers`), so what is allocated here is
bounded by what lies on disk. Nothing is ever unpickled.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from semascope.core.errors import UserError, from_os_error
from semascope.core.foreign.headers import broken
from semascope.core.saes.formats.layout import Layout

_MAY_BE_INFINITE = frozenset({"threshold", "log_threshold"})
"""An infinite threshold switches a feature off; anything else that isn't finite is damage."""


def read_tensors(layout: Layout) -> dict[str, Tensor]:
    """The SAE's tensors by our names, as `SAE` takes them.

    Raises:
        UserError: The file is damaged, or holds values that are not numbers.
    """
    names = {stored.name for stored in layout.table.values()}
    read = _read_npz if layout.weights.suffix == ".npz" else _read_safetensors
    try:
        found = read(layout.weights, names)
    except OSError as error:
        raise from_os_error(error, f"read {layout.weights}") from error
    except (SafetensorError, zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, RuntimeError) as error:
        raise broken(layout.weights, "it is damaged or truncated") from error
    tensors: dict[str, Tensor] = {}
    for ours, stored in layout.table.items():
        tensor = found[stored.name].float()
        _check_numbers(tensor, ours, stored.name, layout.weights)
        tensors[ours] = tensor.T if stored.transposed(ours) else tensor
    if layout.arrange is not None:
        layout.arrange(tensors)
    return tensors


def _read_safetensors(path: Path, names: Iterable[str]) -> dict[str, Tensor]:
    with safe_open(path, framework="pt", device="cpu") as file:
        return {name: file.get_tensor(name) for name in names}


def _read_npz(path: Path, names: Iterable[str]) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as file:
        return {name: torch.from_numpy(np.ascontiguousarray(file[name])) for name in names}


def _check_numbers(tensor: Tensor, ours: str, name: str, path: Path) -> None:
    """Refuse NaN, and infinity where it has no meaning; a few rows at a time, for a mask as large as a decoder is large."""
    rows = tensor.reshape(-1) if tensor.dim() < 2 else tensor
    for part in torch.split(rows, 1 << 16):
        bad = part.isnan() if ours in _MAY_BE_INFINITE else ~part.isfinite()
        if bool(bad.any()):
            raise UserError(
                f"{name} in {path.name} holds values that are not numbers (NaN or infinity).",
                "Copy or download the file again.",
            )
