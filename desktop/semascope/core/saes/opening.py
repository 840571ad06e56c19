"""Opening an SAE from disk: detect its format, describe it, read its weights or leave them mapped."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from semascope.core.errors import UserError, from_os_error
from semascope.core.fingerprint import fingerprint
from semascope.core.models.device import choose_device, free_bytes
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.detect import describe
from semascope.core.saes.formats.layout import Layout
from semascope.core.saes.glu import GluSAE
from semascope.core.saes.layered import KINDS, LayeredSAE
from semascope.core.saes.memory import bytes_needed
from semascope.core.saes.pursuit import MatchingPursuitSAE
from semascope.core.saes.reading import Reading
from semascope.core.saes.sae import SAE
from semascope.core.saes.temporal import TemporalSAE
from semascope.core.saes.weights import read_tensors

_MOST_OF_FREE_MEMORY = 0.5
"""An SAE that would take more of it than this stays in its file, where the file can be mapped."""


def open_sae(
    path: str | os.PathLike[str],
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
    *,
    mapped: bool | None = None,
    reading: Reading | None = None,
) -> SAE:
    """The SAE in a folder, or in the one file of a release that has no more.

    Args:
        path: A folder of any release that is read, or its weights file.
        device: "cpu", "cuda", "mps"; None chooses.
        dtype: What it computes in: a torch dtype or its name; None is float32 whatever the weights are stored in, since
            half precision moves features across their thresholds.
        mapped: Leave encoder and decoder in the file and compute from blocks of them, which takes hardly any memory and
            more time; None does so where they are too large for the memory. Ignored where the format does not allow it.
        reading: How it is to be read where its files don't say, or say wrongly.

    Raises:
        UserError: It is no SAE, is damaged, or does not fit in memory.
    """
    return open_layout(describe(Path(path)), Path(path), device, dtype, mapped=mapped, reading=reading)


def open_layout(
    layout: Layout,
    path: Path,
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
    *,
    mapped: bool | None = None,
    reading: Reading | None = None,
) -> SAE:
    """The SAE that a layout describes, which need not be what its folder says of itself; see `open_sae`.

    Raises:
        UserError: It is damaged, or does not fit in memory.
    """
    where, what = choose_device(device), _dtype(dtype)
    config = reading.apply(layout.config) if reading else layout.config
    in_file = layout.mappable and (_too_large(config, what, where) if mapped is None else mapped)
    try:
        mark = fingerprint(layout.files, layout.part)
        tensors = read_tensors(layout, mapped=in_file)
        kind = _kind(layout)
        return kind(config, tensors, path=path, fingerprint=mark, device=where, dtype=what, mapped=in_file)
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise UserError(
            f"There is not enough memory for this SAE of {layout.config.features:,} features.",
            "Close other programs, or open it with dtype bf16.",
        ) from error


def _kind(layout: Layout) -> type[SAE]:
    """What computes such an SAE."""
    if layout.config.kind in KINDS:
        return LayeredSAE
    if "W_glu" in layout.table:
        return GluSAE
    kinds: dict[str, type[SAE]] = {"matching_pursuit": MatchingPursuitSAE, "temporal": TemporalSAE}
    return kinds.get(layout.config.activation, SAE)


def _too_large(config: SAEConfig, dtype: torch.dtype, where: torch.device) -> bool:
    free = free_bytes(where)
    return free is not None and bytes_needed(config, str(dtype).removeprefix("torch.")) > _MOST_OF_FREE_MEMORY * free


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype:
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype or torch.float32
    names = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "fp64": "float64"}
    found = getattr(torch, names.get(dtype, dtype), None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise UserError(f"“{dtype}” is not a number format.", "Choose float32, bfloat16 or float16.")
    return found
