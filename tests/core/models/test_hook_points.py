"""Every hook point of every decoder family, on tiny random models of the real classes.

The checks are identities of the architectures, not our own paths: what attention and MLP add up to is what the block adds,
the output projection of `attn_z` is the attention's output, and `transformers`' own hidden states are the residual stream.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf
from torch import nn

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import SITES, HookPoint
from semascope.core.models.model import LanguageModel

LAYERS, WIDTH, HEADS, VOCABULARY = 3, 32, 4, 96

_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "head_dim": 16,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_GPT2 = {"vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": 64}
FAMILIES: dict[str, Any] = {
    "gpt2": lambda: tf.GPT2LMHeadModel(tf.GPT2Config(**_GPT2)),
    "gpt_neox": lambda: tf.GPTNeoXForCausalLM(tf.GPTNeoXConfig(**_COMMON)),
    "llama": lambda: tf.LlamaForCausalLM(tf.LlamaConfig(**_COMMON)),
    "mistral": lambda: tf.MistralForCausalLM(tf.MistralConfig(**_COMMON)),
    "qwen2": lambda: tf.Qwen2ForCausalLM(tf.Qwen2Config(**_COMMON)),
    "qwen3": lambda: tf.Qwen3ForCausalLM(tf.Qwen3Config(**_COMMON)),
    "gemma": lambda: tf.GemmaForCausalLM(tf.GemmaConfig(**_COMMON)),
    "gemma2": lambda: tf.Gemma2ForCausalLM(tf.Gemma2Config(**_COMMON)),
    "gemma3": lambda: tf.Gemma3ForCausalLM(tf.Gemma3TextConfig(**_COMMON)),
    "gpt_oss": lambda: tf.GptOssForCausalLM(tf.GptOssConfig(**_COMMON, num_local_experts=2, num_experts_per_tok=1)),
}


class _NoText:
    """Stands where a codec would: these models have no tokenizer."""


def _model(family: str) -> LanguageModel:
    torch.manual_seed(0)
    module = FAMILIES[family]().eval()
    with torch.no_grad():  # norms and biases start at 1 and 0, which would hide a tap on the wrong side of them
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return LanguageModel(module, _NoText(), Path("tiny"), "sha256:0")  # type: ignore[arg-type]


@pytest.fixture(params=list(FAMILIES))
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return _model(request.param)


IDS = torch.randint(3, VOCABULARY, (2, 11), generator=torch.Generator().manual_seed(1))


def test_the_residual_stream_is_that_of_transformers(model: LanguageModel) -> None:
    with torch.no_grad():
        hidden = model.module(input_ids=IDS, output_hidden_states=True, use_cache=False).hidden_states
    for layer in range(LAYERS):
        assert torch.equal(model.run_to(HookPoint("resid_pre", layer), IDS), hidden[layer])
        if layer + 1 < LAYERS:  # the last of transformers' hidden states is behind the final norm
            assert torch.equal(model.run_to(HookPoint("resid_post", layer), IDS), hidden[layer + 1])


def test_attention_and_mlp_add_up_to_the_block(model: LanguageModel) -> None:
    for layer in range(LAYERS):
        read = {site: model.run_to(HookPoint(site, layer), IDS) for site in SITES}
        added = read["attn_out"] + read["mlp_out"]
        assert torch.allclose(read["resid_pre"] + added, read["resid_post"], atol=1e-4, rtol=1e-4)


def test_attn_z_goes_through_the_output_projection(model: LanguageModel) -> None:
    hook = HookPoint("attn_z", 1)
    z = model.run_to(hook, IDS)
    assert z.shape == (2, 11, model.width(hook))
    tap = model.tree.tap(hook).module
    block = model.tree.blocks[1]
    with torch.no_grad():
        projected = tap(z)
    norm = getattr(block, "post_attention_layernorm", None)
    if hasattr(block, "pre_feedforward_layernorm"):
        projected = norm(projected)
    assert torch.allclose(projected, model.run_to(HookPoint("attn_out", 1), IDS), atol=1e-5)


def test_mlp_in_is_what_the_mlp_is_given(model: LanguageModel) -> None:
    given = model.run_to(HookPoint("mlp_in", 1), IDS)
    block = model.tree.blocks[1]
    with torch.no_grad():
        out = block.mlp(given)
        out = out[0] if isinstance(out, tuple) else out
        if hasattr(block, "post_feedforward_layernorm"):
            out = block.post_feedforward_layernorm(out)
    assert torch.allclose(out, model.run_to(HookPoint("mlp_out", 1), IDS), atol=1e-5)


@pytest.mark.parametrize("site", SITES)
def test_an_edit_changes_the_logits_and_none_leaves_them_bit_identical(model: LanguageModel, site: str) -> None:
    hook = HookPoint(site, 1)
    plain = model.logits(IDS)
    with model.editing(hook, lambda x: x + 1.0):
        assert not torch.equal(model.logits(IDS), plain)
    with model.editing(hook, lambda _x: None):
        assert torch.equal(model.logits(IDS), plain)
    assert torch.equal(model.logits(IDS), plain)


def test_padding_on_the_right_does_not_reach_the_tokens_before_it(model: LanguageModel) -> None:
    hook = HookPoint("resid_post", 1)
    padded = torch.cat([IDS, torch.zeros(2, 5, dtype=torch.int64)], dim=1)
    assert torch.allclose(model.run_to(hook, padded)[:, :11], model.run_to(hook, IDS), atol=1e-5)


def test_steps_with_a_cache_give_the_logits_of_one_pass(model: LanguageModel) -> None:
    whole = model.logits(IDS)
    logits, cache = model.step(IDS[:, :6])
    assert torch.allclose(logits, whole[:, 5], atol=1e-4)
    for at in range(6, 11):
        logits, cache = model.step(IDS[:, at : at + 1], cache)
        assert torch.allclose(logits, whole[:, at], atol=1e-4)


def test_unembedding_repeats_the_models_own_logits(model: LanguageModel) -> None:
    """logits = W_U (γ ⊙ normalised), with the normalised last residual computed here."""
    x = model.run_to(HookPoint("resid_post", LAYERS - 1), IDS)
    parts = model.unembedding()
    if parts.centred:
        x = x - x.mean(-1, keepdim=True)
    epsilon = next(
        getattr(model.tree.final_norm, name)
        for name in ("eps", "variance_epsilon")
        if hasattr(model.tree.final_norm, name)
    )
    x = x / (x.square().mean(-1, keepdim=True) + epsilon).sqrt()
    assert parts.gain is not None
    logits = (x * parts.gain) @ parts.weight.T
    norm = model.tree.final_norm
    if isinstance(norm, nn.LayerNorm):
        logits = logits + norm.bias @ parts.weight.T
    cap = getattr(model.module.config, "final_logit_softcapping", None)
    if cap:
        logits = cap * torch.tanh(logits / cap)
    assert torch.allclose(logits, model.logits(IDS), atol=1e-3)


def test_a_layer_that_is_not_there_is_refused_in_words() -> None:
    with pytest.raises(UserError, match="no layer 7"):
        _model("llama").run_to(HookPoint("resid_post", 7), IDS)


@pytest.mark.parametrize("text", ["resid_post", "resid_post.x", "logits.3", "resid_post.15.2", "", "resid_post.-1"])
def test_what_is_no_hook_point_is_refused_in_words(text: str) -> None:
    with pytest.raises(UserError, match="not a hook point"):
        HookPoint.parse(text)


def test_hook_points_round_trip() -> None:
    for site in SITES:
        assert HookPoint.parse(str(HookPoint(site, 15))) == HookPoint(site, 15)
