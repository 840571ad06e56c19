"""A tile through the model and the SAE. The only part of the pass that knows tensors."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semascope.core.harvest.events import Events, events_of, finite
from semascope.core.harvest.tiles import Tile
from semascope.core.models.hookpoint import Hooks


class Model(Protocol):
    """What is needed of `core.models.model.LanguageModel`."""

    def run_to(self, hooks: Hooks, ids: Tensor) -> Tensor: ...


class Dictionary(Protocol):
    """What is needed of `core.saes.fitted.FittedSAE`."""

    @property
    def sequential(self) -> bool: ...

    def encode(self, x: Tensor) -> Tensor: ...


class Read:
    """Activations of one tile at the hook points.

    Attributes:
        tile: The tile.
        x: Every position of the tile, padding included, shape (rows · length, width), in the model's dtype.
        norms: float32, shape (rows · length,).
    """

    def __init__(self, model: Model, hooks: Hooks, tile: Tile) -> None:
        x = model.run_to(hooks, torch.from_numpy(tile.ids))
        self.tile = tile
        self.x = x.flatten(0, 1)
        self.norms: NDArray[np.float32] = self.x.float().norm(dim=-1).cpu().numpy()

    @torch.inference_mode()
    def events(self, sae: Dictionary, places: NDArray[np.int64]) -> Events:
        """The SAE's events at some positions, given as flat indices; the rows of the events are those of `places`."""
        there = torch.from_numpy(places).to(self.x.device)
        if sae.sequential:  # every row is a context of its own, and padding stands behind it
            activations = sae.encode(self.x.view(*self.tile.ids.shape, -1)).flatten(0, 1)[there]
        else:
            activations = sae.encode(self.x[there])
        if activations.device.type == "cpu":
            return events_of(activations.float().numpy())
        return events_on_device(activations)


def events_on_device(activations: Tensor) -> Events:
    """`events.events_of` for an accelerator: the search runs there, and only the events come over."""
    feature, row = (activations > 0).T.nonzero(as_tuple=True)  # sorted by feature, then row
    value = activations[row, feature].float()
    return finite(Events(feature.cpu().numpy(), row.cpu().numpy(), value.cpu().numpy()))
