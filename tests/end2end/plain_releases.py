"""SAEs in the layout of each release, with random weights, and what they compute, written out by `formats.md`, section 4.

Every one is a folder on disk and a plain formula: activations at its places in, features out; nothing of the program's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.end2end.plain_models import Plain, Tap

FEATURES, K, THETA = 24, 4, 0.7
Formula = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Release:
    """An SAE on disk, and what it should be and do.

    Attributes:
        path: What is opened.
        format, architecture: What `identify` calls it.
        hook_point, hook_out: The program's names of its places.
        reads: Where it reads; activations stand side by side.
        f: From them, shape (tokens, widths), to features, shape (tokens, features).
        writes: Where a feature writes, and its direction there.
        bos: Whether a text gets a BOS.
        masked: How many positions at the start don't count, a BOS included.
        own: Which of `reads` a feature depends on, and its formula alone; all of them without.
    """

    path: Path
    format: str
    architecture: str
    hook_point: str
    hook_out: str
    reads: tuple[Tap, ...]
    f: Formula
    writes: Callable[[int], list[tuple[Tap, Tensor]]]
    bos: bool
    masked: int = 0
    own: Callable[[int], tuple[tuple[Tap, ...], Formula]] | None = None

    def alone(self, feature: int) -> tuple[tuple[Tap, ...], Formula]:
        """What one feature reads, and its formula, shape (tokens,)."""
        return self.own(feature) if self.own else (self.reads, lambda x: self.f(x)[:, feature])


def relu(p: Tensor) -> Tensor:
    """max(p, 0)."""
    return p.clamp(min=0)


def jump(p: Tensor, theta: Tensor | float) -> Tensor:
    """p where it is above θ and 0."""
    return torch.where(p > theta, relu(p), 0.0)


def top(p: Tensor, k: int = K) -> Tensor:
    """The k largest of each token as they are, the others 0."""
    kept = p.topk(k, dim=-1)
    return torch.zeros_like(p).scatter(-1, kept.indices, kept.values)


class Weights:
    """A random dictionary: `enc` (d_in, F), `b_enc`, `dec` (F, d_out), `b_dec`, `theta`."""

    def __init__(self, seed: int, d_in: int, d_out: int | None = None, features: int = FEATURES) -> None:
        d_out = d_out or d_in
        draw = torch.Generator().manual_seed(seed)
        self.enc = torch.randn(d_in, features, generator=draw) / d_in**0.5
        self.b_enc = torch.randn(features, generator=draw) * 0.2
        self.dec = torch.randn(features, d_out, generator=draw) * 0.5
        self.b_dec = torch.randn(d_out, generator=draw) * 0.3
        self.theta = torch.rand(features, generator=draw) + 0.2
        self.skip = torch.randn(d_in, d_out, generator=draw) * 0.1

    def p(self, x: Tensor) -> Tensor:
        """What comes before the activation function."""
        return x @ self.enc + self.b_enc

    def at(self, tap: Tap) -> Callable[[int], list[tuple[Tap, Tensor]]]:
        """Features that write to one place."""
        return lambda feature: [(tap, self.dec[feature])]


def write_tensors(folder: Path, file: str, **tensors: Tensor) -> Path:
    """A safetensors file in a folder, which it returns."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / file)
    return folder


