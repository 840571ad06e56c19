"""Nearest features: those whose decoder directions have the highest cosine. Exact, by matrix products, in chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

TOP = 16


class Nearest(NamedTuple):
    """The nearest features of some, nearest first; of equals the lower id.

    Attributes:
        ids: int32, shape (k, top); −1 where there is none.
        cosines: float32, shape (k, top).
    """

    ids: NDArray[np.int32]
    cosines: NDArray[np.float32]


def inverse_norms(decoder: Tensor) -> Tensor:
    """1/‖d_i‖ of every row, shape (m,), float32; 0 where the row is zero or not finite."""
    import torch

    norms = decoder.float().norm(dim=-1)
    return torch.where((norms > 0) & norms.isfinite(), 1.0 / norms, torch.zeros_like(norms))


def nearest(decoder: Tensor, inverse: Tensor, start: int, stop: int, top: int = TOP) -> Nearest:
    """The nearest features of features `start` to `stop`, themselves excluded.

    Args:
        decoder: Shape (m, d).
        inverse: `inverse_norms` of it.
        start, stop: Which rows.
        top: How many neighbours.
    """
    import torch

    usable = inverse > 0
    rows = torch.where(usable[start:stop, None], decoder[start:stop].float() * inverse[start:stop, None], 0.0)
    cosines = (rows @ decoder.float().T) * inverse
    cosines.masked_fill_(~usable, -torch.inf).nan_to_num_(nan=-torch.inf, neginf=-torch.inf)
    here = torch.arange(stop - start, device=cosines.device)
    cosines[here, here + start] = -torch.inf
    cosines[~usable[start:stop]] = -torch.inf
    found = cosines.topk(min(top, cosines.shape[1]), dim=1)
    values = np.full((stop - start, top), -np.inf, dtype=np.float32)
    ids = np.zeros((stop - start, top), dtype=np.int32)
    values[:, : found.values.shape[1]] = found.values.cpu().numpy()
    ids[:, : found.values.shape[1]] = found.indices.cpu().numpy()
    order = np.lexsort((ids, -values), axis=1)
    values, ids = np.take_along_axis(values, order, 1), np.take_along_axis(ids, order, 1)
    none = ~np.isfinite(values)
    return Nearest(np.where(none, np.int32(-1), ids), np.where(none, np.float32(0), values))
