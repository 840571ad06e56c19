"""Sparse autoencoders: what they compute (`sae`), how each release stores them (`formats`), how they are written (`save`).

`open_sae` is the room's door for scripts. Only the modules that hold tensors import torch, and they do so when used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from semascope.core.saes.reading import Reading
    from semascope.core.saes.sae import SAE


def open_sae(
    path: str | os.PathLike[str],
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
    *,
    mapped: bool | None = None,
    reading: Reading | None = None,
) -> SAE:
    """The SAE stored at `path`: see `semascope.core.saes.opening.open_sae`."""
    from semascope.core.saes.opening import open_sae as really_open

    return really_open(path, device=device, dtype=dtype, mapped=mapped, reading=reading)