def write_json(folder: Path, file: str, content: dict[str, Any]) -> None:
    """Settings in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(json.dumps(content), encoding="utf-8")


# --- SAELens ---------------------------------------------------------------------------------------------------------


def saelens(
    plain: Plain,
    root: Path,
    name: str,
    site: str,
    layer: int,
    *,
    architecture: str = "standard",
    out: tuple[str, str] | None = None,
    bos: bool = True,
    **metadata: Any,
) -> Release:
    """A folder of version 6, by TransformerLens' name of the place; `out` is that of a transcoder, and its site."""
    d_in, d_out = plain.width(site), plain.width(out[1] if out else site)
    w = Weights(layer, d_in, d_out)
    tensors = {"W_enc": w.enc, "b_enc": w.b_enc, "W_dec": w.dec, "b_dec": w.b_dec}
    formulas: dict[str, Formula] = {
        "standard": lambda x: relu(w.p(x - w.b_dec)),
        "jumprelu": lambda x: jump(w.p(x - w.b_dec), w.theta),
        "topk": lambda x: relu(top(w.p(x - w.b_dec))),
        "gated": lambda x: gated(x),
        "transcoder": lambda x: relu(w.p(x)),
        "skip_transcoder": lambda x: relu(w.p(x)),
        "jumprelu_transcoder": lambda x: jump(w.p(x), w.theta),
    }

    def gated(x: Tensor) -> Tensor:
        q = (x - w.b_dec) @ w.enc
        return torch.where(q + w.b_enc > 0, relu(q * (w.theta / 2).exp() + w.theta), 0.0)

    if "jumprelu" in architecture:
        tensors["threshold"] = w.theta
    if architecture == "gated":
        tensors |= {"b_gate": tensors.pop("b_enc"), "b_mag": w.theta.clone(), "r_mag": w.theta / 2}
    if architecture == "skip_transcoder":
        tensors["W_skip"] = w.skip.T
    folder = write_tensors(root / f"{name}-{architecture}", "sae_weights.safetensors", **tensors)
    about = {"model_name": plain.name, "hook_name": name, "prepend_bos": bos, "sae_lens_version": "6.54.12", **metadata}
    config = {"architecture": architecture, "d_in": d_in, "d_sae": FEATURES, "dtype": "float32", "device": "cpu"}
    config |= {"apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none"}
    config |= {"k": K} if architecture == "topk" else {}
    config |= {"reshape_activations": "hook_z"} if "hook_z" in name else {}
    if out:
        about["hook_name_out"], config["d_out"] = out[0], d_out
    write_json(folder, "cfg.json", {**config, "metadata": about})
    read, given = plain.tap(site, layer), plain.tap(out[1] if out else site, layer)
    hook_out = f"{out[1] if out else site}.{layer}"
    return Release(
        folder, "saelens", architecture, f"{site}.{layer}", hook_out, (read,), formulas[architecture], w.at(given), bos
    )


def saelens_head(plain: Plain, root: Path, layer: int, head: int, width: int = 0) -> Release:
    """An SAE of one attention head, as wide as the model's or `width`."""
    width = width or plain.z // 4
    w = Weights(50 + head, width)
    part = slice(head * width, (head + 1) * width)
    folder = write_tensors(
        root / f"head-{layer}", "sae_weights.safetensors", W_enc=w.enc, b_enc=w.b_enc, W_dec=w.dec, b_dec=w.b_dec
    )
    about = {"model_name": plain.name, "hook_name": f"blocks.{layer}.attn.hook_z", "hook_head_index": head}
    config = {"architecture": "standard", "d_in": width, "d_sae": FEATURES, "apply_b_dec_to_input": True}
    write_json(
        folder, "cfg.json", {**config, "metadata": {**about, "sae_lens_version": "6.54.12", "prepend_bos": False}}
    )
    tap = plain.tap("attn_z", layer)

    def writes(feature: int) -> list[tuple[Tap, Tensor]]:
        whole = torch.zeros(plain.z)
        whole[part] = w.dec[feature]
        return [(tap, whole)]

    place = f"attn_z.{layer}"
    return Release(
        folder, "saelens", "standard", place, place, (tap,),
        lambda x: relu(w.p(x[:, part] - w.b_dec)), writes, bos=False,
    )  # fmt: skip


# --- Gemma Scope -----------------------------------------------------------------------------------------------------


def gemma_scope_1(plain: Plain, root: Path, kind: str, layer: int) -> Release:
    """`params.npz`; `kind` is res, mlp, att or transcoders."""
    site, out = {
        "res": ("resid_post", "resid_post"),
        "mlp": ("mlp_out", "mlp_out"),
        "att": ("attn_z", "attn_z"),
        "transcoders": ("mlp_norm", "mlp_out"),
    }[kind]
    w = Weights(100 + layer, plain.width(site), plain.width(out))
    folder = root / f"gemma-scope-2b-pt-{kind}/layer_{layer}/width_16k/average_l0_12"
    folder.mkdir(parents=True)
    arrays = {"W_enc": w.enc, "b_enc": w.b_enc, "W_dec": w.dec, "b_dec": w.b_dec, "threshold": w.theta}
    np.savez(folder / "params.npz", **{name: tensor.numpy() for name, tensor in arrays.items()})
    return Release(
        folder,
        "gemma_scope_1",
        "jumprelu_transcoder" if kind == "transcoders" else "jumprelu",
        f"{site}.{layer}",
        f"{out}.{layer}",
        (plain.tap(site, layer),),
        lambda x: jump(w.p(x), w.theta),
        w.at(plain.tap(out, layer)),
        bos=True,
    )


