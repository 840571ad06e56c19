"""Opening an SAE from disk: detect its format, describe it, read its weights."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from semascope.core.errors import UserError, from_os_error
from semascope.core.fingerprint import fingerprint
from semascope.core.models.device import choose_device
from semascope.core.saes.formats.detect import describe
from semascope.core.saes.pursuit import MatchingPursuitSAE
from semascope.core.saes.sae import SAE
from semascope.core.saes.weights import read_tensors


def open_sae(path: str | os.PathLike[str], device: str | None = None, dtype: str | torch.dtype | None = None) -> SAE:
    """The SAE in a folder, or in the one file of a release that has no more.

    Args:
        path: A folder of any release that is read, or its weights file.
        device: "cpu", "cuda", "mps"; None chooses.
        dtype: What it computes in: a torch dtype or its name; None is float32 whatever the weights are stored in, since
            half precision moves features across their thresholds.

    Raises:
        UserError: It is no SAE, is of a release that is not read yet, is damaged, or does not fit in memory.
    """
    layout = describe(Path(path))
    where, what = choose_device(device), _dtype(dtype)
    kind = MatchingPursuitSAE if layout.config.activation == "matching_pursuit" else SAE
    try:
        mark = fingerprint(layout.files)
        tensors = read_tensors(layout)
        return kind(layout.config, tensors, path=Path(path), fingerprint=mark, device=where, dtype=what)
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise UserError(
            f"There is not enough memory for this SAE of {layout.config.d_sae:,} features.",
            "Close other programs, or open it with dtype bf16.",
        ) from error


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype:
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype or torch.float32
    names = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "fp64": "float64"}
    found = getattr(torch, names.get(dtype, dtype), None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise UserError(f"“{dtype}” is not a number format.", "Choose float32, bfloat16 or float16.")
    return found
