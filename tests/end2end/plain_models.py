"""Tiny random models as folders on disk, read and changed by plain `transformers` hooks: what the program is measured by.

Where a place lies is written out here by `formats.md`, section 5, model by model; nothing of the program's own is asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import transformers as tf
from torch import Tensor, nn

from tests.core.models.families import tokenizer

LAYERS, WIDTH, HEADS, HIDDEN, VOCABULARY = 3, 32, 4, 48, 320
BOS, EOS = 0, 1
SPECIAL = (BOS, EOS, 2)

_GPT2 = {"vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_inner": HIDDEN}
_GPT2 |= {"n_positions": 96, "bos_token_id": BOS, "eos_token_id": 1, "initializer_range": 0.3}
_GEMMA: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "intermediate_size": HIDDEN,
    "head_dim": 12,
    "max_position_embeddings": 96,
    "initializer_range": 0.3,
    "pad_token_id": 2,
    "bos_token_id": BOS,
    "eos_token_id": 1,
    "sliding_window": 8,
}
_VISION = {
    "model_type": "siglip_vision_model",
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 14,
}
_KINDS = ["sliding_attention", "full_attention", "sliding_attention"]

Side = Literal["input", "output", "normalised"]


class Tap(NamedTuple):
    """A module's path, and what of it: its input, its output, or its input as a norm normalises it."""

    path: str
    side: Side


