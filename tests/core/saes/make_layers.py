"""Small dictionaries of several hook points with random weights, and their formulas in plain torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.layered import LayeredSAE

D, M, L = 12, 40, 3


def tensors(
    kind: str,
    activation: str = "relu",
    *,
    sizes: Sequence[int] = (M,) * L,
    skip: bool = False,
    width: int = D,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Tensors by our names; a "crosscoder" has one encoder, a "causal crosscoder" one for each place."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw) / 3

    places = len(sizes)
    found: dict[str, Tensor] = {f"b_dec.{w}": normal(width) for w in range(places)}
    for e, size in enumerate(sizes[:1] if kind == "crosscoder" else sizes):
        found[f"W_enc.{e}"] = normal(width * (places if kind == "crosscoder" else 1), size)
        found[f"b_enc.{e}"] = normal(size)
        if activation == "jumprelu":
            found[f"threshold.{e}"] = normal(size).abs()
        targets = {"transcoder_set": [e], "crosscoder": range(places)}.get(kind, range(e, places))
        found |= {f"W_dec.{e}.{w}": normal(size, width) for w in targets}
        if skip:
            found[f"W_skip.{e}"] = normal(width, width)
    return found


def config(
    kind: str,
    activation: str = "relu",
    *,
    sizes: Sequence[int] = (M,) * L,
    skip: bool = False,
    width: int = D,
    **changes: Any,
) -> SAEConfig:
    """Its settings: transcoders from mlp_in to mlp_out, crosscoders of resid_post, from layer 0 on."""
    places = len(sizes)
    crosses = "crosscoder" in kind
    named: Any = "crosscoder" if crosses else kind
    settings: dict[str, Any] = {
        "format": "test",
        "architecture": architecture_name(activation, kind=named, skip=skip),
        "activation": activation,
        "d_in": width,
        "d_out": width,
        "d_sae": max(sizes),
        "kind": named,
        "encoders": 1 if kind == "crosscoder" else places,
        "places": places,
        "reads": tuple(HookPoint("resid_post" if crosses else "mlp_in", at) for at in range(places)),
        "writes": tuple(HookPoint("resid_post" if crosses else "mlp_out", at) for at in range(places)),
        "k": 5 if activation == "topk" else None,
        "skip": skip,
    }
    return SAEConfig(**{**settings, **changes})


def layered(kind: str, activation: str = "relu", **options: Any) -> LayeredSAE:
    """A dictionary with random weights; options of `tensors` and `config`, and `mapped`."""
    mapped = options.pop("mapped", False)
    own = {name: options[name] for name in ("sizes", "skip", "width") if name in options}
    seed = options.pop("seed", 0)
    return LayeredSAE(config(kind, activation, **options), tensors(kind, activation, seed=seed, **own), mapped=mapped)


def activate(p: Tensor, activation: str, threshold: Tensor | None = None, k: int = 5) -> Tensor:
    """The activation function by its textbook formula."""
    if activation == "jumprelu":
        assert threshold is not None
        return p.relu() * (p > threshold)
    if activation == "topk":
        top = p.topk(k, dim=-1)
        return torch.zeros_like(p).scatter(-1, top.indices, top.values.relu())
    return p.relu()


def naive_encode(own: dict[str, Tensor], x: Tensor, activation: str = "relu") -> list[Tensor]:
    """Each encoder's activations, of x (…, places, d)."""
    found = []
    for e in range(sum(name.startswith("b_enc.") for name in own)):
        weight = own[f"W_enc.{e}"]
        read = x[..., e, :] if weight.shape[0] == x.shape[-1] else x.flatten(-2)
        found.append(activate(read @ weight + own[f"b_enc.{e}"], activation, own.get(f"threshold.{e}")))
    return found


def naive_decode(own: dict[str, Tensor], f: Sequence[Tensor], x: Tensor | None = None) -> Tensor:
    """x̂ (…, places, d) of each encoder's activations; with the skip connections where x is given."""
    places = []
    for w in range(sum(name.startswith("b_dec.") for name in own)):
        parts = [f[e] @ own[f"W_dec.{e}.{w}"] for e in range(len(f)) if f"W_dec.{e}.{w}" in own]
        skipped = [x[..., w, :] @ own[f"W_skip.{w}"]] if x is not None and f"W_skip.{w}" in own else []
        places.append(sum([*parts, *skipped], own[f"b_dec.{w}"]))
    return torch.stack(places, dim=-2)
