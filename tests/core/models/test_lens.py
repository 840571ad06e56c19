"""TransformerLens' names and processed activations, against a GPT-2 written out here with its weights processed by hand.

The processing is TransformerLens' default: the norms' gains and biases go into the layers they feed, whatever writes into the
residual stream is centred, value biases go into the output bias. The model's function stays the same, its activations do not.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from semascope.core.models.model import LanguageModel
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.fitted import FittedSAE
from semascope.core.saes.hooks import from_transformer_lens
from semascope.core.saes.sae import SAE
from tests.core.models.families import language_model

IDS = torch.randint(3, 250, (2, 11), generator=torch.Generator().manual_seed(1))
HEADS, LAYER = 4, 1


def centred(weight: Tensor) -> Tensor:
    return weight - weight.mean(-1, keepdim=True)


@torch.inference_mode()
def processed_gpt2(model: LanguageModel) -> tuple[dict[str, Tensor], Tensor]:
    """Activations by TransformerLens' names, and logits, of the model with processed weights."""
    body, seen = model.module.transformer, {}
    x = centred(body.wte.weight)[IDS]
    seen["hook_embed"] = x
    x = x + centred(body.wpe.weight)[: IDS.shape[1]]
    for layer, block in enumerate(body.h):
        at = f"blocks.{layer}."
        seen[at + "hook_resid_pre"] = x
        plain = seen[at + "ln1.hook_normalized"] = F.layer_norm(x, x.shape[-1:], eps=block.ln_1.eps)
        weight = block.ln_1.weight[:, None] * block.attn.c_attn.weight
        bias = block.attn.c_attn.bias + block.ln_1.bias @ block.attn.c_attn.weight
        q, k, v = (plain @ weight + torch.cat([bias[:64], torch.zeros(32)])).split(32, dim=-1)
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (q, k, v))
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        seen[at + "attn.hook_z"] = z
        out = centred(block.attn.c_proj.weight)
        added = seen[at + "hook_attn_out"] = z @ out + centred(block.attn.c_proj.bias) + bias[64:] @ out
        x = seen[at + "hook_resid_mid"] = x + added
        plain = seen[at + "ln2.hook_normalized"] = F.layer_norm(x, x.shape[-1:], eps=block.ln_2.eps)
        weight = block.ln_2.weight[:, None] * block.mlp.c_fc.weight
        hidden = plain @ weight + block.mlp.c_fc.bias + block.ln_2.bias @ block.mlp.c_fc.weight
        hidden = seen[at + "mlp.hook_post"] = F.gelu(hidden, approximate="tanh")
        added = hidden @ centred(block.mlp.c_proj.weight) + centred(block.mlp.c_proj.bias)
        seen[at + "hook_mlp_out"] = added
        x = seen[at + "hook_resid_post"] = x + added
    return seen, body.ln_f(x) @ model.module.lm_head.weight.T


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return language_model("gpt2")


@pytest.fixture(scope="module")
def theirs(model: LanguageModel) -> dict[str, Tensor]:
    seen, logits = processed_gpt2(model)
    torch.testing.assert_close(logits, model.logits(IDS), atol=1e-3, rtol=1e-3)  # the same function
    return seen


PLACES = ["hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_attn_out", "hook_mlp_out", "attn.hook_z"]
PLACES += ["ln1.hook_normalized", "ln2.hook_normalized", "mlp.hook_post"]


@pytest.mark.parametrize("name", ["hook_embed", *(f"blocks.{LAYER}.{place}" for place in PLACES)])
def test_an_sae_of_processed_activations_gets_them(model: LanguageModel, theirs: dict[str, Tensor], name: str) -> None:
    hook = from_transformer_lens(name).hook
    assert hook is not None
    d = theirs[name].shape[-1]
    config = SAEConfig("test", "standard", "relu", d, d, 8, reads=(hook,), writes=(hook,), processing="folded")
    tensors = {"W_enc": torch.randn(d, 8), "W_dec": torch.randn(8, d), "b_enc": torch.zeros(8), "b_dec": torch.zeros(d)}
    sae = SAE(config, tensors)
    raw = model.run_to(hook, IDS)
    torch.testing.assert_close(FittedSAE(model, sae).enter(raw), theirs[name], atol=2e-5, rtol=1e-4)
    if name.endswith(("hook_normalized", "hook_post")):
        return  # the same in both forms
    assert not torch.allclose(raw, theirs[name], atol=1e-2)
    plain = SAE(replace(config, processing="raw"), tensors)
    assert torch.equal(FittedSAE(model, plain).enter(raw), raw)
