"""A single number among an SAE's tensors, for the few releases whose settings are some of them. Imports no torch by itself."""

from __future__ import annotations

import math
from pathlib import Path

from safetensors import SafetensorError, safe_open

from semascope.core.errors import from_os_error
from semascope.core.foreign.folder import TORCH_FILES, Folder
from semascope.core.foreign.headers import DTYPES, broken


def scalar(folder: Folder, file: str, name: str) -> float | None:
    """The value of a tensor of one number in a .safetensors or PyTorch file; None where there is none, or it is no number.

    Raises:
        UserError: The file is damaged.
    """
    found = folder.header(file).get(name)
    if found is None or found.dtype not in DTYPES or found.dtype.startswith("F8") or found.shape not in ((), (1,)):
        return None
    value = (
        folder.torch(file).number(name) if file.endswith(TORCH_FILES) else _stored(folder.file(file), name, found.dtype)
    )
    return value if value is not None and math.isfinite(value) else None


def _stored(path: Path, name: str, dtype: str) -> float:
    try:
        if dtype == "BF16":  # which numpy has no numbers for
            with safe_open(path, framework="pt") as tensors:
                return float(tensors.get_tensor(name))
        with safe_open(path, framework="numpy") as tensors:
            return float(tensors.get_tensor(name).reshape(()))
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error
    except (SafetensorError, ValueError, OverflowError) as error:
        raise broken(path, "it is damaged or truncated") from error
