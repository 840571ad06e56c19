"""The SAE: a dictionary of m features, read from activations x at one hook point and decoded to x̂ there or elsewhere.

    x ─ normalise ─ (− b_dec) ─ W_enc, b_enc ─ activation ─▶ f ─ W_dec, b_dec ─ denormalise ─▶ x̂   (+ x W_skip)

One type for every release: `formats` brings its tensors into this shape, `activations` and `normalise` hold what differs.
Raw model activations go in and come out; f is in the SAE's own units. Leading dimensions are free, any float dtype goes in,
float32 comes out. It computes only; which model it fits is in `fit`, how it reads one in `fitted`, how it steers in
`core.steering`. One with several encoders or hook points is in `layered`.

Its matrices may be larger than the memory: left as the file maps them (`mapped`), in the dtype of the file, they are
turned into numbers to compute with a block of features at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.saes.activations import make_activation
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.normalise import PER_TOKEN, Scale, normalise

_LINEAR = frozenset({"W_enc", "b_enc", "W_dec", "b_dec", "W_skip"})
_MATRICES = frozenset({"W_enc", "W_dec"})

_CHUNK = 1 << 25
"""Pre-activations handled at once: 128 MiB of float32, and a quarter as much again for a mask."""


class SAE:
    """A sparse autoencoder, or transcoder, on one device.

    Attributes:
        config: What it is.
        path: Where it was read from, or None.
        fingerprint: Of its files, see `core.fingerprint`; "" when it came from none.
        device: Where its tensors are.
        dtype: What it computes in.
        W_enc: Shape (d_in, m); a view of (m, d_in), so that one feature's row is contiguous.
        b_enc: Shape (m,).
        W_dec: Shape (m, d_out).
        b_dec: Shape (d_out,).
        W_skip: Shape (d_in, d_out), or None.
        activation: From pre-activations to activations.
        mapped: Whether W_enc and W_dec are still those of the file, and `device` and `dtype` what they become.
    """

    sequential = False
    """Whether an activation depends on the tokens before: then x's axis before the last is the sequence."""

    def __init__(
        self,
        config: SAEConfig,
        tensors: Mapping[str, Tensor],
        *,
        path: Path | None = None,
        fingerprint: str = "",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        mapped: bool = False,
    ) -> None:
        """Take `tensors` by the names above, plus those of the activation (threshold; b_gate, r_mag, b_mag).

        Where `mapped`, encoder and decoder stay where and as they are, and only blocks of them come to `device`.
        """
        stays = _MATRICES if mapped else frozenset()
        own = {
            name: tensor.detach() if name in stays else tensor.detach().to(device, dtype)
            for name, tensor in tensors.items()
            if name in _LINEAR
        }
        self.config, self.path, self.fingerprint = config, path, fingerprint
        self.device, self.dtype, self.mapped = own["b_dec"].device, dtype, mapped
        self.W_enc = own["W_enc"] if mapped else own["W_enc"].T.contiguous().T
        self.b_enc = own["b_enc"] if "b_enc" in own else own["b_dec"].new_zeros(config.d_sae)
        self.W_dec = own["W_dec"] if mapped else own["W_dec"].contiguous()
        self.b_dec = own["b_dec"]
        self.W_skip = own.get("W_skip")
        self.activation = make_activation(
            config, {name: tensor.to(device).float() for name, tensor in tensors.items() if name not in _LINEAR}
        )
        self._enter(torch.empty(0, config.d_in))  # no tokens yet: what scales per token can't decode any

    @property
    def independent(self) -> bool:
        """Whether a feature's activation needs no other feature: ReLU, JumpReLU, gated; not the top-k family."""
        return self.activation.independent

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Feature activations, shape (…, m), of raw model activations x, shape (…, d_in)."""
        x = self._enter(x)
        f = torch.empty(len(x), self.config.d_sae, dtype=torch.float32, device=self.device)
        step = max(1, _CHUNK // self.config.d_sae)
        for x_rows, f_rows in zip(torch.split(x, step), torch.split(f, step), strict=True):
            self._activate(x_rows, f_rows)
        return f.view(*self._last.tokens, self.config.d_sae)

    @torch.no_grad()
    def decode(self, f: Tensor) -> Tensor:
        """The reconstruction x̂, shape (…, d_out), of activations f, shape (…, m); without the skip connection.

        Where the release scales each token by its own norm ("layer_norm", "constant_norm_rescale"), x̂ is in the units of
        the tokens encoded last, and f must be theirs.

        Raises:
            UserError: Tokens of another shape were encoded last.
        """
        tokens, unit, scale = self._last
        if isinstance(scale.factor, Tensor) and f.shape[:-1] != tokens:
            raise UserError(
                "This SAE scales each token by its own norm, so it can decode only what it has just encoded.",
                "Encode the same tokens first.",
            )
        rows = f.reshape(-1, f.shape[-1]).to(self.device, self.dtype)
        x_hat = self._decode(rows).float()
        if isinstance(scale.factor, Tensor):
            x_hat = x_hat * scale.factor + scale.shift
        return x_hat.view(*f.shape[:-1], *(unit if f.shape[:-1] == tokens else self.b_dec.shape))

    def __call__(self, x: Tensor) -> Tensor:
        """decode(encode(x)), plus x W_skip where there is a skip connection; shape (…, d_out)."""
        return self.reconstruct(x)[0]

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The whole reconstruction of x, skip connection included, and its activations: shapes (…, d_out), (…, m)."""
        f = self.encode(x)
        x_hat = self.decode(f)
        if self.W_skip is None:
            return x_hat, f
        tokens, _, scale = self._last
        skipped = (x.to(self.device, self.dtype) @ self.W_skip).float()
        if isinstance(scale.factor, Tensor):
            skipped = skipped * scale.factor.view(*tokens, 1)
        return x_hat + skipped, f

    @torch.no_grad()
    def encode_some(self, x: Tensor, ids: Tensor) -> Tensor:
        """encode(x)[…, ids], shape (…, k), for ids of shape (k,); only their encoder rows are read where `independent`."""
        if not self.independent:
            return self.encode(x)[..., ids]
        x = self._enter(x)
        p = torch.addmm(self.b_enc[ids], x, self._here(self.W_enc.T[ids.to(self.W_enc.device)]).T).float()
        self.activation.some(ids).apply_(p)
        return p.view(*self._last.tokens, len(ids))

    @torch.no_grad()
    def directions(self, x: Tensor, ids: Tensor) -> Tensor:
        """∂x̂/∂f of the features ids in raw model units: (1, k, d_out), or (…, k, d_out) where each token x has its scale."""
        rows = self._here(self.W_dec[ids.to(self.W_dec.device)]).float()
        if self.config.normalize not in PER_TOKEN or not self._returns:
            return rows[None]
        self._enter(x)
        factor = torch.as_tensor(self._last.scale.factor)
        return (factor[..., None] * rows).view(*self._last.tokens, *rows.shape)

    @torch.no_grad()
    def decoder_norms(self) -> Tensor:
        """‖d_i‖ of every feature's decoder row, shape (m,), float32."""
        blocks = torch.split(self.W_dec, self._block)
        return torch.cat([self._here(block).float().square().sum(dim=-1).sqrt() for block in blocks])

    @torch.no_grad()
    def written(self) -> Tensor:
        """What each feature adds to the residual stream where its output goes there, shape (features, d_out)."""
        return self.W_dec

    def reread(self, config: SAEConfig) -> Self:
        """This SAE with other settings of how it is read (`reading.Reading.apply`); the weights are shared."""
        other = copy.copy(self)
        other.config = config
        other.activation = self.activation.rescaled(config.threshold_factor / self.config.threshold_factor)
        other._enter(torch.empty(0, config.d_in))
        return other

    def _enter(self, x: Tensor) -> Tensor:
        """What the encoder multiplies, shape (n, d_in); remembers how x was shaped and scaled."""
        d_in, unit = self.config.d_in, x.shape[-1:]
        if self.config.heads and x.shape[-1] != d_in and x.shape[-2:].numel() == d_in:
            x, unit = x.flatten(-2), x.shape[-2:]  # (…, heads, d_head), as TransformerLens gives hook_z
        if x.shape[-1] != d_in:
            raise UserError(
                f"This SAE reads activations of width {d_in}, not {x.shape[-1]}.",
                "Choose an SAE that was made for this model and hook point.",
            )
        rows = x.reshape(-1, d_in).to(self.device, torch.promote_types(self.dtype, torch.float32))
        rows, scale = normalise(rows, self.config)
        if self.config.is_transcoder:  # what it gives belongs to another place, with units of its own
            unit, scale = torch.Size([self.config.d_out]), scale if self._returns else Scale()
        self._last = _Entered(x.shape[:-1], unit, scale)
        if self.config.apply_b_dec_to_input:
            rows = rows - self.b_dec
        return rows.to(self.dtype)

    def _activate(self, x: Tensor, f: Tensor) -> None:
        """Overwrite f, shape (n, m), with the activations of entered tokens x, shape (n, d_in)."""
        if self.mapped:
            for at in range(0, f.shape[-1], self._block):
                part = slice(at, at + self._block)
                f[:, part] = torch.addmm(self.b_enc[part], x, self._here(self.W_enc[:, part]))
        elif self.dtype == f.dtype:
            torch.addmm(self.b_enc, x, self.W_enc, out=f)
        else:
            f.copy_(torch.addmm(self.b_enc, x, self.W_enc))
        self.activation.apply_(f)

    def _decode(self, rows: Tensor) -> Tensor:
        """f W_dec + b_dec for rows (n, m), in the dtype computed in."""
        if not self.mapped:
            return torch.addmm(self.b_dec, rows, self.W_dec)
        x_hat = self.b_dec.expand(len(rows), -1)
        for at in range(0, rows.shape[-1], self._block):
            part = slice(at, at + self._block)
            x_hat = torch.addmm(x_hat, rows[:, part], self._here(self.W_dec[part]))
        return x_hat

    @property
    def _returns(self) -> bool:
        """Whether what was done to the input is undone in the end."""
        return self.config.denormalize or not self.config.is_transcoder

    @property
    def _block(self) -> int:
        """How many features' weights are turned into numbers at once."""
        return max(1, _CHUNK // self.config.d_in)

    def _here(self, part: Tensor) -> Tensor:
        """A part of a matrix, to compute with."""
        return part.to(self.device, self.dtype)


class _Entered(NamedTuple):
    """The tokens encoded last: their leading shape, the shape of one token's activation, the way back to raw units."""

    tokens: torch.Size
    unit: torch.Size
    scale: Scale