@dataclass(frozen=True)
class Plain:
    """A model by its makers' names.

    Attributes:
        path: Its folder.
        module: The same model, in memory.
        blocks: The path of its blocks.
        places: Of every site within a block, by the program's name for it.
        embedding: The path of its embedding.
        name: What a release made for it calls it.
        gain: What its norms add to their weights before they multiply.
    """

    path: Path
    module: Any
    blocks: str
    places: dict[str, Tap]
    embedding: str
    name: str
    gain: float

    @property
    def z(self) -> int:
        """The width of all heads' outputs."""
        return WIDTH if "gpt2" in self.name else HEADS * 12

    def width(self, site: str) -> int:
        """How wide the activations of a site are."""
        return {"attn_z": self.z, "mlp_act": HIDDEN}.get(site, WIDTH)

    def tap(self, site: str, layer: int) -> Tap:
        """Where a site lies."""
        if site == "embed":
            return Tap(self.embedding, "output")
        path, side = self.places[site]
        return Tap(".".join(part for part in (self.blocks, str(layer), path) if part), side)

    @torch.inference_mode()
    def read(self, taps: Sequence[Tap], ids: Sequence[int]) -> Tensor:
        """Activations at some places side by side, shape (tokens, widths)."""
        seen: dict[Tap, Tensor] = {}
        with contextlib.ExitStack() as stack:
            for tap in taps:
                stack.enter_context(self._hooked(tap, lambda x, tap=tap: seen.update({tap: x.clone()})))
            self.module(input_ids=torch.tensor([ids]), use_cache=False)
        return torch.cat([seen[tap][0] for tap in taps], dim=-1)

    @torch.inference_mode()
    def answer(
        self, ids: Sequence[int], tokens: int, steer: Callable[[list[int]], contextlib.AbstractContextManager[None]]
    ) -> tuple[list[int], list[float]]:
        """A greedy answer without a cache, and its log-probabilities; `steer(ids)` sets what changes a pass over ids."""
        grown, logprobs = list(ids), []
        for _ in range(tokens):
            with steer(grown):
                logits = self.module(input_ids=torch.tensor([grown]), use_cache=False).logits[0, -1].float()
            chosen = int(logits.argmax())
            if chosen == EOS:
                break
            grown.append(chosen)
            logprobs.append(float(logits.log_softmax(-1)[chosen]))
        return grown[len(ids) :], logprobs

    @contextlib.contextmanager
    def edited(
        self,
        reads: Sequence[Tap],
        change: Callable[[Tensor], Tensor],
        writes: Sequence[tuple[Tap, Tensor]],
    ) -> Iterator[None]:
        """x' = x + Δ · d at every place of `writes`, for Δ = `change` of what is read, shape (tokens,)."""
        seen: dict[Tap, Tensor] = {}

        def add(x: Tensor, direction: Tensor) -> Tensor:
            delta = change(torch.cat([seen[tap] for tap in reads], dim=-1)[0])
            return x + delta[None, :, None] * direction

        with contextlib.ExitStack() as stack:
            for tap in reads:
                stack.enter_context(self._hooked(tap, lambda x, tap=tap: seen.update({tap: x.clone()})))
            for tap, direction in self._and_past_the_mlp(writes):
                stack.enter_context(self._hooked(tap, lambda x, direction=direction: add(x, direction)))
            yield

    @staticmethod
    def _and_past_the_mlp(writes: Sequence[tuple[Tap, Tensor]]) -> Iterator[tuple[Tap, Tensor]]:
        """`writes`; what is added to the stream before an MLP's norm flows past the MLP too, to the block's end."""
        for tap, direction in writes:
            yield tap, direction
            block, _, name = tap.path.rpartition(".")
            if tap.side == "input" and name in ("ln_2", "pre_feedforward_layernorm"):
                yield Tap(block, "output"), direction

    @contextlib.contextmanager
    def _hooked(self, tap: Tap, edit: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
        module: nn.Module = self.module.get_submodule(tap.path)

        def before(_module: nn.Module, args: Any, kwargs: Any) -> Any:
            if args:
                changed = edit(args[0])
                return None if changed is None else ((changed, *args[1:]), kwargs)
            changed = edit(kwargs["hidden_states"])
            return None if changed is None else (args, {**kwargs, "hidden_states": changed})

        def after(norm: nn.Module, args: Any, kwargs: Any, out: Any) -> Any:
            if tap.side == "normalised":
                plain = self.normalised(norm, args[0] if args else kwargs["hidden_states"])
                changed = edit(plain)
                return None if changed is None else self.scaled(norm, changed)
            first = out[0] if isinstance(out, tuple) else out
            changed = edit(first)
            return changed if changed is None or not isinstance(out, tuple) else (changed, *out[1:])

        if tap.side == "input":
            handle = module.register_forward_pre_hook(before, with_kwargs=True)
        else:
            handle = module.register_forward_hook(after, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def normalised(self, norm: Any, x: Tensor) -> Tensor:
        """What a norm makes of x before its gain and bias."""
        if isinstance(norm, nn.LayerNorm):
            x = x - x.mean(-1, keepdim=True)
        return x / (x.square().mean(-1, keepdim=True) + norm.eps).sqrt()

    def scaled(self, norm: Any, x: Tensor) -> Tensor:
        """The rest of what the norm does."""
        out = x * (norm.weight + self.gain)
        return out + norm.bias if isinstance(norm, nn.LayerNorm) else out


_OF_GPT2 = {
    "resid_pre": Tap("", "input"),
    "resid_mid": Tap("ln_2", "input"),
    "resid_post": Tap("", "output"),
    "attn_in": Tap("attn", "input"),
    "attn_norm": Tap("ln_1", "normalised"),
    "attn_z": Tap("attn.c_proj", "input"),
    "attn_out": Tap("attn", "output"),
    "attn_raw": Tap("attn", "output"),
    "mlp_in": Tap("mlp", "input"),
    "mlp_norm": Tap("ln_2", "normalised"),
    "mlp_act": Tap("mlp.c_proj", "input"),
    "mlp_out": Tap("mlp", "output"),
    "mlp_raw": Tap("mlp", "output"),
}
_OF_GEMMA = {
    "resid_pre": Tap("", "input"),
    "resid_mid": Tap("pre_feedforward_layernorm", "input"),
    "resid_post": Tap("", "output"),
    "attn_in": Tap("self_attn", "input"),
    "attn_norm": Tap("input_layernorm", "normalised"),
    "attn_z": Tap("self_attn.o_proj", "input"),
    "attn_out": Tap("post_attention_layernorm", "output"),
    "attn_raw": Tap("self_attn", "output"),
    "mlp_in": Tap("mlp", "input"),
    "mlp_norm": Tap("pre_feedforward_layernorm", "normalised"),
    "mlp_act": Tap("mlp.down_proj", "input"),
    "mlp_out": Tap("post_feedforward_layernorm", "output"),
    "mlp_raw": Tap("mlp", "output"),
}


def _gpt2() -> Any:
    return tf.GPT2LMHeadModel(tf.GPT2Config(**_GPT2))


def _gemma2() -> Any:
    return tf.Gemma2ForCausalLM(tf.Gemma2Config(**_GEMMA, layer_types=_KINDS))


def _gemma3() -> Any:
    return tf.Gemma3ForCausalLM(tf.Gemma3TextConfig(**_GEMMA, layer_types=_KINDS))


def _gemma3_seeing() -> Any:
    text = {**_GEMMA, "layer_types": _KINDS, "model_type": "gemma3_text"}
    numbers = {"mm_tokens_per_image": 4, "image_token_index": 300, "boi_token_index": 301, "eoi_token_index": 302}
    return tf.Gemma3ForConditionalGeneration(tf.Gemma3Config(text_config=text, vision_config=_VISION, **numbers))


_MODELS: dict[str, tuple[Callable[[], Any], str, dict[str, Tap], str, str, float]] = {
    "gpt2": (_gpt2, "transformer.h", _OF_GPT2, "transformer.wte", "gpt2", 0.0),
    "gemma2": (_gemma2, "model.layers", _OF_GEMMA, "model.embed_tokens", "google/gemma-2-2b", 1.0),
    "gemma3": (_gemma3, "model.layers", _OF_GEMMA, "model.embed_tokens", "google/gemma-3-1b-pt", 1.0),
    "gemma3_seeing": (
        _gemma3_seeing,
        "model.language_model.layers",
        _OF_GEMMA,
        "model.language_model.embed_tokens",
        "google/gemma-3-4b-pt",
        1.0,
    ),
}
NAMES = tuple(_MODELS)


def save(name: str, folder: Path) -> Plain:
    """A random model, in memory and as a folder; its norms and biases are not the 1 and 0 they are born with."""
    build, blocks, places, embedding, published, gain = _MODELS[name]
    torch.manual_seed(7)
    module = build().eval().requires_grad_(False)
    for parameter in module.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    module.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return Plain(folder, module, blocks, places, embedding, published, gain)
