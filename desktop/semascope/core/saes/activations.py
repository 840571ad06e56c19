"""Activation functions: from pre-activations p = x W_enc + b_enc to feature activations f, in place.

`apply_` overwrites p, shape (n, m), float32; n tokens at a time, so none needs memory beyond a mask of p's shape. Where a
feature depends on its own pre-activation alone (`independent`), `some(ids)` is the same function for chosen features.
A threshold is strict: p = θ gives 0, in every library.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.saes.config import SAEConfig

_BLOCK = 1 << 18
"""Pre-activations handled at once where that is faster than all of them."""


class Activation(ABC):
    """One activation function with its parameters."""

    independent = True

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Its tensors by SAELens' names, shape (m,) each."""
        return {}

    @abstractmethod
    def apply_(self, p: Tensor) -> None:
        """Overwrite pre-activations (n, m) with activations."""

    def some(self, ids: Tensor) -> Activation:  # noqa: ARG002 - for functions with parameters of each feature
        """The same function for the features `ids`, shape (k,); only where `independent`."""
        return self

    def rescaled(self, factor: float) -> Activation:  # noqa: ARG002 - for functions with thresholds
        """The same function with its thresholds multiplied by `factor`."""
        return self


class ReLU(Activation):
    """f = max(p, 0)."""

    def apply_(self, p: Tensor) -> None:
        p.relu_()


class TanhReLU(Activation):
    """f = tanh(max(p, 0)), in some early SAELens dictionaries."""

    def apply_(self, p: Tensor) -> None:
        p.relu_().tanh_()


class JumpReLU(Activation):
    """f = max(p, 0) where p > θ, else 0; θ has shape (m,)."""

    def __init__(self, threshold: Tensor) -> None:
        # A negative θ lets nothing through that the ReLU would not stop; after this one comparison does both.
        self.threshold = threshold.clamp_min(0.0)
        first = float(self.threshold[0])
        self._uniform = first if bool((self.threshold == first).all()) else None

    @property
    def parameters(self) -> dict[str, Tensor]:
        return {"threshold": self.threshold}

    def apply_(self, p: Tensor) -> None:
        if self._uniform is not None:  # BatchTopK as saved
            torch.threshold_(p, self._uniform, 0.0)
            return
        # A mask of floats in blocks that stay in the cache: five times as fast as one mask of booleans (on a CPU).
        rows = len(p) if p.is_cuda else max(1, _BLOCK // p.shape[-1])
        keep = torch.empty_like(p[:rows])
        for part in torch.split(p, rows):
            part.relu_().mul_(torch.gt(part, self.threshold, out=keep[: len(part)]))

    def some(self, ids: Tensor) -> Activation:
        chosen = copy.copy(self)
        chosen.threshold = self.threshold[ids]
        return chosen

    def rescaled(self, factor: float) -> Activation:
        return self if factor == 1.0 else JumpReLU(self.threshold * factor)


class Gated(Activation):
    """f = max(q · exp(r_mag) + b_mag, 0) where q + b_gate > 0, else 0; p here is q = x W_enc."""

    def __init__(self, b_gate: Tensor, r_mag: Tensor, b_mag: Tensor) -> None:
        self.b_gate, self.r_mag, self.b_mag = b_gate, r_mag, b_mag

    @property
    def parameters(self) -> dict[str, Tensor]:
        return {"b_gate": self.b_gate, "r_mag": self.r_mag, "b_mag": self.b_mag}

    def apply_(self, p: Tensor) -> None:
        closed = p + self.b_gate <= 0
        p.mul_(self.r_mag.exp()).add_(self.b_mag).relu_().masked_fill_(closed, 0.0)

    def some(self, ids: Tensor) -> Activation:
        return Gated(self.b_gate[ids], self.r_mag[ids], self.b_mag[ids])


class TopK(Activation):
    """The k largest p of each token, and of those the positive ones; all others 0.

    Attributes:
        k: How many.
        rectify: False keeps negative ones among the k, too.
        weight: (m,), or None: the k largest are those of p · weight.
    """

    independent = False

    def __init__(self, k: int, *, rectify: bool = True, weight: Tensor | None = None) -> None:
        self.k, self.rectify, self.weight = k, rectify, weight

    @property
    def parameters(self) -> dict[str, Tensor]:
        return {} if self.weight is None else {"selection_weight": self.weight}

    def apply_(self, p: Tensor) -> None:
        if self.weight is None:
            values, ids = p.topk(self.k, dim=-1, sorted=False)
        else:
            ids = (p * self.weight).topk(self.k, dim=-1, sorted=False).indices
            values = p.gather(-1, ids)
        p.zero_().scatter_(-1, ids, values.relu_() if self.rectify else values)


class AbsTopK(Activation):
    """The k largest |p| of each token, signs kept; all others 0."""

    independent = False

    def __init__(self, k: int) -> None:
        self.k = k

    def apply_(self, p: Tensor) -> None:
        ids = p.abs().topk(self.k, dim=-1, sorted=False).indices
        kept = p.gather(-1, ids)
        p.zero_().scatter_(-1, ids, kept)


class GroupMax(Activation):
    """max(p, 0) of the largest feature in each of k equal, contiguous groups; all others 0."""

    independent = False

    def __init__(self, k: int) -> None:
        self.k = k

    def apply_(self, p: Tensor) -> None:
        top = p.view(len(p), self.k, -1).max(dim=-1)
        starts = torch.arange(0, p.shape[-1], p.shape[-1] // self.k, device=p.device)
        p.zero_().scatter_(-1, top.indices + starts, top.values.relu_())


def make_activation(config: SAEConfig, parameters: Mapping[str, Tensor]) -> Activation:
    """The activation function that `config` names, with its own tensors (threshold; b_gate, r_mag, b_mag).

    Raises:
        UserError: One of them is missing, or there is another number of thresholds.
    """
    needed = {"jumprelu": ("threshold",), "gated": ("b_gate", "r_mag", "b_mag")}.get(config.activation, ())
    if missing := [name for name in needed if name not in parameters]:
        raise UserError(
            f"Its activation function, {config.activation}, needs the tensor {missing[0]}, which is not there.",
            "Copy the whole folder again.",
        )
    match config.activation:
        case "relu" | "matching_pursuit":  # each step of a pursuit is a ReLU
            return ReLU()
        case "tanh_relu":
            return TanhReLU()
        case "jumprelu":
            return JumpReLU(_thresholds(parameters["threshold"], config.d_sae) * config.threshold_factor)
        case "gated":
            return Gated(parameters["b_gate"], parameters["r_mag"], parameters["b_mag"])
        case "temporal" if config.k is None:
            return JumpReLU(parameters["threshold"]) if "threshold" in parameters else ReLU()
        case "topk" | "temporal" if config.k is not None:
            return TopK(config.k, rectify=config.rectify, weight=parameters.get("selection_weight"))
    top: Callable[[int], Activation] | None = {"abstopk": AbsTopK, "groupmax": GroupMax}.get(config.activation)
    if top is None or config.k is None:
        raise ValueError(f"no activation function {config.activation!r} with k={config.k}")
    return top(config.k)


def _thresholds(stored: Tensor, features: int) -> Tensor:
    """One threshold for each feature; some files hold one for all.

    Raises:
        UserError: There is another number of them.
    """
    if stored.numel() not in (1, features):
        raise UserError(
            f"There are {stored.numel()} thresholds for {features} features.", "Copy the whole folder again."
        )
    return stored.flatten().expand(features)
