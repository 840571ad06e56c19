"""Matching pursuit: an SAE without an encoder, whose features are picked from the decoder one after another.

    r = x;  repeat: j = argmax r · d_j,  v = max(r · d_j, 0),  f_j += v,  r −= v d_j

A feature's activation depends on all that were picked before it, so nothing can be computed for one feature alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from semascope.core.saes.sae import SAE


class MatchingPursuitSAE(SAE):
    """An SAE whose activations come from matching pursuit; W_enc is the decoder transposed and only read."""

    @property
    def independent(self) -> bool:
        """Never: see above."""
        return False

    def _activate(self, x: Tensor, f: Tensor) -> None:
        pursuit = self.config.pursuit
        if pursuit is None:
            raise ValueError("matching pursuit needs its settings")
        rest = x.clone()
        going = torch.ones(len(x), 1, dtype=torch.bool, device=x.device)
        f.zero_()
        for _ in range(pursuit.iterations):
            chosen = (rest @ self.W_enc).relu_().argmax(dim=-1, keepdim=True)
            row = self.W_dec[chosen[:, 0]]
            value = (rest * row).sum(dim=-1, keepdim=True).relu_() * going
            before = f.gather(-1, chosen)
            f.scatter_add_(-1, chosen, value.float())
            rest -= value * row
            if pursuit.on_repeat:
                going &= (before == 0) & (value != 0)
            if pursuit.residual > 0:
                going &= rest.norm(dim=-1, keepdim=True) >= pursuit.residual
            if not going.any():
                break