GEMMA_SCOPE_2 = {
    "resid_post": ("output", "output", "resid_post", "resid_post"),
    "attn_out": ("self_attn.o_proj.input", "self_attn.o_proj.input", "attn_z", "attn_z"),
    "mlp_out": ("post_feedforward_layernorm.output", "post_feedforward_layernorm.output", "mlp_out", "mlp_out"),
    "transcoder": ("pre_feedforward_layernorm.output", "post_feedforward_layernorm.output", "mlp_in", "mlp_out"),
}


def gemma_scope_2(
    plain: Plain, root: Path, kind: str, layer: int, *, affine: bool = False, config: bool = True
) -> Release:
    """`params.safetensors`, with or without its config.json."""
    read, given, site, out = GEMMA_SCOPE_2[kind]
    w = Weights(200 + layer, plain.width(site), plain.width(out))
    name = f"gemma-scope-2-1b-pt{'' if config else '-bare'}/{kind}/layer_{layer}_width_16k_l0_small"
    skip = {"affine_skip_connection": w.skip} if affine else {}
    folder = write_tensors(
        root / (name + "_affine" * affine), "params.safetensors",
        w_enc=w.enc, b_enc=w.b_enc, w_dec=w.dec, b_dec=w.b_dec, threshold=w.theta, **skip,
    )  # fmt: skip
    transcoder = kind == "transcoder"
    if config:
        about = {"hf_hook_point_in": f"{plain.blocks}.{layer}.{read}", "width": FEATURES, "l0": 12}
        about |= {"hf_hook_point_out": f"{plain.blocks}.{layer}.{given}", "model_name": plain.name}
        about |= {"architecture": "jump_relu", "affine_connection": affine}
        write_json(folder, "config.json", {**about, "type": "transcoder" if transcoder else "sae"})
    return Release(
        folder,
        "gemma_scope_2",
        f"jumprelu{'_skip' * affine}{'_transcoder' * transcoder}",
        f"{site}.{layer}",
        f"{out}.{layer}",
        (plain.tap(site, layer),),
        lambda x: jump(w.p(x), w.theta),
        w.at(plain.tap(out, layer)),
        bos=True,
    )


# --- the others ------------------------------------------------------------------------------------------------------


def sparsify(
    plain: Plain,
    root: Path,
    module: str,
    read: str,
    given: str,
    layer: int,
    *,
    transcode: bool = False,
    unnamed: str = "",
) -> Release:
    """A folder named after a module: an SAE of its output, or a transcoder from its input.

    Without the run's settings nobody names the model; then `unnamed` is what the place is called by itself.
    """
    w = Weights(600 + layer, plain.width(read), plain.width(given))
    run = root / ("transcoders" if transcode else "saes")
    folder = write_tensors(
        run / module, "sae.safetensors",
        **{"encoder.weight": w.enc.T, "encoder.bias": w.b_enc, "W_dec": w.dec, "b_dec": w.b_dec},
    )  # fmt: skip
    about = {"activation": "topk", "expansion_factor": 32, "num_latents": FEATURES, "k": K, "d_in": plain.width(read)}
    write_json(folder, "cfg.json", {**about, "transcode": transcode, "skip_connection": False, "signed": False})
    if not unnamed:
        write_json(run, "config.json", {"model": plain.name, "transcode": transcode, "hookpoints": [module]})
    return Release(
        folder,
        "sparsify",
        "topk_transcoder" if transcode else "topk",
        f"{read if transcode else unnamed or read}.{layer}",
        f"{unnamed or given}.{layer}",
        (plain.tap(read, layer),),
        lambda x: top(relu(w.p(x if transcode else x - w.b_dec))),
        w.at(plain.tap(given, layer)),
        bos=False,  # it says nothing, and the tokenizer puts none
    )


