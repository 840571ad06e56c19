"""Dictionaries of several layers in the layout of each release, and what they compute (`formats.md`, section 4).

Like `plain_releases`: sets of transcoders, cross-layer transcoders, crosscoders, with random weights and plain formulas.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from tests.end2end.plain_models import LAYERS, Plain, Tap
from tests.end2end.plain_releases import (
    FEATURES,
    Formula,
    K,
    Release,
    Weights,
    jump,
    relu,
    top,
    write_json,
    write_tensors,
)


def gemma_scope_2_layers(plain: Plain, root: Path, kind: str, layers: tuple[int, ...]) -> Release:
    """A cross-layer transcoder ("clt") or a crosscoder: a file for each layer, decoders by the place they write to."""
    clt = kind == "clt"
    count = len(layers)
    each = [Weights(300 + at, 32) for at in range(count)]
    draw = torch.Generator().manual_seed(9)
    decoders = [torch.randn(FEATURES, count, 32, generator=draw) * 0.4 for _ in layers]
    if clt:
        for at, decoder in enumerate(decoders):
            decoder[:, :at] = 0
    names = "_".join(map(str, layers))
    folder = root / ("clt/width_16k_l0_small" if clt else f"crosscoder/layer_{names}_width_16k_l0_small")
    for at, (w, decoder) in enumerate(zip(each, decoders, strict=True)):
        write_tensors(
            folder, f"params_layer_{at}.safetensors",
            w_enc=w.enc, b_enc=w.b_enc, w_dec=decoder, b_dec=w.b_dec, threshold=w.theta,
        )  # fmt: skip
    among = "{all}" if clt else "{" + ",".join(map(str, layers)) + "}"
    sides = ("pre_feedforward_layernorm.output", "post_feedforward_layernorm.output") if clt else ("output", "output")
    about = {
        f"hf_hook_point_{to}": f"{plain.blocks}.{among}.{side}" for to, side in zip(("in", "out"), sides, strict=True)
    }
    about |= {"width": FEATURES, "model_name": plain.name, "architecture": "jump_relu", "l0": 12}
    write_json(folder, "config.json", {**about, "affine_connection": False, "type": kind})
    site, out = ("mlp_in", "mlp_out") if clt else ("resid_post", "resid_post")
    reads = tuple(plain.tap(site, layer) for layer in layers)
    written = [plain.tap(out, layer) for layer in layers]

    def one(at: int) -> Formula:
        return lambda x: jump(each[at].p(x), each[at].theta)

    def writes(feature: int) -> list[tuple[Tap, Tensor]]:
        at, i = divmod(feature, FEATURES)
        first = at if clt else count - 1  # a crosscoder's places contain each other: its last stands for all
        return [(written[w], decoders[at][i, w]) for w in range(first, count)]

    def own(feature: int) -> tuple[tuple[Tap, ...], Formula]:
        at, i = divmod(feature, FEATURES)
        return (reads[at],), lambda x: one(at)(x)[:, i]

    return Release(
        folder,
        "gemma_scope_2",
        "jumprelu_cross_layer_transcoder" if clt else "jumprelu_crosscoder",
        *(
            f"{place}.0-{LAYERS - 1}" if clt else ",".join(f"{place}.{layer}" for layer in layers)
            for place in (site, out)
        ),
        reads,
        lambda x: torch.cat([one(at)(part) for at, part in enumerate(x.split(32, dim=-1))], dim=-1),
        writes,
        bos=True,
        own=own,
    )


def transcoder_set(plain: Plain, root: Path, read: str, given: str, site: str, out: str, act: str = "relu") -> Release:
    """`layer_{i}.safetensors` for every layer."""
    each = [Weights(400 + layer, plain.width(site), plain.width(out)) for layer in range(LAYERS)]
    folder = root / f"set-{read}-{given}-{act}"
    for layer, w in enumerate(each):
        jumps = {"activation_function.threshold": w.theta} if act == "jumprelu" else {}
        skips = {"W_skip": w.skip.T} if act == "skip" else {}
        write_tensors(
            folder, f"layer_{layer}.safetensors",
            W_enc=w.enc.T, b_enc=w.b_enc, W_dec=w.dec, b_dec=w.b_dec, **jumps, **skips,
        )  # fmt: skip
    lines = [f"model_name: {plain.name}", "model_kind: transcoder_set"]
    lines += [f"feature_input_hook: {read}", f"feature_output_hook: {given}"]
    lines += [f"activation: topk\nk: {K}"] if act == "topk" else []
    (folder / "config.yaml").write_text("\n".join(lines), encoding="utf-8")

    def one(layer: int) -> Formula:
        w = each[layer]
        return {
            "relu": lambda x: relu(w.p(x)),
            "skip": lambda x: relu(w.p(x)),
            "jumprelu": lambda x: jump(w.p(x), w.theta),
            "topk": lambda x: top(w.p(x)),
        }[act]

    reads = tuple(plain.tap(site, layer) for layer in range(LAYERS))

    def own(feature: int) -> tuple[tuple[Tap, ...], Formula]:
        layer, i = divmod(feature, FEATURES)
        return (reads[layer],), lambda x: one(layer)(x)[:, i]

    def writes(feature: int) -> list[tuple[Tap, Tensor]]:
        layer, i = divmod(feature, FEATURES)
        return [(plain.tap(out, layer), each[layer].dec[i])]

    kind = {"relu": "", "skip": "skip_", "jumprelu": "jumprelu_", "topk": "topk_"}[act]
    return Release(
        folder,
        "circuit_tracer",
        f"{kind}transcoder_set",
        f"{site}.0-{LAYERS - 1}",
        f"{out}.0-{LAYERS - 1}",
        reads,
        lambda x: torch.cat([one(at)(part) for at, part in enumerate(x.chunk(LAYERS, dim=-1))], dim=-1),
        writes,
        bos=True,
        masked=1,
        own=own,
    )


def cross_layer(plain: Plain, root: Path, read: str, site: str) -> Release:
    """`W_enc_{L}` and `W_dec_{L}`, whose entry j writes to layer L + j."""
    each = [Weights(500 + layer, 32) for layer in range(LAYERS)]
    draw = torch.Generator().manual_seed(11)
    decoders = [torch.randn(FEATURES, LAYERS - layer, 32, generator=draw) * 0.4 for layer in range(LAYERS)]
    folder = root / f"clt-{read}"
    for at, (w, decoder) in enumerate(zip(each, decoders, strict=True)):
        tensors = {f"W_enc_{at}": w.enc.T, f"b_enc_{at}": w.b_enc, f"b_dec_{at}": w.b_dec, f"threshold_{at}": w.theta}
        write_tensors(folder, f"W_enc_{at}.safetensors", **tensors)
        write_tensors(folder, f"W_dec_{at}.safetensors", **{f"W_dec_{at}": decoder})
    lines = [f"model_name: {plain.name}", "model_kind: cross_layer_transcoder"]
    lines += [f"feature_input_hook: {read}", "feature_output_hook: hook_mlp_out"]
    (folder / "config.yaml").write_text("\n".join(lines), encoding="utf-8")
    reads = tuple(plain.tap(site, layer) for layer in range(LAYERS))

    def one(at: int) -> Formula:
        return lambda x: jump(each[at].p(x), each[at].theta)

    def own(feature: int) -> tuple[tuple[Tap, ...], Formula]:
        at, i = divmod(feature, FEATURES)
        return (reads[at],), lambda x: one(at)(x)[:, i]

    def writes(feature: int) -> list[tuple[Tap, Tensor]]:
        at, i = divmod(feature, FEATURES)
        return [(plain.tap("mlp_out", at + j), decoders[at][i, j]) for j in range(LAYERS - at)]

    return Release(
        folder,
        "circuit_tracer",
        "jumprelu_cross_layer_transcoder",
        f"{site}.0-{LAYERS - 1}",
        f"mlp_out.0-{LAYERS - 1}",
        reads,
        lambda x: torch.cat([one(at)(part) for at, part in enumerate(x.split(32, dim=-1))], dim=-1),
        writes,
        bos=True,
        masked=1,
        own=own,
    )
