"""Small SAEs with random weights, for what the fixtures don't show."""

from __future__ import annotations

from typing import Any

import torch

from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.sae import SAE

D, M = 12, 40


def config(activation: str = "relu", **changes: Any) -> SAEConfig:
    """Settings of an SAE at resid_post.3."""
    hook = HookPoint("resid_post", 3)
    settings: dict[str, Any] = {
        "format": "test", "architecture": activation, "activation": activation, "d_in": D, "d_out": D, "d_sae": M,
        "reads": (hook,), "writes": (hook,), "k": 5 if "top" in activation or "group" in activation else None,
    }  # fmt: skip
    return SAEConfig(**{**settings, **changes})


def tensors(seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors for any activation."""
    draw = torch.Generator().manual_seed(seed)
    shapes = {"W_enc": (D, M), "W_dec": (M, D), "b_dec": (D,)} | dict.fromkeys(
        ("b_enc", "threshold", "b_gate", "r_mag", "b_mag"), (M,)
    )
    return {name: torch.randn(shape, generator=draw) * 0.5 for name, shape in shapes.items()}


def sae(activation: str = "relu", seed: int = 0, **changes: Any) -> SAE:
    """An SAE with random weights."""
    own = tensors(seed)
    if activation == "gated":
        del own["b_enc"]
    return SAE(config(activation, **changes), own)
