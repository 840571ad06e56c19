"""A tile through the model and the SAE. The only part of the pass that knows tensors."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semascope.core.harvest.events import Events, events_of, finite
from semascope.core.harvest.tiles import Tile
from semascope.core.models.hookpoint import HookPoint


class Model(Protocol):
    """What is needed of `core.models.model.LanguageModel`."""

    def run_to(self, hook: HookPoint, ids: Tensor) -> Tensor: ...


class Dictionary(Protocol):
    """What is needed of `core.saes.sae.SAE`."""

    def encode(self, x: Tensor) -> Tensor: ...


class Read:
    """Activations of one tile at the hook point.

    Attributes:
        tile: The tile.
        x: Every position of the tile, padding included, shape (rows · length, width), in the model's dtype.
        norms: float32, shape (rows · length,).
    """

    def __init__(self, model: Model, hook: HookPoint, tile: Tile) -> None:
        x = model.run_to(hook, torch.from_numpy(tile.ids))
        self.tile = tile
        self.x = x.flatten(0, 1)
        self.norms: NDArray[np.float32] = self.x.float().norm(dim=-1).cpu().numpy()

    @torch.inference_mode()
    def encode(self, sae: Dictionary, places: NDArray[np.int64]) -> HostEncoded | DeviceEncoded:
        """The SAE's activations at some positions, given as flat indices."""
        rows = torch.from_numpy(places).to(self.x.device)
        activations = sae.encode(self.x[rows])
        return HostEncoded(activations) if activations.device.type == "cpu" else DeviceEncoded(activations)


class HostEncoded:
    """Activations in the processor's own memory, seen as a numpy array."""

    def __init__(self, activations: Tensor) -> None:
        self._activations: NDArray[np.float32] = activations.float().numpy()

    def events(self) -> Events:
        """See `events.events_of`."""
        return events_of(self._activations)

    def at(self, rows: NDArray[np.int64], features: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `accumulate.Encoded`."""
        return self._activations[rows, features[:, None]]


class DeviceEncoded:
    """Activations on an accelerator, of which only events and windows come over."""

    def __init__(self, activations: Tensor) -> None:
        self._activations = activations

    def events(self) -> Events:
        """See `events.events_of`."""
        feature, row = (self._activations > 0).T.nonzero(as_tuple=True)  # sorted by feature, then row
        value = self._activations[row, feature].float()
        return finite(Events(feature.cpu().numpy(), row.cpu().numpy(), value.cpu().numpy()))

    def at(self, rows: NDArray[np.int64], features: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `accumulate.Encoded`."""
        device = self._activations.device
        row, feature = torch.from_numpy(rows).to(device), torch.from_numpy(features).to(device)
        values: NDArray[np.float32] = self._activations[row, feature[:, None]].float().cpu().numpy()
        return values
