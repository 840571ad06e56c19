"""What edits do to the next-token distributions, beside what an equally hard push in a random direction does.

Three numbers in nats, from four passes of the model over finished answers (no sampling, so they are exact and repeatable).
With p the plain and q the steered model, a the baseline answer, b the steered one, each after the same prompt:

- kl           = mean over t of KL(q(·|prompt, a_<t) ‖ p(·|prompt, a_<t)), t running over the tokens of a;
- random_kl    = the same with q steered by r·‖δ‖: at every token a push as long as the edit's own δ there, along
                 one random unit vector r (isotropic, seeded);
- fluency_cost = mean over t of log p(a_t|prompt, a_<t) − mean over t of log p(b_t|prompt, b_<t).

An answer's tokens include the one that ended it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from semascope.core.progress import Meter, Progress
from semascope.core.steering.answer import Effect
from semascope.core.steering.apply import Steering

if TYPE_CHECKING:
    from semascope.core.models.model import LanguageModel
    from semascope.core.models.text import Tokens


class RandomPush(Steering):
    """The control of a steering: as long at every token, in one random direction.

    Args:
        steering: The steering to imitate.
        seed: Of the direction.
    """

    def __init__(self, steering: Steering, seed: int = 0) -> None:
        super().__init__(steering.sae, steering.edits, positions=steering.positions, skip_special=steering.skip_special)
        direction = torch.randn(self.sae.config.d_out, generator=torch.Generator().manual_seed(seed))
        self._direction = (direction / direction.norm()).to(self.sae.device)

    def turned(self, delta: Tensor) -> Tensor:
        """As long as `delta`, in the one direction."""
        push: Tensor = delta.norm(dim=-1, keepdim=True) * self._direction
        return push


@torch.inference_mode()
def next_token_logprobs(
    model: LanguageModel, prompt: Tokens, answer: Sequence[int], steering: Steering | None = None
) -> Tensor:
    """Log-probabilities of every token of the vocabulary where each token of `answer` stands, (answer, vocabulary)."""
    ids = torch.tensor([[*prompt.ids, *answer]])
    if steering is None:
        logits = model.logits(ids, keep=len(answer) + 1, prompt=len(prompt))
    else:
        special = [*prompt.special, *(token in model.codec.special_ids for token in answer)]
        steering.aim(special, [False] * len(prompt) + [True] * len(answer))
        with steering.attached(model):
            logits = model.logits(ids, keep=len(answer) + 1, prompt=len(prompt))
    return logits[0, :-1].log_softmax(-1)


def kl_divergence(q: Tensor, p: Tensor) -> float:
    """Mean over rows of KL(q ‖ p), both given as log-probabilities (rows, vocabulary)."""
    return float((q.exp() * (q - p)).sum(-1).mean())


def measure(
    model: LanguageModel,
    prompt: Tokens,
    steering: Steering,
    baseline: Sequence[int],
    steered: Sequence[int],
    seed: int = 0,
) -> Generator[Progress, None, Effect]:
    """The effect of `steering`, as this module defines it; one pass of the model between two yields.

    Args:
        model: The model that gave both answers.
        prompt: What they answer.
        steering: The edits under which `steered` was made.
        baseline: Every id of the unsteered answer, the ending one included.
        steered: The same of the steered answer.
        seed: Of the random direction.
    """
    meter = Meter(4, "passes")
    plain = next_token_logprobs(model, prompt, baseline)
    fluent = _mean_logprob(plain, baseline)
    yield meter.at(1)
    kl = kl_divergence(next_token_logprobs(model, prompt, baseline, steering), plain)
    yield meter.at(2)
    random_kl = kl_divergence(next_token_logprobs(model, prompt, baseline, RandomPush(steering, seed)), plain)
    yield meter.at(3)
    halting = _mean_logprob(next_token_logprobs(model, prompt, steered), steered)
    return Effect(kl, random_kl, fluent - halting, len(baseline))


def _mean_logprob(logprobs: Tensor, answer: Sequence[int]) -> float:
    """Mean log-probability of the answer's own tokens."""
    ids = torch.tensor(list(answer), device=logprobs.device)
    return float(logprobs.gather(1, ids[:, None]).mean())
