"""What a release does to an activation before its encoder, and how the reconstruction is put back in the model's units.

Each function takes x, shape (n, d), float, and returns what the encoder is given and the `Scale` that undoes it:
x̂ = decoded · factor + shift. A factor that differs from token to token belongs to the encode call that made it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from semascope.core.saes.config import SAEConfig

PER_TOKEN = frozenset({"layer_norm", "constant_norm_rescale"})
"""The ways of normalising whose factor each token has for itself."""


class Scale(NamedTuple):
    """The way back from the SAE's units: factor and shift, shape (n, 1) each, or plain numbers."""

    factor: Tensor | float = 1.0
    shift: Tensor | float = 0.0


def normalise(x: Tensor, config: SAEConfig) -> tuple[Tensor, Scale]:
    """x as the encoder wants it, and the way back."""
    if config.normalize == "layer_norm":
        return layer_norm(x)
    if config.normalize == "constant_norm_rescale":
        return constant_norm(x)
    return x, Scale()  # "expected_average_only_in" too: at inference its factor is already part of the weights


def layer_norm(x: Tensor) -> tuple[Tensor, Scale]:
    """(x − mean) / (std + 1e-5), with the sample's standard deviation (divisor d − 1)."""
    mean = x.mean(dim=-1, keepdim=True)
    x = x - mean
    std = x.norm(dim=-1, keepdim=True) / (x.shape[-1] - 1) ** 0.5
    return x / (std + 1e-5), Scale(std, mean)


def constant_norm(x: Tensor) -> tuple[Tensor, Scale]:
    """x · √d / ‖x‖: every token gets the norm √d. A zero vector stays zero."""
    norm = x.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny ** 0.5)
    factor = norm / x.shape[-1] ** 0.5
    return x / factor, Scale(factor)
