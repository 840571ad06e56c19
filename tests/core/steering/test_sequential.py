"""Steering an SAE whose features depend on the tokens before: the definition holds, with a cache or without."""

from __future__ import annotations

import pytest
import torch

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.saes.config import SAEConfig, Temporal
from semascope.core.saes.temporal import TemporalSAE
from semascope.core.steering.apply import Steering
from semascope.core.steering.edits import Edit
from tests.core.steering.conftest import FEATURES, LAYER, WIDTH

HOOK = HookPoint("resid_post", LAYER)


@pytest.fixture
def sae() -> TemporalSAE:
    draw = torch.Generator().manual_seed(3)
    shapes = {"W_enc": (WIDTH, FEATURES), "W_dec": (FEATURES, WIDTH), "b_dec": (WIDTH,)}
    for part, rows in (("k_ctx", 16), ("q_target", 16), ("v_ctx", FEATURES), ("c_proj", FEATURES)):
        shapes |= {f"attn_layers.0.{part}.weight": (rows, FEATURES), f"attn_layers.0.{part}.bias": (rows,)}
    tensors = {name: torch.randn(shape, generator=draw) / 2 for name, shape in shapes.items()}
    config = SAEConfig(
        "test", "temporal", "temporal", WIDTH, WIDTH, FEATURES, reads=(HOOK,), writes=(HOOK,),
        apply_b_dec_to_input=True, temporal=Temporal(2, 0.5, tied=False),
    )  # fmt: skip
    return TemporalSAE(config, tensors)


def logits_of(model: LanguageModel, steering: Steering, passes: list[list[int]]) -> torch.Tensor:
    """The last token's logits after several passes over one text."""
    cache, read, logits = None, 0, torch.empty(0)
    for ids in passes:
        steering.aim([False] * len(ids), [False] * len(ids), before=read)
        with steering.attached(model):
            logits, cache = model.step(torch.tensor([ids]), cache)
        read += len(ids)
    return logits[0]


EDITS = [Edit(6, "scale", 4.0), Edit(9, "clamp", 3.0), Edit(21, "ablate", 0.0)]


def test_a_cache_changes_nothing(tiny_model: LanguageModel, sae: TemporalSAE) -> None:
    ids = [0, 40, 41, 50, 42, 60, 45]
    whole = logits_of(tiny_model, Steering(sae, EDITS), [ids])
    steering = Steering(sae, EDITS)
    for passes in ([ids[:3], *([each] for each in ids[3:])], [ids[:1], ids[1:]]):
        torch.testing.assert_close(logits_of(tiny_model, steering, passes), whole, atol=1e-4, rtol=1e-4)


def test_it_is_what_the_definition_says(tiny_model: LanguageModel, sae: TemporalSAE) -> None:
    ids, f = [0, 40, 41, 50], []

    def edit(x: torch.Tensor) -> torch.Tensor:
        codes = sae.encode(x)
        wanted = codes.clone()
        wanted[..., 6], wanted[..., 9], wanted[..., 21] = 4 * codes[..., 6], 3.0, 0.0
        f.append(codes)
        return x + sae.decode(wanted) - sae.decode(codes)

    with tiny_model.editing(HOOK, edit):
        expected, _ = tiny_model.step(torch.tensor([ids]), None)
    assert f[0][..., 6].any()
    assert f[0][..., 21].any()
    torch.testing.assert_close(logits_of(tiny_model, Steering(sae, EDITS), [ids]), expected[0], atol=1e-4, rtol=1e-4)


def test_one_that_comes_in_the_middle_says_that_it_can_t(tiny_model: LanguageModel, sae: TemporalSAE) -> None:
    with pytest.raises(UserError, match="tokens before"):
        Steering(sae, EDITS).aim([False], [True], before=3)
    Steering(sae, [Edit(5, "add", 2.0)]).aim([False], [True], before=3)  # which needs no activations
