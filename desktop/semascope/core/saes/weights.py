"""Reading the tensors that a `Layout` names, in our orientation, every value a number: from .safetensors, .npz or PyTorch files.

Headers were checked against the file's size before this is called (`foreign.headers`), so what is allocated here is
bounded by what lies on disk. Nothing is ever unpickled.
"""

from __future__ import annotations

import math
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
from semascope.core.foreign.torch_files import torch_file
from semascope.core.saes.formats.layout import Layout, Stored

_MAY_BE_INFINITE = frozenset({"threshold", "log_threshold"})
"""An infinite threshold switches a feature off; anything else that isn't finite is damage."""

_CHECKED = 1 << 18
"""Numbers looked at together."""

_MAY_BE_MISSING = frozenset({"activation_mean", "activation_std"})
"""All NaN where a crosscoder's activations were not normalised."""

_SAMPLE = 1 << 26
"""Numbers looked at of a matrix that stays in its file: all of a hundred gigabytes would take many minutes."""


def read_tensors(layout: Layout, *, mapped: bool = False) -> dict[str, Tensor]:
    """The SAE's tensors by our names, as `SAE` takes them.

    Args:
        layout: Where they are.
        mapped: Leave them in the file's dtype, as the file maps them (`Layout.mappable`).

    Raises:
        UserError: A file is damaged, or holds values that are not numbers.
    """
    wanted: dict[Path, set[str]] = {}
    for stored in layout.table.values():
        wanted.setdefault(_file(layout, stored), set()).add(stored.name)
    found = {path: _read(path, names, layout) for path, names in wanted.items()}
    tensors: dict[str, Tensor] = {}
    for ours, stored in layout.table.items():
        path = _file(layout, stored)
        tensor = found[path][stored.name]
        tensor = tensor if mapped else tensor.float()
        _check_numbers(tensor, ours, stored.name, path, at_most=_SAMPLE if mapped else tensor.numel())
        tensors[ours] = tensor.T if stored.transposed(ours) else tensor
    if layout.arrange is not None:
        layout.arrange(tensors)
    return tensors


def _file(layout: Layout, stored: Stored) -> Path:
    return layout.weights.parent / stored.file if stored.file else layout.weights


def _read(path: Path, names: Iterable[str], layout: Layout) -> dict[str, Tensor]:
    """Some tensors of one file; of formats other than .npz they are views of the mapped file where that is possible."""
    try:
        if path.suffix == ".npz":
            return _read_npz(path, names)
        if path.suffix == ".safetensors":
            return _read_safetensors(path, names)
        return torch_file(path, skip=layout.archive_at).read(names)
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error
    except (SafetensorError, zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, RuntimeError) as error:
        raise broken(path, "it is damaged or truncated") from error


def _read_safetensors(path: Path, names: Iterable[str]) -> dict[str, Tensor]:
    if not _is_text(path):  # which its library can't open
        raise UserError(f"The path of {path.name!a} holds bytes that are no text.", "Rename the file and its folders.")
    with safe_open(path, framework="pt", device="cpu") as file:
        return {name: file.get_tensor(name) for name in names}


def _is_text(path: Path) -> bool:
    try:
        return bool(str(path).encode())
    except UnicodeEncodeError:
        return False


def _read_npz(path: Path, names: Iterable[str]) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as file:
        return {name: torch.from_numpy(np.ascontiguousarray(file[name])) for name in names}


def _check_numbers(tensor: Tensor, ours: str, name: str, path: Path, *, at_most: int) -> None:
    """Refuse NaN, and infinity where it has no meaning; a few rows at a time, since a mask is as large as what it masks.

    Of a matrix with more than `at_most` numbers, rows spread over it are looked at.
    """
    if ours in _MAY_BE_MISSING and bool(tensor.isnan().all()):
        return
    rows = tensor.reshape(-1) if tensor.dim() < 2 else tensor
    few = max(1, _CHECKED // max(1, math.prod(rows.shape[1:])))
    parts = range(0, len(rows), few)
    for at in parts[:: max(1, math.ceil(tensor.numel() / max(1, at_most)))]:
        part = rows[at : at + few]
        bad = part.isnan() if ours.partition(".")[0] in _MAY_BE_INFINITE else ~part.isfinite()
        if bool(bad.any()):
            raise UserError(
                f"{name} in {path.name} holds values that are not numbers (NaN or infinity).",
                "Copy or download the file again.",
            )
