"""Dictionaries of several hook points: sets of transcoders, cross-layer transcoders, crosscoders.

    f_e = act(x_{R(e)} W_e + b_e)                  an encoder e reads one place, or all of them side by side
    x̂_w = b_w + Σ_e f_e D_{e→w} (+ x_w S_w)       and writes to its own place, to that and later ones, or to all

A set has an encoder for each layer, which writes to that layer; one of a cross-layer transcoder writes to all layers from its
own on; a crosscoder has one encoder that reads everything (or several, of which each reads one place) and writes everywhere.

Activations come in either of two layouts (`layouts`), told apart by their shape, and go out in the same one:
- flat, as the engine uses them: x (…, places · d) → f (…, features) → x̂ (…, places · d_out), where feature j of encoder e has
  the id e · d_sae + j;
- native, as the libraries use them: x (L, …, d) → f (L, …, d_sae) → x̂ (L, …, d_out) for sets and cross-layer transcoders,
  x (…, L, d) → f (…, d_sae), or (…, L, d_sae) where it has several encoders, → x̂ (…, L, d_out) for crosscoders.
Where encoders differ in size d_sae is that of the largest, and the ids beyond a smaller one's never fire.

A decoder of each pair (e, w) is a matrix of its own, which may be a view of what lies in the file: those of a cross-layer
transcoder are a hundred gigabytes. With `mapped` blocks of them are turned into numbers to compute with one at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.saes.activations import make_activation
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.encoders import CHUNK, Encoder, blocks
from semascope.core.saes.layouts import Axis, axis_of, by_place, flat, spread
from semascope.core.saes.normalise import PER_TOKEN
from semascope.core.saes.sae import SAE

_STREAM = frozenset({"resid_pre", "resid_mid", "resid_post"})

KINDS = frozenset({"transcoder_set", "cross_layer_transcoder", "crosscoder"})
"""The kinds of dictionary that this class computes."""


class LayeredSAE(SAE):
    """A dictionary with several hook points.

    Attributes:
        encoders: In order of their places.
        decoders: For each encoder, by place: shape (m, d_out).
        b_dec: Shape (places · d_out,).
        skips: By place: shape (d_in, d_out); x̂ at a place has x @ skip of the same place added.
        centre: Subtracted from activations first, shape (places · d_in,); None for nothing.
    """

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
        """Take tensors by the names below, e an encoder's and w a place's index.

        Args:
            config: What it is; `encoders` and `places` count.
            tensors: W_enc.e (d_in, m), or (places · d_in, m) where it reads all places, and where it is missing that of
                encoder 0; b_enc.e (m,); threshold.e, selection_weight.e (m,) for the activation; W_dec.e.w (m, d_out);
                b_dec.w (d_out,); W_skip.e (d_in, d_out); centre (places · d_in,).
            path, fingerprint: Where it was read from.
            device: Where it computes.
            dtype: What it computes in.
            mapped: Leave encoders and decoders where and as they are.
        """
        self.path, self.fingerprint, self.dtype, self.mapped = path, fingerprint, dtype, mapped
        self.device = torch.empty(0, device=device).device
        known: dict[int, Tensor] = {}  # encoders that read the same share one matrix

        def matrix(name: str) -> Tensor:
            stored = tensors[name] if name in tensors else tensors["W_enc.0"]
            if id(stored) not in known:
                moved = stored.detach() if mapped else stored.detach().to(self.device, dtype)
                known[id(stored)] = moved if mapped else moved.T.contiguous().T  # one feature's row lies together
            return known[id(stored)]

        def own(name: str) -> Tensor:
            return tensors[name].detach().to(self.device, dtype)

        self.encoders = tuple(self._encoder(config, e, matrix(f"W_enc.{e}"), tensors) for e in range(config.encoders))
        self.decoders: tuple[dict[int, Tensor], ...] = tuple({} for _ in self.encoders)
        for name, tensor in tensors.items():
            if name.startswith("W_dec."):
                e, w = map(int, name.split(".")[1:])
                self.decoders[e][w] = tensor.detach() if mapped else tensor.detach().to(self.device, dtype)
        count = sum(name.startswith("b_dec.") for name in tensors)
        self.b_dec = torch.cat([own(f"b_dec.{w}") for w in range(count)])
        self.skips = {e: own(f"W_skip.{e}") for e in range(config.places) if f"W_skip.{e}" in tensors}
        self.centre = own("centre").flatten() if "centre" in tensors else None
        self.W_skip = None
        self.activation = self.encoders[0].activation
        self._axis: Axis = -2 if config.kind == "crosscoder" else None
        self._take(config)

    def _encoder(self, config: SAEConfig, e: int, weight: Tensor, tensors: Mapping[str, Tensor]) -> Encoder:
        bias = tensors[f"b_enc.{e}"].detach().to(self.device, self.dtype)
        parameters = {
            name.removesuffix(f".{e}"): tensor.to(self.device).float()
            for name, tensor in tensors.items()
            if name.endswith(f".{e}") and not name.startswith(("W_", "b_"))
        }
        activation = make_activation(replace(config, d_sae=len(bias)), parameters)
        everything = weight.shape[0] == config.d_in * config.places
        columns = slice(None) if everything else slice(e * config.d_in, (e + 1) * config.d_in)
        return Encoder(weight, bias, activation, columns, self.mapped)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Feature activations of raw model activations, in the layout of x (see above)."""
        x_flat, self._axis = self._flat(x)
        rows = self._enter(x_flat)
        size = self.config.d_sae
        f = torch.zeros(len(rows), self.config.features, dtype=torch.float32, device=self.device)
        for e, encoder in enumerate(self.encoders):  # outermost, so that a mapped matrix is read once
            step = max(1, CHUNK // size)
            for x_rows, f_rows in zip(torch.split(rows, step), torch.split(f, step), strict=True):
                f_rows[:, e * size : e * size + encoder.size] = encoder.encode(x_rows)
        f = f.view(*x_flat.shape[:-1], self.config.features)
        return f if len(self.encoders) == 1 else spread(f, len(self.encoders), self._axis)

    @torch.no_grad()
    def decode(self, f: Tensor) -> Tensor:
        """The reconstruction of activations f, in f's layout; without skip connections.

        A crosscoder's f with one encoder looks the same in both layouts, and gets that of the tokens encoded last.
        """
        axis, count = self._axis, len(self.encoders)
        if count > 1:
            last = self.config.kind == "crosscoder"
            axis = axis_of(f, count, self.config.d_sae, last=last, what="feature activations")
            f = flat(f, axis)
        rows = f.reshape(-1, f.shape[-1]).to(self.device, self.dtype)
        x_hat = self._decode(rows).float().view(*f.shape[:-1], len(self.b_dec))
        return spread(x_hat, self._places_out, axis)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The whole reconstruction of x, skip connections included, and its activations, in the layout of x."""
        f = self.encode(x)
        x_hat = self.decode(f)
        if self.skips:
            x_flat, axis = self._flat(x)
            read = by_place(x_flat.to(self.device, self.dtype), self.config.places)
            added = torch.zeros(*x_flat.shape[:-1], self._places_out, self.config.d_out, device=self.device)
            for w, skip in self.skips.items():
                added[..., w, :] = (read[..., w, :] @ skip).float()
            x_hat = x_hat + spread(added.flatten(-2), self._places_out, axis)
        return x_hat, f

    @torch.no_grad()
    def encode_some(self, x: Tensor, ids: Tensor) -> Tensor:
        """The activations of the features ids, shape (…, k); only their encoders' rows are read where `independent`."""
        x_flat, _ = self._flat(x)
        rows = self._enter(x_flat)
        f = torch.zeros(len(rows), len(ids), dtype=torch.float32, device=self.device)
        for e, at, chosen in self._by_encoder(ids):
            f[:, at] = self.encoders[e].encode_some(rows, chosen)
        return f.view(*x_flat.shape[:-1], len(ids))

    @torch.no_grad()
    def directions(self, x: Tensor, ids: Tensor) -> Tensor:  # noqa: ARG002 - no token has a scale of its own
        """∂x̂/∂f of the features ids, flat: shape (1, k, places · d_out)."""
        rows = torch.zeros(len(ids), self._places_out, self.config.d_out, device=self.device)
        for e, at, chosen in self._by_encoder(ids):
            for w, decoder in self.decoders[e].items():
                rows[at, w] = self._here(decoder[chosen.to(decoder.device)]).float()
        return rows.flatten(1)[None]

    @torch.no_grad()
    def decoder_norms(self) -> Tensor:
        """The norm of all that a feature writes, side by side, shape (features,), float32."""
        squares = torch.zeros(self.config.features, device=self.device)
        for e, decoders in enumerate(self.decoders):
            for decoder in decoders.values():
                for at, block in self._numbers(decoder):
                    squares[e * self.config.d_sae + at :][: len(block)] += block.float().square().sum(dim=-1)
        return squares.sqrt()

    @torch.no_grad()
    def written(self) -> Tensor:
        """What each feature adds to the residual stream in the end, shape (features, d_out).

        The sum over the places it writes to, where what is written there is added to the stream; where the places are the
        stream itself, what it writes to the last of them, which stands for all before it.
        """
        last = self._places_out - 1
        places = self.config.writes
        stream = all(hook.site in _STREAM for hook in places) if places else self.config.kind == "crosscoder"
        added = torch.zeros(self.config.features, self.config.d_out, dtype=self.dtype, device=self.device)
        for e, decoders in enumerate(self.decoders):
            for w, decoder in decoders.items():
                for at, block in self._numbers(decoder) if w == last or not stream else ():
                    added[e * self.config.d_sae + at :][: len(block)] += block
        return added

    def reread(self, config: SAEConfig) -> Self:
        """This dictionary with other settings of how it is read; the weights are shared."""
        other = copy.copy(self)
        factor = config.threshold_factor / self.config.threshold_factor
        other.encoders = tuple(replace(each, activation=each.activation.rescaled(factor)) for each in self.encoders)
        other._take(config)
        return other

    def one_encoder(self, e: int) -> LayeredSAE:
        """Encoder e by itself, with what it alone reads and writes; the weights are shared. Flat.

        Raises:
            ValueError: It reads all places: then it is no part that can be run before the others.
        """
        encoder, config = self.encoders[e], self.config
        if encoder.columns == slice(None) and config.places > 1:
            raise ValueError("this encoder reads all places")
        targets = sorted(self.decoders[e])
        other = copy.copy(self)
        other.encoders = (replace(encoder, columns=slice(None)),)
        other.decoders = ({at: self.decoders[e][w] for at, w in enumerate(targets)},)
        biases = by_place(self.b_dec, self._places_out)
        other.b_dec = torch.cat([biases[w] for w in targets])
        other.skips = {targets.index(e): self.skips[e]} if e in self.skips and e in targets else {}
        other.centre = None if self.centre is None else self.centre[encoder.columns]
        other.activation, other._axis = encoder.activation, None
        reads = config.reads[e : e + 1]
        writes = tuple(config.writes[w] for w in targets) if config.writes else ()
        other._take(replace(config, encoders=1, places=1, reads=reads, writes=writes))
        return other

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by the names that it takes, to be written down."""
        found = {f"b_dec.{w}": bias.clone() for w, bias in enumerate(by_place(self.b_dec, self._places_out))}
        found |= {f"W_skip.{w}": skip for w, skip in self.skips.items()}
        if self.centre is not None:
            found["centre"] = self.centre
        for e, encoder in enumerate(self.encoders):
            if e == 0 or encoder.weight is not self.encoders[0].weight:
                found[f"W_enc.{e}"] = encoder.weight
            found[f"b_enc.{e}"] = encoder.bias.clone()  # which encoders of one matrix share
            found |= {f"{name}.{e}": tensor for name, tensor in encoder.activation.parameters.items()}
            found |= {f"W_dec.{e}.{w}": decoder for w, decoder in self.decoders[e].items()}
        return found

    @property
    def _places_out(self) -> int:
        return len(self.b_dec) // self.config.d_out

    def _take(self, config: SAEConfig) -> None:
        """Be read as `config` says."""
        if config.normalize in PER_TOKEN:
            raise UserError(
                "A dictionary of several hook points can't have each token scaled by its own norm.",
                "Read it without a normalisation.",
            )
        self.config = config

    def _flat(self, x: Tensor) -> tuple[Tensor, Axis]:
        """x in the flat layout, and where its places were."""
        last = self.config.kind == "crosscoder"
        axis = axis_of(x, self.config.places, self.config.d_in, last=last, what="activations")
        return flat(x, axis), axis

    def _enter(self, x: Tensor) -> Tensor:
        """What the encoders multiply, shape (n, places · d_in), of flat activations."""
        rows = x.reshape(-1, x.shape[-1]).to(self.device, torch.promote_types(self.dtype, torch.float32))
        if self.centre is not None:
            rows = rows - self.centre
        return rows.to(self.dtype)

    def _decode(self, rows: Tensor) -> Tensor:
        x_hat = by_place(self.b_dec.repeat(len(rows), 1), self._places_out)
        for e, decoders in enumerate(self.decoders):
            f = rows[:, e * self.config.d_sae : e * self.config.d_sae + self.encoders[e].size]
            firing = f.any(dim=0).nonzero()[:, 0] if self.mapped else None  # what doesn't fire stays in the file
            f = f if firing is None else f[:, firing]
            for w, decoder in decoders.items():
                for at, block in self._numbers(decoder if firing is None else decoder[firing.to(decoder.device)]):
                    x_hat[:, w] += f[:, at : at + len(block)] @ block
        return x_hat.flatten(-2)

    def _by_encoder(self, ids: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
        """For each encoder with any of the features: its index, where its features stand in ids, their numbers in it."""
        size = self.config.d_sae
        which = ids // size
        for e in sorted(set(which.tolist())):
            at = (which == e).nonzero()[:, 0]
            at = at[ids[at] - e * size < self.encoders[e].size]  # the others are none
            yield e, at, ids[at] - e * size

    def _numbers(self, matrix: Tensor) -> Iterator[tuple[int, Tensor]]:
        """See `blocks`."""
        return blocks(matrix, self.b_dec, mapped=self.mapped)
