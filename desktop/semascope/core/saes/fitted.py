"""An SAE on the model it fits: raw activations of the model in, in whatever form the SAE was made for.

TransformerLens' processing changes what some activations are (`formats.md`, section 6), and some releases left the scale of
their inputs out of the weights. Which form an SAE takes is in its config; here the model's activations are brought into that
form before `encode`, and its reconstructions back after `decode`. Whoever runs model and SAE together uses this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from semascope.core.models.hookpoint import STREAM, Hooks
from semascope.core.saes.sae import SAE

if TYPE_CHECKING:
    from semascope.core.models.model import LanguageModel


class FittedSAE:
    """An SAE and the model it reads.

    Attributes:
        sae: The SAE.
        config: Its settings.
        hooks: Where it reads; activations of several places stand side by side on the last axis.
        hooks_out: Where it writes.
    """

    def __init__(self, model: LanguageModel, sae: SAE) -> None:
        config = sae.config
        self.sae, self.config = sae, config
        self.hooks: Hooks = config.reads
        self.hooks_out: Hooks = config.writes
        # Centred writing weights centre what is written to the residual stream, and nothing else.
        processed = config.processing != "raw" and model.centrable
        self._centres_in = processed and all(hook.site in STREAM for hook in self.hooks)
        self._centres_out = processed and all(hook.site in STREAM for hook in self.hooks_out)
        # Value biases are folded away whatever the norms of a model are.
        folds = config.processing == "folded" and self.hooks[0].site == "attn_z"
        self._shift = model.value_shift(self.hooks[0].layer) if folds else None
        self._heads_width = model.width(self.hooks[0]) if config.head is not None else 0
        changes = (self._centres_in, self._centres_out, self._shift is not None, config.head is not None)
        self._plain = config.scale == 1.0 and not any(changes)

    @property
    def independent(self) -> bool:
        """See `SAE`."""
        return self.sae.independent

    @property
    def sequential(self) -> bool:
        """See `SAE`."""
        return self.sae.sequential

    @property
    def device(self) -> torch.device:
        """See `SAE`."""
        return self.sae.device

    def enter(self, x: Tensor) -> Tensor:
        """Activations as the SAE takes them: raw ones of shape (…, width) to shape (…, width_in of the SAE)."""
        if self._plain:
            return x
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        if self._shift is not None:
            x = x - self._shift.to(x.device)
        if self.config.head is not None:
            x = x[..., self._head]
        if self._centres_in:
            parts = x.reshape(*x.shape[:-1], len(self.hooks), -1)
            x = (parts - parts.mean(dim=-1, keepdim=True)).flatten(-2)
        return x * self.config.scale

    def encode(self, x: Tensor) -> Tensor:
        """Feature activations, shape (…, features), of the model's activations, shape (…, width)."""
        return self.sae.encode(self.enter(x))

    def encode_some(self, x: Tensor, ids: Tensor) -> Tensor:
        """encode(x)[…, ids], as cheap as the architecture allows."""
        return self.sae.encode_some(self.enter(x), ids)

    def directions(self, x: Tensor, ids: Tensor) -> Tensor:
        """∂x̂/∂f of the features ids in the model's units: (1, k, width), or (…, k, width) where each token has its scale."""
        rows = self.sae.directions(self.enter(x), ids) / self.config.scale
        if self.config.head is None:
            return rows
        whole = rows.new_zeros(*rows.shape[:-1], self._heads_width)
        whole[..., self._head] = rows
        return whole

    def reconstruct(self, x: Tensor, target: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What the SAE makes of x, to stand in the model where it writes, and its features: (x̂, f).

        Args:
            x: Shape (…, width), at `hooks`.
            target: The activations at `hooks_out`, shape (…, width there); None takes x. What the SAE does not reconstruct
                (the mean that centring takes off, other heads) is kept from it.
        """
        x_hat, f = self.sae.reconstruct(self.enter(x))
        return self.leave(x_hat, x if target is None else target), f

    def leave(self, x_hat: Tensor, target: Tensor) -> Tensor:
        """A reconstruction in the model's own units and form, to stand where `target` stood."""
        if self._plain:
            return x_hat
        x_hat = x_hat / self.config.scale
        target = target.to(x_hat.device, x_hat.dtype)
        if self._centres_out:
            means = target.reshape(*target.shape[:-1], len(self.hooks_out), -1).mean(dim=-1, keepdim=True)
            x_hat = (x_hat.reshape(*means.shape[:-1], -1) + means).flatten(-2)
        if self.config.head is not None:
            whole = target.clone()
            whole[..., self._head] = x_hat
            if self._shift is not None:
                whole[..., self._head] += self._shift.to(x_hat.device)[self._head]
            return whole
        return x_hat if self._shift is None or self.config.is_transcoder else x_hat + self._shift.to(x_hat.device)

    @property
    def _head(self) -> slice:
        """The part of hook_z that belongs to the one head."""
        head, width = self.config.head or 0, self.config.d_in
        return slice(head * width, (head + 1) * width)
