"""The measured effect against its definition, written out."""

from __future__ import annotations

import pytest
import torch

from semascope.core.models.model import LanguageModel
from semascope.core.progress import drive
from semascope.core.steering.apply import Steering
from semascope.core.steering.edits import Edit
from semascope.core.steering.measure import RandomPush, measure
from tests.core.steering.conftest import make_sae

ANSWERS = ([40, 41, 42, 43, 1], [50, 60, 70])


def test_every_number_is_what_its_definition_says(tiny_model: LanguageModel) -> None:
    prompt = tiny_model.codec.encode("Once upon")
    steering = Steering(make_sae("jumprelu"), [Edit(3, "clamp", 2.0), Edit(9, "ablate")])
    effect = drive(measure(tiny_model, prompt, steering, *ANSWERS))

    def logprobs(answer: list[int], with_steering: bool) -> torch.Tensor:
        rows = []
        for at in range(len(answer)):  # one distribution at a time, nothing shared
            ids = torch.tensor([[*prompt.ids, *answer[:at]]])
            if with_steering:
                steering.aim([False] * ids.shape[1], [False] * ids.shape[1])
                with steering.attached(tiny_model):
                    rows.append(tiny_model.logits(ids)[0, -1].log_softmax(0))
            else:
                rows.append(tiny_model.logits(ids)[0, -1].log_softmax(0))
        return torch.stack(rows)

    p, q = logprobs(ANSWERS[0], False), logprobs(ANSWERS[0], True)
    steered = logprobs(ANSWERS[1], False)
    assert effect.kl == pytest.approx(float((q.exp() * (q - p)).sum(1).mean()), rel=1e-4)
    assert effect.kl > 0.01
    fluency = p[range(5), ANSWERS[0]].mean() - steered[range(3), ANSWERS[1]].mean()
    assert effect.fluency_cost == pytest.approx(float(fluency), rel=1e-4)
    assert effect.tokens == 5


def test_no_edit_has_no_effect_at_all(tiny_model: LanguageModel) -> None:
    prompt = tiny_model.codec.encode("Once upon")
    effect = drive(measure(tiny_model, prompt, Steering(make_sae("relu"), ()), ANSWERS[0], ANSWERS[0]))
    assert (effect.kl, effect.random_kl, effect.fluency_cost) == (0.0, 0.0, 0.0)


def test_the_random_push_is_as_long_at_every_token_and_repeats_by_seed() -> None:
    steering = Steering(make_sae("layer_norm"), [Edit(3, "clamp", 2.0), Edit(9, "scale", 3.0)])
    x = torch.randn(12, 16) * 2
    one, again, other = (RandomPush(steering, seed).delta(x) for seed in (1, 1, 2))
    torch.testing.assert_close(one.norm(dim=-1), steering.delta(x).norm(dim=-1))
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)
    directions = one / one.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(directions, directions[:1].expand_as(directions))


def test_only_generated_tokens_are_pushed_when_only_they_are_steered(tiny_model: LanguageModel) -> None:
    prompt = tiny_model.codec.encode("Once upon")
    edits = [Edit(3, "clamp", 2.0)]
    late = drive(measure(tiny_model, prompt, Steering(make_sae("relu"), edits, positions="generated"), [40], [40]))
    # The only distribution compared stands before the first generated token.
    assert (late.kl, late.random_kl) == (0.0, 0.0)
    early = drive(measure(tiny_model, prompt, Steering(make_sae("relu"), edits, positions="prompt"), [40], [40]))
    assert early.kl > 0
    assert early.random_kl > 0
