"""TransformerLens' names and processed activations, against a GPT-2 with its weights processed by hand (`processed`)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from semascope.core.models.model import LanguageModel
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.fitted import FittedSAE
from semascope.core.saes.hooks import from_transformer_lens
from semascope.core.saes.sae import SAE
from tests.core.models.families import language_model
from tests.core.models.processed import processed_gpt2

IDS = torch.randint(3, 250, (2, 11), generator=torch.Generator().manual_seed(1))
LAYER = 1


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return language_model("gpt2")


@pytest.fixture(scope="module")
def theirs(model: LanguageModel) -> dict[str, Tensor]:
    seen, logits = processed_gpt2(model.module, IDS)
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
