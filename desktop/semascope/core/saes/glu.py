"""SAEs whose pre-activations pass a gate of their own: p = (x W_enc + b_enc) · sigmoid(x W_glu + b_glu).

llamascopium calls this a GLU encoder. Everything after p is as in `sae`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from semascope.core.saes.config import SAEConfig
from semascope.core.saes.sae import SAE


class GluSAE(SAE):
    """An SAE with a gated encoder.

    Attributes:
        W_glu: Shape (d_in, m).
        b_glu: Shape (m,).
    """

    def __init__(self, config: SAEConfig, tensors: Mapping[str, Tensor], **settings: Any) -> None:
        """Take the tensors of `SAE`, and those of the gate."""
        gate = {"W_glu", "b_glu"}
        super().__init__(config, {name: tensor for name, tensor in tensors.items() if name not in gate}, **settings)
        self.W_glu = tensors["W_glu"].detach() if self.mapped else self._here(tensors["W_glu"].detach())
        self.b_glu = self._here(tensors["b_glu"].detach())

    @torch.no_grad()
    def encode_some(self, x: Tensor, ids: Tensor) -> Tensor:
        """encode(x)[…, ids]: see `SAE`."""
        if not self.independent:
            return self.encode(x)[..., ids]
        x = self._enter(x)
        p = self._pre(x, ids.to(self.W_enc.device)).float()
        self.activation.some(ids).apply_(p)
        return p.view(*self._last.tokens, len(ids))

    def _activate(self, x: Tensor, f: Tensor) -> None:
        for at in range(0, f.shape[-1], self._block):
            part = slice(at, at + self._block)
            f[:, part] = self._pre(x, part)
        self.activation.apply_(f)

    def _pre(self, x: Tensor, part: slice | Tensor) -> Tensor:
        """The gated pre-activations of some features, shape (n, k), of entered tokens x."""
        p = torch.addmm(self.b_enc[part], x, self._here(self.W_enc[:, part]))
        return p * torch.addmm(self.b_glu[part], x, self._here(self.W_glu[:, part])).sigmoid_()
