"""What steering costs: the hook's own time against that of one decode step, in one interleaved run. Goal: at most 2 %.

    python tests/benchmarks/steering_hook.py [--model M] [--sae S] [--steps N] [--json]

Each round runs one decode step plain and one with eight features clamped, in turns, so that whatever else the machine does
hits both; the hook's calls inside the steered step are timed one by one. Reported: the median call over the median plain
step, and the ratio of the medians of whole steps, which also sees what the hook does to caches but is noisier. Without
--sae a random JumpReLU dictionary of 65,536 features is steered, whose full encode would cost more than the step itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch
from torch import Tensor

from semascope import paths
from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.models.open import open_model
from semascope.core.saes import open_sae
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.sae import SAE
from semascope.core.steering.apply import Steering
from semascope.core.steering.edits import Edit

CLAMPED = 8
GOAL = 0.02


class TimedSteering(Steering):
    """A Steering that notes how long each of its calls takes."""

    seconds: list[float]

    def __call__(self, x: Tensor) -> Tensor | None:
        started = time.perf_counter()
        steered = super().__call__(x)
        self.seconds.append(time.perf_counter() - started)
        return steered


def random_sae(model: LanguageModel, features: int) -> SAE:
    """A JumpReLU dictionary of the middle layer."""
    hook = HookPoint("resid_post", model.n_layers // 2)
    d = model.d_model
    config = SAEConfig("random", "jumprelu", "jumprelu", d, d, features, reads=(hook,), writes=(hook,))
    tensors = {
        "W_enc": torch.randn(d, features),
        "b_enc": torch.zeros(features),
        "W_dec": torch.nn.functional.normalize(torch.randn(features, d), dim=1),
        "b_dec": torch.zeros(d),
        "threshold": torch.ones(features),
    }
    return SAE(config, tensors, device=model.device)


def measure(model: LanguageModel, sae: SAE, steps: int) -> dict[str, float]:
    """Times of `steps` plain and as many steered decode steps, seconds, and their ratios."""
    steering = TimedSteering(sae, [Edit(feature, "clamp", 1.0) for feature in range(CLAMPED)])
    steering.seconds = []
    prompt = torch.tensor([model.codec.encode("Tell me about your day. " * 8).ids])
    _, cache = model.step(prompt)
    token = prompt[:, -1:]
    plain, steered = [], []
    for _ in range(steps):
        started = time.perf_counter()
        _, cache = model.step(token, cache)
        middle = time.perf_counter()
        steering.aim([False], [True])
        with steering.attached(model):
            _, cache = model.step(token, cache)
        plain.append(middle - started)
        steered.append(time.perf_counter() - middle)
    step, hook = statistics.median(plain), statistics.median(steering.seconds)
    return {
        "features": sae.config.d_sae,
        "steps": steps,
        "step_ms": 1e3 * step,
        "hook_us": 1e6 * hook,
        "hook_over_step": hook / step,
        "steered_over_plain": statistics.median(steered) / step,
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=paths.demo_model())
    parser.add_argument("--sae")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    model = open_model(args.model)
    sae = open_sae(args.sae, device=str(model.device)) if args.sae else random_sae(model, 65_536)
    measure(model, sae, 5)  # warm up
    found = measure(model, sae, args.steps)
    if args.json:
        print(json.dumps(found))
        return
    print(f"{model.name}, {CLAMPED} of {sae.config.d_sae:,} features clamped, {args.steps} decode steps")
    print(f"decode step {found['step_ms']:.2f} ms, hook {found['hook_us']:.0f} µs")
    verdict = "met" if found["hook_over_step"] <= GOAL else "missed"
    print(f"hook over step {found['hook_over_step']:.2%} (goal at most {GOAL:.0%}: {verdict})")
    print(f"steered step over plain step {found['steered_over_plain']:.3f}")


if __name__ == "__main__":
    main()