def dictionary_learning(plain: Plain, root: Path, layer: int, *, batch: bool) -> Release:
    """`ae.pt` in SAEBench's folders: BatchTopKSAE by its one threshold, or AutoEncoder."""
    w = Weights(700 + layer, 32)
    folder = root / f"{'batch' if batch else 'plain'}/resid_post_layer_{layer}/trainer_0"
    folder.mkdir(parents=True)
    tensors = {"encoder.weight": w.enc.T, "encoder.bias": w.b_enc, "decoder.weight": w.dec.T}
    tensors |= (
        {"b_dec": w.b_dec, "k": torch.tensor(K), "threshold": torch.tensor(THETA)} if batch else {"bias": w.b_dec}
    )
    torch.save({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "ae.pt")
    name = "BatchTopKSAE" if batch else "AutoEncoder"
    trainer = {"dict_class": name, "activation_dim": 32, "dict_size": FEATURES, "layer": layer, "lm_name": plain.name}
    trainer |= {"submodule_name": f"resid_post_layer_{layer}"} | ({"k": K} if batch else {})
    write_json(folder, "config.json", {"trainer": trainer, "buffer": {"io": "out", "ctx_len": 32}})
    place = f"resid_post.{layer}"
    tap = plain.tap("resid_post", layer)
    return Release(
        folder,
        "dictionary_learning",
        "jumprelu" if batch else "standard",
        place,
        place,
        (tap,),
        lambda x: jump(w.p(x - w.b_dec), THETA if batch else 0.0),
        w.at(tap),
        bos=False,
    )


def openai(plain: Plain, root: Path, location: str, site: str, layer: int, *, top_k: bool) -> Release:
    """`{location}/autoencoders/{layer}.pt`; with a top-k each token is normalised."""
    d = plain.width(site)
    w = Weights(800 + layer, d)
    folder = root / f"{location}{'_v5_32k' if top_k else ''}/autoencoders"
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"pre_bias": w.b_dec, "latent_bias": w.b_enc, "encoder.weight": w.enc.T, "decoder.weight": w.dec.T}
    state: dict[str, Any] = {name: tensor.contiguous() for name, tensor in tensors.items()}
    state |= {"stats_last_nonzero": torch.zeros(FEATURES, dtype=torch.int64), "activation": "TopK" if top_k else "ReLU"}
    state |= {"activation_state_dict": {"k": K, "postact_fn": "ReLU"}} if top_k else {}
    torch.save(state, folder / f"{layer}.pt")

    def f(x: Tensor) -> Tensor:
        if not top_k:
            return relu(w.p(x - w.b_dec))
        x = (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)
        return relu(top(w.p(x - w.b_dec)))

    place = f"{site}.{layer}"
    tap = plain.tap(site, layer)
    path = folder / f"{layer}.pt"
    return Release(
        path, "openai", "topk" if top_k else "standard", place, place, (tap,), f, w.at(tap), bos=False
    )  # fmt: skip


def llama_scope(plain: Plain, root: Path, names: tuple[str, str], site: str, out: str, layer: int) -> Release:
    """`hyperparams.json` and `checkpoints/final.safetensors`: two mean norms, decoder norms, one threshold."""
    w = Weights(900 + layer, 32)
    root = root / f"L{layer}-{site}-{out}"
    write_tensors(
        root / "checkpoints", "final.safetensors",
        **{"encoder.weight": w.enc.T, "encoder.bias": w.b_enc, "decoder.weight": w.dec.T, "decoder.bias": w.b_dec},
    )  # fmt: skip
    norm_in, norm_out, theta = 5.0, 7.0, 0.5
    about = {"hook_point_in": names[0], "hook_point_out": names[1], "d_model": 32, "d_sae": FEATURES, "top_k": 8}
    about |= {"act_fn": "jumprelu", "jump_relu_threshold": theta, "norm_activation": "dataset-wise"}
    about |= {"dataset_average_activation_norm": {"in": norm_in, "out": norm_out}, "use_decoder_bias": True}
    about |= {"sparsity_include_decoder_norm": True, "apply_decoder_bias_to_pre_encoder": False}
    write_json(root, "hyperparams.json", about)
    write_json(root, "lm_config.json", {"model_name": plain.name})
    s_in, s_out = 32**0.5 / norm_in, 32**0.5 / norm_out
    d = w.dec * s_in / s_out
    n = d.norm(dim=-1)

    def f(x: Tensor) -> Tensor:
        return jump((x @ w.enc + w.b_enc / s_in) * n, theta)

    given = plain.tap(out, layer)
    return Release(
        root,
        "llama_scope",
        "jumprelu_transcoder" if names[0] != names[1] else "jumprelu",
        f"{site}.{layer}",
        f"{out}.{layer}",
        (plain.tap(site, layer),),
        f,
        lambda feature: [(given, d[feature] / n[feature])],
        bos=True,
    )
