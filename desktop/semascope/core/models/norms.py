"""What a norm does, asked of the module itself: whether it centres, its epsilon, its gain and its bias.

Norms that share a name differ (some Gemmas multiply by 1 + weight, others by the weight), so a copy of the module is run on
numbers whose answer tells the two apart. Nothing is believed that the copy does not repeat.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semascope.core.errors import UserError

_EPSILON = ("variance_epsilon", "eps", "epsilon")


@dataclass(frozen=True)
class Norm:
    """normalised(x) · gain + bias, where normalised(x) has a mean square of 1.

    Attributes:
        gain: Shape (width,), float32, with Gemma's 1 + γ already applied; None without one.
        bias: Shape (width,), float32, or None.
        centred: Whether the mean is subtracted first (LayerNorm).
        epsilon: What is added to the mean square; None for a module that does anything else than is said here.
    """

    gain: Tensor | None
    bias: Tensor | None
    centred: bool
    epsilon: float | None

    def normalised(self, x: Tensor) -> Tensor:
        """`x` (…, width) normalised, without gain and bias, float32.

        Raises:
            UserError: It is a norm of another kind.
        """
        if self.epsilon is None:
            raise UserError(
                "This model's norms are of a kind whose normalised input is not known.", "Choose another hook point."
            )
        return _normalised(x, self.centred, self.epsilon)

    def scaled(self, normalised: Tensor) -> Tensor:
        """What the norm gives for a normalised input (…, width): its gain and bias applied, float32."""
        out = normalised.float()
        out = out if self.gain is None else out * self.gain
        return out if self.bias is None else out + self.bias


@torch.no_grad()
def read_norm(module: nn.Module) -> Norm:
    """What `module` does."""
    bare = copy.deepcopy(module)  # the model itself may be running
    run = bare.forward  # not the call, which would run the hooks that are set on it
    weight, bias = (_parameter(bare, name) for name in ("weight", "bias"))
    gain, offset = (None if found is None else found.float().clone() for found in (weight, bias))
    for found in (weight, bias):
        if found is not None:
            found.zero_()
    shape = getattr(module, "normalized_shape", (64,)) if weight is None else weight.shape
    probe = torch.ones(1, 1, shape[-1]) if weight is None else torch.ones_like(weight).expand(1, 1, -1).clone()
    probe[..., ::2] = -1.0  # mean 0 and mean square 1: a norm leaves it alone but for its weight
    adds_one = weight is not None and bool(run(probe).abs().mean() > 0.5)
    if weight is not None and not adds_one:
        weight.fill_(1.0)
    centred = bool((run(probe) - run(probe + 2)).abs().mean() < 0.1)
    found = next((getattr(module, name) for name in _EPSILON if hasattr(module, name)), None)
    epsilon = float(found) if isinstance(found, (int, float)) else None
    if epsilon is not None:
        ramp = probe.cumsum(-1) + probe
        off = (run(ramp).float() - _normalised(ramp, centred, epsilon)).abs().max()
        epsilon = epsilon if off < (1e-3 if probe.dtype == torch.float32 else 5e-2) else None
    return Norm(gain if gain is None or not adds_one else 1.0 + gain, offset, centred, epsilon)


def _parameter(module: nn.Module, name: str) -> Tensor | None:
    found = getattr(module, name, None)
    return found.detach() if isinstance(found, Tensor) else None


def _normalised(x: Tensor, centred: bool, epsilon: float) -> Tensor:
    x = x.float()
    if centred:
        x = x - x.mean(-1, keepdim=True)
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon)
