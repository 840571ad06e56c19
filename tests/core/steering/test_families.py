"""Generation and steering on other decoder families: their caches and norms differ, the answers must not.

Tiny random models of the real classes. Each is steered at every site, with a cache and, one whole pass a token, without.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf

from semascope.core.models.hookpoint import SITES, HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.models.text import Tokens
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.sae import SAE
from semascope.core.steering.apply import Steering
from semascope.core.steering.edits import Edit
from semascope.core.steering.generate import Stream

_COMMON: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "head_dim": 16,
    "max_position_embeddings": 64,
    "initializer_range": 0.5,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_GPT2 = {"vocab_size": 96, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64, "initializer_range": 0.5}
FAMILIES: dict[str, Any] = {
    "gpt2": lambda: tf.GPT2LMHeadModel(tf.GPT2Config(**_GPT2, eos_token_id=2)),
    "gpt_neox": lambda: tf.GPTNeoXForCausalLM(tf.GPTNeoXConfig(**_COMMON)),
    "qwen3": lambda: tf.Qwen3ForCausalLM(tf.Qwen3Config(**_COMMON)),
    "gemma2": lambda: tf.Gemma2ForCausalLM(tf.Gemma2Config(**_COMMON, sliding_window=8)),
    "gemma3": lambda: tf.Gemma3ForCausalLM(tf.Gemma3TextConfig(**_COMMON, sliding_window=8)),
}
PROMPT = (5, 17, 40, 8, 90, 33, 61, 12, 77, 25, 50)
NEW = 12


class _NoText:
    """Stands where a codec would: these models have no tokenizer, and nothing is special."""

    special_ids: frozenset[int] = frozenset()
    eos_ids = frozenset({2})

    def token_bytes(self, _token: int) -> bytes:
        return b"."


@pytest.fixture(scope="module", params=list(FAMILIES))
def model(request: pytest.FixtureRequest) -> LanguageModel:
    torch.manual_seed(0)
    module = FAMILIES[request.param]().eval().requires_grad_(False)
    return LanguageModel(module, _NoText(), Path("tiny"), "")  # type: ignore[arg-type]


def answer(model: LanguageModel, steering: Steering | None) -> list[int]:
    """The greedy answer by a cached stream."""
    stream = Stream(model, Tokens(PROMPT, ("",) * len(PROMPT), (False,) * len(PROMPT)), steering, max_tokens=NEW)
    list(stream.prefill())
    while stream.step():
        pass
    return stream.ids


def test_greedy_answers_are_those_of_transformers(model: LanguageModel) -> None:
    ids = torch.tensor([PROMPT])
    theirs = model.module.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW)
    assert answer(model, None) == theirs[0, len(PROMPT) :].tolist()


@pytest.mark.parametrize("site", SITES)
def test_a_cache_changes_nothing_about_steering(model: LanguageModel, site: str) -> None:
    hook = HookPoint(site, 1)
    d = model.width(hook)
    torch.manual_seed(2)
    config = SAEConfig("test", "standard", "relu", d, d, 64, hook, hook)
    tensors = {"W_enc": torch.randn(d, 64), "W_dec": torch.randn(64, d), "b_dec": torch.zeros(d)}
    steering = Steering(SAE(config, tensors), [Edit(3, "clamp", 4.0), Edit(7, "scale", 2.0)])
    ids = torch.tensor([PROMPT])
    uncached: list[int] = []
    with steering.attached(model):
        while len(uncached) < NEW and 2 not in uncached:
            uncached.append(int(model.logits(torch.tensor([[*PROMPT, *uncached]]))[0, -1].argmax()))
        steered = model.logits(ids)
    assert answer(model, steering) == uncached
    assert (steered - model.logits(ids)).abs().max() > 1e-3
