"""A single number among an SAE's tensors, for the few releases whose settings are some of them. Imports no torch by itself."""

from __future__ import annotations

from safetensors import SafetensorError, safe_open

from semascope.core.foreign.folder import TORCH_FILES, Folder
from semascope.core.foreign.headers import DTYPES, broken


def scalar(folder: Folder, file: str, name: str) -> float | None:
    """The value of a tensor of one number in a .safetensors or PyTorch file; None where there is no such tensor.

    Raises:
        UserError: The file is damaged.
    """
    found = folder.header(file).get(name)
    if found is None or found.dtype not in DTYPES or found.shape not in ((), (1,)):
        return None
    if file.endswith(TORCH_FILES):
        return folder.torch(file).number(name)
    path = folder.file(file)
    try:
        if found.dtype == "BF16":  # which numpy has no numbers for
            with safe_open(path, framework="pt") as tensors:
                return float(tensors.get_tensor(name))
        with safe_open(path, framework="numpy") as tensors:
            return float(tensors.get_tensor(name).reshape(()))
    except (SafetensorError, ValueError, OverflowError) as error:
        raise broken(path, "it is damaged or truncated") from error
