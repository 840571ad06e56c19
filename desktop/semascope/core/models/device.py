"""Which device and which number format a model gets unless the person chooses."""

from __future__ import annotations

import psutil
import torch

from semascope.core.errors import UserError

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def default_device() -> torch.device:
    """The first of CUDA, MPS and the CPU that is here."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def choose_device(name: str | None) -> torch.device:
    """The device called `name` (`cpu`, `cuda`, `cuda:1`, `mps`), or the default one.

    Raises:
        UserError: No such device is here.
    """
    if name is None:
        return default_device()
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"The device “{name}” is not available here.", "Choose cpu, or leave the choice out."
        ) from error
    return device


def default_dtype(device: torch.device) -> torch.dtype:
    """bf16 where the hardware multiplies it at full speed (there it is over twice as fast as fp32), else fp32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu":
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if fast else torch.float32
    return torch.float32


def choose_dtype(name: str | None, device: torch.device) -> torch.dtype:
    """The dtype called `name` (`bf16`, `fp16`, `fp32`, or torch's own name), or the default one for `device`.

    Raises:
        UserError: No such dtype.
    """
    if name is None:
        return default_dtype(device)
    named = DTYPES.get(name) or {str(value).removeprefix("torch."): value for value in DTYPES.values()}.get(name)
    if named is None:
        raise UserError(f"“{name}” is not a number format.", f"Choose one of {', '.join(DTYPES)}.")
    return named


def dtype_name(dtype: torch.dtype) -> str:
    """The short name of a dtype: bf16, fp16, fp32."""
    return next((name for name, value in DTYPES.items() if value == dtype), str(dtype).removeprefix("torch."))


def free_bytes(device: torch.device) -> int | None:
    """Free bytes of a device's memory, None where it can't be told."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available) if device.type == "cpu" else None
