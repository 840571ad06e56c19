"""Logit effects: what a feature's decoder direction does to the output vocabulary, by the direct path alone.

    effect = W_U · (γ ⊙ d) − mean over the vocabulary

γ is the final norm's gain; where that norm is a LayerNorm, d is centred first (`method.md`, "Logit effects"). The norm's
own scale depends on the token and is left out. Neuronpedia's convention leaves the gain out as well. Which feature and
which model: the caller's matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from semascope.core.models.model import Unembedding

Convention = Literal["gain", "neuronpedia"]
TOP = 10
_CHUNK = 32768
_WIDEN_BELOW = 1 << 27  # half a gigabyte of float32; a larger unembedding is widened a chunk at a time


class LogitEffects(NamedTuple):
    """The tokens that some features promote and suppress most, strongest first; token ids int32, effects float32.

    Attributes:
        positive: Token ids, shape (k, top).
        positive_effect: Shape (k, top).
        negative: Token ids, shape (k, top).
        negative_effect: Shape (k, top).
    """

    positive: NDArray[np.int32]
    positive_effect: NDArray[np.float32]
    negative: NDArray[np.int32]
    negative_effect: NDArray[np.float32]


class LogitLens:
    """An unembedding, ready to read directions of the residual stream."""

    def __init__(self, unembedding: Unembedding, convention: Convention = "gain") -> None:
        import torch

        weight = unembedding.weight
        self._weight = weight.float() if weight.numel() <= _WIDEN_BELOW else weight
        ours = convention == "gain"
        self._gain = unembedding.gain if ours else None
        self._centred = ours and unembedding.centred
        total = torch.zeros(weight.shape[1], device=weight.device)
        for chunk in self._chunks():
            total += chunk.sum(dim=0)
        self._mean = total / len(weight)

    def effects(self, directions: Tensor) -> Tensor:
        """Effects on every token, shape (k, vocabulary), float32, of directions, shape (k, d_model)."""
        import torch

        u = self._project(directions)
        return torch.cat([u @ chunk.T for chunk in self._chunks()], dim=1) - (u @ self._mean)[:, None]

    def strongest(self, directions: Tensor, top: int = TOP) -> LogitEffects:
        """The tokens that each of `directions`, shape (k, d_model), promotes and suppresses most."""

        u = self._project(directions)
        ids: dict[bool, list[Tensor]] = {True: [], False: []}
        values: dict[bool, list[Tensor]] = {True: [], False: []}
        at = 0
        for chunk in self._chunks():
            logits = u @ chunk.T
            for largest in (True, False):
                found = logits.topk(min(top, len(chunk)), dim=1, largest=largest)
                ids[largest].append(found.indices + at)
                values[largest].append(found.values)
            at += len(chunk)
        mean = (u @ self._mean)[:, None]
        (positive, up), (negative, down) = (
            _merge(ids[largest], values[largest], top, largest) for largest in (True, False)
        )
        return LogitEffects(
            positive.cpu().numpy().astype(np.int32),
            (up - mean).cpu().numpy(),
            negative.cpu().numpy().astype(np.int32),
            (down - mean).cpu().numpy(),
        )

    def _chunks(self) -> Iterator[Tensor]:
        """The unembedding in float32, some rows at a time."""
        return (self._weight[at : at + _CHUNK].float() for at in range(0, len(self._weight), _CHUNK))

    def _project(self, directions: Tensor) -> Tensor:
        """The directions as the unembedding's rows see them, float32."""
        u = directions.float().to(self._weight.device)
        if self._centred:
            u = u - u.mean(dim=-1, keepdim=True)
        return u if self._gain is None else u * self._gain.to(u.device)


def _merge(ids: list[Tensor], values: list[Tensor], top: int, largest: bool) -> tuple[Tensor, Tensor]:
    """The strongest of what was found in each chunk of the vocabulary: token ids and values."""
    import torch

    every = torch.cat(values, dim=1)
    found = every.topk(min(top, every.shape[1]), dim=1, largest=largest)
    return torch.cat(ids, dim=1).gather(1, found.indices), found.values
