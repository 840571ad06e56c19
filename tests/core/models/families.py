"""A tiny random model of every family, of the real `transformers` class, and where its parts are by the makers' names.

The names are written out here family by family, as one reads them in the classes' own code, so that the tests find every
place without asking `core.models.tree`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import transformers as tf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import nn

from semascope.core.models.model import LanguageModel
from semascope.core.models.text import TextCodec

LAYERS, WIDTH, VOCABULARY = 2, 32, 320

_TEXT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "head_dim": 16,
    "max_position_embeddings": 96,
    "initializer_range": 0.3,
    "pad_token_id": 2,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
_GPT2 = {"vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4, "n_positions": 96}
_GPT2 |= {"bos_token_id": 0, "eos_token_id": 1, "initializer_range": 0.3}
_NEOX = {name: value for name, value in _TEXT.items() if name not in ("num_key_value_heads", "head_dim")}
_SLIDING = _TEXT | {"sliding_window": 8}
_HYBRID = _TEXT | {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 12,
    "linear_conv_kernel_dim": 4,
    "layer_types": ["linear_attention", "full_attention"],
}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}


def _rotary(*section: int) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": list(section)}}


_QWEN_VL = {name: value for name, value in _TEXT.items() if name != "head_dim"} | _rotary(1, 1, 2)
_IMAGES = {"image_token_id": 300, "video_token_id": 301, "vision_start_token_id": 302, "vision_end_token_id": 303}

VISION_LAYERS, VISION_WIDTH, VISION_HIDDEN = 3, 24, 40
_VISION: dict[str, Any] = {
    "hidden_size": VISION_WIDTH,
    "intermediate_size": VISION_HIDDEN,
    "num_hidden_layers": VISION_LAYERS,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 14,
}
_SIGLIP = _VISION | {"model_type": "siglip_vision_model"}
_QWEN_VISION: dict[str, Any] = {
    "depth": VISION_LAYERS,
    "hidden_size": VISION_WIDTH,
    "embed_dim": VISION_WIDTH,
    "num_heads": 4,
    "intermediate_size": VISION_HIDDEN,
    "patch_size": 14,
    "out_hidden_size": WIDTH,
    "num_position_embeddings": 16,
    "deepstack_visual_indexes": [0],
    "fullatt_block_indexes": [1],
}


@dataclass(frozen=True)
class Names:
    """What a family calls the parts of one block.

    Attributes:
        attention, projection: The attention and the layer that ends it.
        mlp, last: The MLP and the layer that ends it; "" for a mixture of experts.
        attention_norm, mlp_norm: The norms before them.
        behind_attention, behind_mlp: The norms behind them, or "".
        parallel: Whether attention and MLP read the same residual stream.
        norm: How the norms multiply: LayerNorm, by the weight, or by 1 + the weight.
    """

    attention: str = "self_attn"
    projection: str = "o_proj"
    mlp: str = "mlp"
    last: str = "down_proj"
    attention_norm: str = "input_layernorm"
    mlp_norm: str = "post_attention_layernorm"
    behind_attention: str = ""
    behind_mlp: str = ""
    parallel: bool = False
    norm: Literal["layer", "weight", "one plus"] = "weight"


@dataclass(frozen=True)
class Family:
    """A model that can be built, and its names.

    Attributes:
        build: A random model.
        blocks: Path of the list of blocks.
        embedding: Path of the token embedding.
        names: Of every block, or of each one where they differ.
        tower: Path of the vision tower's blocks, or "".
    """

    build: Callable[[], Any]
    blocks: str = "model.layers"
    embedding: str = "model.embed_tokens"
    names: tuple[Names, ...] = field(default=(Names(),))
    tower: str = ""

    def of(self, layer: int) -> Names:
        """The names of one block."""
        return self.names[layer % len(self.names)]


_LLAMA, _GEMMA = Names(), Names(norm="one plus")
_SANDWICH = Names(
    mlp_norm="pre_feedforward_layernorm",
    behind_attention="post_attention_layernorm",
    behind_mlp="post_feedforward_layernorm",
    norm="one plus",
)
_NEO = Names("attention", "dense", last="dense_4h_to_h", parallel=True, norm="layer")
_SEQUENTIAL = Names("attention", "dense", last="dense_4h_to_h", norm="layer")
_GPT = Names("attn", "c_proj", last="c_proj", attention_norm="ln_1", mlp_norm="ln_2", norm="layer")
_LINEAR, _GATED = Names("linear_attn", "out_proj", norm="one plus"), _GEMMA
_EXPERT = (Names("linear_attn", "out_proj", last="", norm="one plus"), Names(last="", norm="one plus"))


def _seeing(
    build: Callable[[], Any], *names: Names, inner: str = "language_model", tower: str = "vision_tower.encoder.layers"
) -> Family:
    """A vision-language model."""
    return Family(build, f"model.{inner}.layers", f"model.{inner}.embed_tokens", names or (_LLAMA,), f"model.{tower}")


FAMILIES: dict[str, Family] = {
    "gpt2": Family(lambda: tf.GPT2LMHeadModel(tf.GPT2Config(**_GPT2)), "transformer.h", "transformer.wte", (_GPT,)),
    "gpt_neox": Family(
        lambda: tf.GPTNeoXForCausalLM(tf.GPTNeoXConfig(**_NEOX)), "gpt_neox.layers", "gpt_neox.embed_in", (_NEO,)
    ),
    "gpt_neox_sequential": Family(
        lambda: tf.GPTNeoXForCausalLM(tf.GPTNeoXConfig(**_NEOX, use_parallel_residual=False)),
        "gpt_neox.layers",
        "gpt_neox.embed_in",
        (_SEQUENTIAL,),
    ),
    "llama": Family(lambda: tf.LlamaForCausalLM(tf.LlamaConfig(**_TEXT))),
    "mistral": Family(lambda: tf.MistralForCausalLM(tf.MistralConfig(**_SLIDING))),
    "qwen2": Family(lambda: tf.Qwen2ForCausalLM(tf.Qwen2Config(**_TEXT))),
    "qwen3": Family(lambda: tf.Qwen3ForCausalLM(tf.Qwen3Config(**_TEXT))),
    "qwen3_5": Family(lambda: tf.Qwen3_5ForCausalLM(tf.Qwen3_5TextConfig(**_HYBRID)), names=(_LINEAR, _GATED)),
    "qwen3_next": Family(
        lambda: tf.Qwen3NextForCausalLM(tf.Qwen3NextConfig(**_HYBRID, **_EXPERTS, shared_expert_intermediate_size=16)),
        names=_EXPERT,
    ),
    "gemma": Family(lambda: tf.GemmaForCausalLM(tf.GemmaConfig(**_TEXT)), names=(_GEMMA,)),
    "gemma2": Family(lambda: tf.Gemma2ForCausalLM(tf.Gemma2Config(**_SLIDING)), names=(_SANDWICH,)),
    "gemma3": Family(lambda: tf.Gemma3ForCausalLM(tf.Gemma3TextConfig(**_SLIDING)), names=(_SANDWICH,)),
    "gpt_oss": Family(
        lambda: tf.GptOssForCausalLM(tf.GptOssConfig(**_SLIDING, num_local_experts=4, num_experts_per_tok=2)),
        names=(Names(last=""),),
    ),
    "gemma3_seeing": _seeing(
        lambda: tf.Gemma3ForConditionalGeneration(
            tf.Gemma3Config(
                text_config=_SLIDING | {"model_type": "gemma3_text"},
                vision_config=_SIGLIP,
                mm_tokens_per_image=4,
                image_token_index=300,
                boi_token_index=301,
                eoi_token_index=302,
            )
        ),
        _SANDWICH,
    ),
    "llava": _seeing(
        lambda: tf.LlavaForConditionalGeneration(
            tf.LlavaConfig(
                text_config=tf.LlamaConfig(**_TEXT), vision_config=tf.CLIPVisionConfig(**_VISION), image_token_index=300
            )
        )
    ),
    "llava_next": _seeing(
        lambda: tf.LlavaNextForConditionalGeneration(
            tf.LlavaNextConfig(
                text_config=tf.MistralConfig(**_TEXT),
                vision_config=tf.CLIPVisionConfig(**_VISION),
                image_token_index=300,
            )
        )
    ),
    "llava_onevision": _seeing(
        lambda: tf.LlavaOnevisionForConditionalGeneration(
            tf.LlavaOnevisionConfig(
                text_config=tf.Qwen2Config(**_TEXT),
                vision_config=tf.SiglipVisionConfig(**_VISION),
                image_token_index=300,
                video_token_index=301,
            )
        )
    ),
    "qwen2_vl": _seeing(
        lambda: tf.Qwen2VLForConditionalGeneration(
            tf.Qwen2VLConfig(
                text_config=_QWEN_VL,
                vision_config=_QWEN_VISION | {"hidden_size": WIDTH, "mlp_ratio": 2},
                **_IMAGES,
            )
        ),
        tower="visual.blocks",
    ),
    "qwen2_5_vl": _seeing(
        lambda: tf.Qwen2_5_VLForConditionalGeneration(
            tf.Qwen2_5_VLConfig(text_config=_QWEN_VL, vision_config=_QWEN_VISION, **_IMAGES)
        ),
        tower="visual.blocks",
    ),
    "qwen3_vl": _seeing(
        lambda: tf.Qwen3VLForConditionalGeneration(
            tf.Qwen3VLConfig(text_config=_TEXT | _rotary(2, 3, 3), vision_config=_QWEN_VISION, **_IMAGES)
        ),
        tower="visual.blocks",
    ),
    "qwen3_5_seeing": _seeing(
        lambda: tf.Qwen3_5ForConditionalGeneration(
            tf.Qwen3_5Config(text_config=_HYBRID, vision_config=_QWEN_VISION, **_IMAGES)
        ),
        _LINEAR,
        _GATED,
        tower="visual.blocks",
    ),
    "idefics3": _seeing(
        lambda: tf.Idefics3ForConditionalGeneration(
            tf.Idefics3Config(text_config=tf.LlamaConfig(**_TEXT), vision_config=_VISION, image_token_id=300)
        ),
        inner="text_model",
        tower="vision_model.encoder.layers",
    ),
    "smolvlm": _seeing(
        lambda: tf.SmolVLMForConditionalGeneration(
            tf.SmolVLMConfig(text_config=tf.LlamaConfig(**_TEXT), vision_config=_VISION, image_token_id=300)
        ),
        inner="text_model",
        tower="vision_model.encoder.layers",
    ),
    "paligemma": _seeing(
        lambda: tf.PaliGemmaForConditionalGeneration(
            tf.PaliGemmaConfig(
                text_config=_TEXT | {"model_type": "gemma"}, vision_config=_SIGLIP, image_token_index=300
            )
        ),
        _GEMMA,
    ),
    "paligemma2": _seeing(
        lambda: tf.PaliGemmaForConditionalGeneration(
            tf.PaliGemmaConfig(
                text_config=_SLIDING | {"model_type": "gemma2"}, vision_config=_SIGLIP, image_token_index=300
            )
        ),
        _SANDWICH,
    ),
}
"""Every family that is said to open."""

SEEING = tuple(name for name, family in FAMILIES.items() if family.tower)

VISION_MODELS: dict[str, tuple[Callable[[], Any], str]] = {
    "clip_vision": (lambda: tf.CLIPVisionModel(tf.CLIPVisionConfig(**_VISION)), "encoder.layers"),
    "clip": (
        lambda: tf.CLIPModel(tf.CLIPConfig(vision_config=_VISION, text_config={**_TEXT, "num_hidden_layers": 2})),
        "vision_model.encoder.layers",
    ),
    "siglip_vision": (lambda: tf.SiglipVisionModel(tf.SiglipVisionConfig(**_VISION)), "encoder.layers"),
    "dinov2": (lambda: tf.Dinov2Model(tf.Dinov2Config(**_VISION)), "encoder.layer"),
    "dinov2_registers": (
        lambda: tf.Dinov2WithRegistersModel(tf.Dinov2WithRegistersConfig(**_VISION)),
        "encoder.layer",
    ),
    "vit": (lambda: tf.ViTModel(tf.ViTConfig(**_VISION)), "layers"),
}
"""Models that only read images, and where their blocks are."""


def build(name: str) -> Any:
    """A random model of a family, in evaluation mode; its norms and biases are not the 1 and 0 they are born with."""
    torch.manual_seed(0)
    module = (FAMILIES[name].build if name in FAMILIES else VISION_MODELS[name][0])().eval().requires_grad_(False)
    for parameter in module.parameters():  # else a tap on the wrong side of a norm or a bias would not be seen
        parameter.add_(torch.randn_like(parameter) * 0.1)
    return module


def tokenizer() -> tf.PreTrainedTokenizerFast:
    """One token a byte, a BOS with id 0 and an EOS with id 1."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i + 3 for i, letter in enumerate(letters)} | {"<s>": 0, "</s>": 1, "<pad>": 2}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return tf.PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def language_model(name: str) -> LanguageModel:
    """A random model of a family, as `open_model` would give it."""
    return LanguageModel(build(name), TextCodec(tokenizer(), [1]), Path("tiny"), "sha256:0")


def part(module: Any, path: str) -> nn.Module:
    """The module at a dotted path."""
    found: nn.Module = module.get_submodule(path)
    return found
