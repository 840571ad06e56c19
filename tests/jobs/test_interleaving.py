"""A generation with edits is under way, and a prompt is read between its steps: neither may touch the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semascope.core.steering.edits import Edit
from semascope.jobs.engine import Engine
from semascope.jobs.requests import Generate, OpenModel, OpenSAE, PromptFeatures

TEXT = "The Seine flows through Paris, the capital of France."


def test_reading_a_prompt_in_the_middle_of_a_generation(demo_model_path: Path, small_sae_path: Path) -> None:
    engine = Engine()
    engine.handle(OpenModel(demo_model_path, device="cpu", dtype="fp32"))
    engine.handle(OpenSAE(small_sae_path))
    read, ask = PromptFeatures(TEXT), Generate(
        "Tell me about rivers.", (Edit(3, "clamp", 60.0),), max_tokens=3, temperature=0.0
    )  # fmt: skip
    alone = engine.handle(read)
    answers = list(engine.start(ask))[-2]
    between = []
    interrupted = []
    for step in engine.start(ask):
        interrupted.append(step)
        between.append(engine.handle(read))
    assert all(np.array_equal(other.values, alone.values) for other in between), "the edits leaked into the prompt"
    assert interrupted[-2] == answers, "reading a prompt changed the answer"
