"""Temporal SAEs: what attention predicts of a token from those before it, and a sparse code of what is new in it.

    r = c x − b_dec;  λ = 1 / 4d
    each attention layer: z = relu(λ r W_enc), keys and values from z one token earlier, queries from z;
        p = relu(c_proj(causal attention)), s = ⟨p W_dec, r⟩ / (‖p W_dec‖ + 1e-6)², predicted += s p, r −= s p W_dec
    f = the k largest of relu(λ r W_enc) (or all, or those above a threshold);  x̂ = ((f + predicted) W_dec + b_dec) / c

The features are the new part f: `decode(f)` lacks what was predicted, `reconstruct` has it. A token's activations depend on
all tokens before it, so x is always a whole sequence, shape (…, T, d).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

from semascope.core.saes.config import SAEConfig, Temporal
from semascope.core.saes.sae import SAE

_PREFIX = "attn_layers."
_TENSORS = 8  # of a layer: k_ctx, q_target, v_ctx and c_proj have a weight and a bias each
_SMALL = 1e-6


class TemporalSAE(SAE):
    """An SAE with attention over the tokens before.

    Attributes:
        attention: The tensors of its attention layers by their library's names, "attn_layers.0.k_ctx.weight" and so on.
    """

    sequential = True

    def __init__(self, config: SAEConfig, tensors: Mapping[str, Tensor], **settings: Any) -> None:
        """Take the tensors of `SAE`, and those of the attention layers."""
        own = {name: tensor for name, tensor in tensors.items() if not name.startswith(_PREFIX)}
        super().__init__(config, own, **settings)
        self.attention = {
            name: tensor.detach().to(self.device, self.dtype)
            for name, tensor in tensors.items()
            if name.startswith(_PREFIX)
        }

    @property
    def independent(self) -> bool:
        """Never: see above."""
        return False

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """The codes of what is new in each token, shape (…, T, m), of whole sequences x, shape (…, T, d)."""
        return self._codes(x)[0]

    @torch.no_grad()
    def decode(self, f: Tensor) -> Tensor:
        """(f W_dec + b_dec) / c, shape (…, d); of codes from `encode` it lacks what was predicted."""
        return super().decode(f) / self._settings.factor

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The whole reconstruction of x, what was predicted included, and the codes of what is new."""
        f, predicted = self._codes(x)
        return self.decode(f + predicted), f

    @torch.no_grad()
    def directions(self, x: Tensor, ids: Tensor) -> Tensor:
        """∂x̂/∂f of the features ids, what is predicted held as it is; shape as in `SAE`."""
        return super().directions(x, ids) / self._settings.factor

    def _codes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The new and the predicted codes, shape (…, T, m) each, one sequence after the other."""
        rows = self._enter(x * self._settings.factor)
        tokens = self._last.tokens
        length = tokens[-1] if tokens else 1
        found = torch.empty(2, len(rows), self.config.d_sae, dtype=torch.float32, device=self.device)
        for at in range(0, len(rows), max(1, length)):
            found[:, at : at + length] = torch.stack(self._sequence(rows[at : at + length]))
        f, predicted = found.view(2, *tokens, self.config.d_sae)
        return f, predicted

    def _sequence(self, rest: Tensor) -> tuple[Tensor, Tensor]:
        """The same of one entered sequence, shape (T, d)."""
        small = 1 / (4 * self.config.d_in)
        predicted = rest.new_zeros(len(rest), self.config.d_sae)
        for layer in range(len(self.attention) // _TENSORS):
            z = torch.relu(rest * small @ self.W_enc)
            p = torch.relu(self._attend(z, f"{_PREFIX}{layer}."))
            written = p @ self.W_dec
            norm = written.norm(dim=-1, keepdim=True) + _SMALL
            share = (written * rest).sum(dim=-1, keepdim=True) / norm.square()
            predicted = predicted + p * share
            rest = rest - share * written
        f = (rest * small @ self.W_enc).float()
        self.activation.apply_(f)
        return f, predicted.float()

    def _attend(self, z: Tensor, layer: str) -> Tensor:
        """What one attention layer gathers from the tokens before each, shape (T, m)."""
        before = torch.cat((torch.zeros_like(z[:1]), z[:-1]))
        q, k, v = (
            self._project(given, f"{layer}{part}").view(len(z), self._settings.heads, -1).transpose(0, 1)[None]
            for given, part in ((z, "q_target"), (before, "k_ctx"), (before, "v_ctx"))
        )
        gathered = scaled_dot_product_attention(q, k, v, is_causal=True)[0].transpose(0, 1).flatten(1)
        return self._project(gathered, f"{layer}c_proj")

    def _project(self, given: Tensor, name: str) -> Tensor:
        return linear(given, self.attention[f"{name}.weight"], self.attention[f"{name}.bias"])

    @property
    def _settings(self) -> Temporal:
        if self.config.temporal is None:
            raise ValueError("a temporal SAE needs its settings")
        return self.config.temporal
