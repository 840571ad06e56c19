"""Text and steering on every family: their caches and norms differ, the answers must not.

Tiny random models of the real classes, steered at every place they have, with a cache and in one whole pass.
"""

from __future__ import annotations

import pytest
import torch

from semascope.core.models.hookpoint import SITES, HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.models.text import Tokens
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.sae import SAE
from semascope.core.steering.apply import Steering
from semascope.core.steering.edits import Edit
from semascope.core.steering.generate import Stream
from tests.core.models.families import FAMILIES, language_model

TEXT = "Größe 日本, once upon"
NEW, FEATURES, LAYER = 12, 64, 1


@pytest.fixture(scope="module", params=list(FAMILIES))
def model(request: pytest.FixtureRequest) -> LanguageModel:
    made = language_model(request.param)
    made.name = request.param
    return made


def places(model: LanguageModel) -> list[HookPoint]:
    names = FAMILIES[model.name].of(LAYER)
    absent = {"resid_mid": names.parallel, "mlp_act": not names.last}
    return [HookPoint(site, 0 if site == "embed" else LAYER) for site in SITES if not absent.get(site)]


def random_sae(model: LanguageModel, hook: HookPoint) -> SAE:
    d = model.width(hook)
    draw = torch.Generator().manual_seed(2)
    tensors = {"W_enc": torch.randn(d, FEATURES, generator=draw), "W_dec": torch.randn(FEATURES, d, generator=draw)}
    tensors |= {"b_enc": torch.randn(FEATURES, generator=draw), "b_dec": torch.randn(d, generator=draw)}
    config = SAEConfig(
        format="test",
        architecture="standard",
        activation="relu",
        d_in=d,
        d_out=d,
        d_sae=FEATURES,
        reads=(hook,),
        writes=(hook,),
    )
    return SAE(config, tensors)


def answer(model: LanguageModel, tokens: Tokens) -> list[int]:
    """The greedy answer by a cached stream."""
    stream = Stream(model, tokens, max_tokens=NEW)
    list(stream.prefill())
    while stream.step():
        pass
    whole = model.codec.tokenizer.decode(stream.ids, skip_special_tokens=True)
    assert stream.text.rstrip("\ufffd") == whole.rstrip("\ufffd")  # a character cut short at the end is held back
    return stream.ids


@pytest.mark.parametrize("bos", [False, True])
def test_greedy_answers_are_those_of_transformers(model: LanguageModel, bos: bool) -> None:
    tokens = model.codec.encode(TEXT, prepend_bos=bos)
    assert "".join(tokens.strings[bos:]) == TEXT
    ids = torch.tensor([tokens.ids])
    theirs = model.module.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW, eos_token_id=1, pad_token_id=2
    )
    assert answer(model, tokens) == theirs[0, len(tokens) :].tolist()


def test_what_flows_on_is_x_and_the_edits_own_delta(model: LanguageModel) -> None:
    ids = torch.tensor([model.codec.encode(TEXT).ids])
    for hook in places(model):
        sae = random_sae(model, hook)
        x = model.run_to(hook, ids)
        f = torch.relu(x @ sae.W_enc + sae.b_enc)
        delta = (4.0 - f[..., 3:4]) * sae.W_dec[3] + f[..., 7:8] * sae.W_dec[7]  # to 4, and twice what it was
        with Steering(sae, [Edit(3, "clamp", 4.0), Edit(7, "scale", 2.0)]).attached(model):
            if hook.site in ("attn_norm", "mlp_norm"):  # what becomes of it is read behind the norm's gain
                norm = model.tree.tap(hook).module
                gain = norm.weight + (1.0 if FAMILIES[model.name].of(LAYER).norm == "one plus" else 0.0)
                expected = (x + delta) * gain + getattr(norm, "bias", 0.0)
                flowing = model.run_to(HookPoint(hook.site.replace("norm", "in"), LAYER), ids)
            elif hook.site == "resid_mid":  # it flows into the MLP and past it
                added = HookPoint("mlp_out", LAYER)
                expected = x + delta + model.run_to(added, ids)
                flowing = model.run_to(HookPoint("resid_post", LAYER), ids)
            else:
                expected, flowing = x + delta, model.run_to(hook, ids)
        torch.testing.assert_close(flowing, expected, atol=1e-3, rtol=1e-4, msg=str(hook))


def test_a_cache_changes_nothing_about_steering(model: LanguageModel) -> None:
    ids = torch.tensor([model.codec.encode(TEXT).ids])
    plain = model.logits(ids, prompt=20)
    for hook in places(model):
        steering = Steering(random_sae(model, hook), [Edit(3, "clamp", 4.0), Edit(7, "scale", 2.0)])
        with steering.attached(model):
            whole = model.logits(ids, prompt=20)
            stepped, cache = model.step(ids[:, :20])
            for at in range(20, ids.shape[1]):
                torch.testing.assert_close(stepped, whole[:, at - 1], atol=5e-3, rtol=5e-3, msg=str(hook))
                stepped, cache = model.step(ids[:, at : at + 1], cache)
        assert (whole - plain).abs().max() > 1e-3, hook
