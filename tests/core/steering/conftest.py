"""A tiny random Llama of width 16 whose layer 3 every small SAE in these tests reads, and SAEs of each architecture."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.models.text import TextCodec
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.sae import SAE

WIDTH, FEATURES, LAYER = 16, 64, 3


@pytest.fixture(scope="session")
def tiny_model() -> LanguageModel:
    """Five layers, one token a byte, fp32; its weights are large enough for edits to change what it says."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i + 2 for i, letter in enumerate(letters)} | {"<s>": 0, "</s>": 1}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=5,
        num_attention_heads=2,
        max_position_embeddings=128,
        initializer_range=0.5,
        bos_token_id=0,
        eos_token_id=1,
    )
    module = LlamaForCausalLM(config).eval().requires_grad_(False)
    module.generation_config.pad_token_id = 1
    return LanguageModel(module, TextCodec(fast, [1]), Path("tiny"), "")


def make_sae(architecture: str, seed: int = 1) -> SAE:
    """A random SAE of layer 3 with most features firing somewhere."""
    torch.manual_seed(seed)
    hook = HookPoint("resid_post", LAYER)
    options: dict[str, object] = {"activation": architecture, "reads": (hook,), "writes": (hook,)}
    tensors = {
        "W_enc": torch.randn(WIDTH, FEATURES) / 4,
        "b_enc": torch.randn(FEATURES) / 10,
        "W_dec": torch.randn(FEATURES, WIDTH) / 4,
        "b_dec": torch.randn(WIDTH) / 10,
    }
    if architecture == "jumprelu":
        tensors["threshold"] = torch.rand(FEATURES)
    elif architecture == "gated":
        del tensors["b_enc"]
        tensors |= {name: torch.randn(FEATURES) / 4 for name in ("b_gate", "r_mag", "b_mag")}
    elif architecture == "topk":
        options["k"] = 8
    elif architecture == "layer_norm":
        options |= {"activation": "relu", "normalize": "layer_norm"}
    elif architecture == "transcoder":
        options |= {
            "activation": "relu",
            "architecture": "transcoder",
            "kind": "transcoder",
            "reads": (HookPoint("mlp_in", LAYER),),
            "writes": (HookPoint("mlp_out", LAYER),),
        }
    named = {"format": "test", "architecture": architecture, "d_in": WIDTH, "d_out": WIDTH, "d_sae": FEATURES}
    return SAE(SAEConfig(**(named | {"apply_b_dec_to_input": architecture != "transcoder"} | options)), tensors)
