"""One encoder of a dictionary of several hook points, and how its matrices are turned into numbers to compute with.

A matrix in memory is used as it is. A mapped one stays in its file, in the file's dtype, and a block of rows at a time comes
to the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from semascope.core.saes.activations import Activation

CHUNK = 1 << 25
"""Numbers handled at once: 128 MiB of float32."""


def blocks(matrix: Tensor, like: Tensor, *, mapped: bool) -> Iterator[tuple[int, Tensor]]:
    """Rows of a matrix on the device and in the dtype of `like`, and where they begin; all at once unless it is mapped."""
    step = max(1, CHUNK // matrix.shape[-1]) if mapped else max(1, len(matrix))
    for at in range(0, len(matrix), step):
        yield at, matrix[at : at + step].to(like.device, like.dtype)


@dataclass(frozen=True)
class Encoder:
    """One encoder.

    Attributes:
        weight: Shape (width, m), where it has all it reads as rows.
        bias: Shape (m,), on the device and in the dtype that is computed in.
        activation: From pre-activations to activations.
        columns: What it reads of flat activations.
        mapped: Whether `weight` is still that of the file.
    """

    weight: Tensor
    bias: Tensor
    activation: Activation
    columns: slice
    mapped: bool

    @property
    def size(self) -> int:
        """How many features it has."""
        return len(self.bias)

    def encode(self, x: Tensor) -> Tensor:
        """Its activations of flat rows (n, all widths): shape (n, m), float32."""
        x = x[:, self.columns]
        if self.mapped:
            p = torch.empty(len(x), self.size, dtype=torch.float32, device=x.device)
            for at, block in blocks(self.weight.T, self.bias, mapped=True):
                part = slice(at, at + len(block))
                p[:, part] = torch.addmm(self.bias[part], x, block.T)
        else:
            p = torch.addmm(self.bias, x, self.weight).float()
        self.activation.apply_(p)
        return p

    def encode_some(self, x: Tensor, ids: Tensor) -> Tensor:
        """encode(x)[:, ids]; only their rows are read where a feature's activation depends on no other."""
        if not self.activation.independent:
            return self.encode(x)[:, ids]
        rows = self.weight.T[ids.to(self.weight.device)].to(self.bias.device, self.bias.dtype)
        p = torch.addmm(self.bias[ids], x[:, self.columns], rows.T).float()
        self.activation.some(ids).apply_(p)
        return p
