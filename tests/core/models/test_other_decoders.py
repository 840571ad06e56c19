"""Decoders that nobody promised: what they let be read is right, and what would not be is refused in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import SITES, HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.models.text import TextCodec
from tests.core.models.families import tokenizer

_TEXT: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 96,
    "initializer_range": 0.3,
    "pad_token_id": 2,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
_NEO = {"vocab_size": 320, "hidden_size": 32, "num_layers": 2, "num_heads": 4, "max_position_embeddings": 96}
_LAYERED = {"vocab_size": 320, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 96}
_SMALL_OPT = {"ffn_dim": 48, "word_embed_proj_dim": 32}
_N = {"vocab_size_per_layer_input": 320, "hidden_size_per_layer_input": 8, "num_kv_shared_layers": 0, "laurel_rank": 4}
_N |= {"activation_sparsity_pattern": [0.0, 0.0], "intermediate_size": [48, 48]}
_N |= {"layer_types": ["sliding_attention", "full_attention"]}

# Each model, and the places it must refuse.
MLP, ATTENTION = {"mlp_out", "mlp_raw"}, {site for site in SITES if site.startswith("attn")}
OTHERS: dict[str, tuple[Callable[[], Any], set[str]]] = {
    "granite": (
        lambda: tf.GraniteForCausalLM(tf.GraniteConfig(**_TEXT, residual_multiplier=0.3)),
        {"attn_out", "mlp_out"},
    ),
    "gpt_neo": (
        lambda: tf.GPTNeoForCausalLM(tf.GPTNeoConfig(**_NEO, attention_types=[[["global", "local"], 1]])),
        set(),
    ),
    "gptj": (
        lambda: tf.GPTJForCausalLM(tf.GPTJConfig(**_LAYERED, rotary_dim=4)),
        {"resid_mid", "mlp_norm"},
    ),
    "phi": (lambda: tf.PhiForCausalLM(tf.PhiConfig(**_TEXT)), {"resid_mid", "mlp_norm"}),
    "cohere": (lambda: tf.CohereForCausalLM(tf.CohereConfig(**_TEXT)), {"resid_mid", "mlp_norm"}),
    "olmo2": (lambda: tf.Olmo2ForCausalLM(tf.Olmo2Config(**_TEXT)), {"attn_norm", "mlp_norm"}),
    "glm4": (lambda: tf.Glm4ForCausalLM(tf.Glm4Config(**_TEXT)), set()),
    "nemotron": (lambda: tf.NemotronForCausalLM(tf.NemotronConfig(**_TEXT)), set()),
    "mixtral": (lambda: tf.MixtralForCausalLM(tf.MixtralConfig(**_TEXT, num_local_experts=4)), {"mlp_act"}),
    "opt": (
        lambda: tf.OPTForCausalLM(tf.OPTConfig(**_TEXT, **_SMALL_OPT)),
        {"resid_mid", "attn_norm", "mlp_in", "mlp_norm", "mlp_act", *MLP},
    ),
    "bloom": (lambda: tf.BloomForCausalLM(tf.BloomConfig(**_TEXT)), {*ATTENTION, *MLP}),
    "gemma3n": (
        lambda: tf.Gemma3nForCausalLM(tf.Gemma3nTextConfig(**(_TEXT | _N))),
        {"resid_pre", "resid_post", "attn_out", "mlp_out"},
    ),
}
IDS = torch.randint(3, 250, (2, 11), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", list(OTHERS))
def test_what_is_read_adds_up_and_the_rest_is_refused(name: str) -> None:
    build, refused = OTHERS[name]
    torch.manual_seed(0)
    module = build().eval().requires_grad_(False)
    for parameter in module.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    model = LanguageModel(module, TextCodec(tokenizer(), [1]), Path("tiny"), "")
    read: dict[str, Tensor] = {}
    for site in SITES:
        hook = HookPoint(site, 0 if site == "embed" else 1)
        if site in refused:
            with pytest.raises(UserError):
                model.run_to(hook, IDS)
        else:
            read[site] = model.run_to(hook, IDS)
    if {"resid_mid", "attn_out", "mlp_out"} <= read.keys():
        torch.testing.assert_close(read["resid_pre"] + read["attn_out"], read["resid_mid"])
        torch.testing.assert_close(read["resid_mid"] + read["mlp_out"], read["resid_post"])
    elif {"attn_out", "mlp_out"} <= read.keys():
        torch.testing.assert_close(read["resid_pre"] + read["attn_out"] + read["mlp_out"], read["resid_post"])
    for part in ("attn", "mlp"):
        if f"{part}_norm" in read:  # a norm's gain and bias turn what is read into what the module is given
            scaled = model.run_to(HookPoint(f"{part}_in", 1), IDS)
            with model.editing(HookPoint(f"{part}_norm", 1), lambda x: x.clone()):
                torch.testing.assert_close(model.run_to(HookPoint(f"{part}_in", 1), IDS), scaled, atol=1e-4, rtol=1e-4)


def test_granites_multiplier_lies_between_what_is_given_and_what_is_added() -> None:
    torch.manual_seed(0)
    module = OTHERS["granite"][0]().eval().requires_grad_(False)
    model = LanguageModel(module, TextCodec(tokenizer(), [1]), Path("tiny"), "")
    pre, raw, mid = (model.run_to(HookPoint(site, 1), IDS) for site in ("resid_pre", "attn_raw", "resid_mid"))
    torch.testing.assert_close(mid, pre + 0.3 * raw)
    with pytest.raises(UserError, match="scales or mixes what its attn gives"):
        model.run_to(HookPoint("attn_out", 1), IDS)


def test_a_shift_that_is_not_known_is_refused() -> None:
    torch.manual_seed(0)
    model = LanguageModel(OTHERS["opt"][0]().eval(), TextCodec(tokenizer(), [1]), Path("tiny"), "")
    with pytest.raises(UserError, match="How OPTAttention makes its values is not known"):
        model.value_shift(1)
