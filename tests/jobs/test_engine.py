"""The engine through its requests only, as the lane uses it, on the real demo model."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from semascope.core.errors import UserError
from semascope.core.harvest.store import Harvest
from semascope.core.progress import Progress
from semascope.core.steering.edits import Edit
from semascope.jobs.engine import Engine
from semascope.jobs.requests import (
    Answers,
    Close,
    Describe,
    Generate,
    Generated,
    MeasureEffect,
    OpenModel,
    OpenSAE,
    PromptFeatures,
    Request,
    RunHarvest,
)

PROMPT = "Tell me about your day."


def run(engine: Engine, request: Request) -> tuple[list[Any], Any]:
    """Every step of a long job, and its result."""
    job: Generator[Any, None, Any] = engine.start(request)
    steps = []
    while True:
        try:
            steps.append(next(job))
        except StopIteration as end:
            return steps, end.value


@pytest.fixture(scope="module")
def engine(demo_model_path: Path, small_sae_path: Path) -> Iterator[Engine]:
    engine = Engine()
    engine.handle(OpenModel(demo_model_path, device="cpu", dtype="fp32"))
    engine.handle(OpenSAE(small_sae_path))
    yield engine
    engine.handle(Close())


def test_it_says_what_is_open(engine: Engine, demo_model_path: Path, small_sae_path: Path) -> None:
    info = engine.handle(Describe())
    assert (info.device, info.model.name, info.model.layers) == ("cpu", demo_model_path.name, 30)
    assert (info.model.dtype, info.model.chat, info.model.d_model) == ("fp32", True, 576)
    assert (info.sae.path, info.sae.hook_point, info.sae.d_sae) == (small_sae_path, "resid_post.15", 512)
    assert 0 < info.free_memory < 1 << 50


def test_nothing_open_is_said_in_words() -> None:
    engine = Engine()
    assert engine.handle(Describe()).model is None
    with pytest.raises(UserError, match="No model is open"):
        engine.handle(PromptFeatures(text="Hello"))
    with pytest.raises(UserError, match="No model is open"):
        run(engine, Generate("Hello"))


def test_a_prompt_is_read_as_text_and_as_chat(engine: Engine) -> None:
    text = engine.handle(PromptFeatures(text=PROMPT))
    assert "".join(text.strings) == PROMPT
    chat = engine.handle(PromptFeatures(messages=(("user", PROMPT),), ids=(3, 9)))
    assert chat.ids == (3, 9)
    assert chat.special.any()


def test_an_answer_grows_on_both_sides_in_small_steps(engine: Engine) -> None:
    request = Generate(PROMPT, edits=(Edit(3, "add", 60.0),), max_tokens=12, temperature=0.0)
    steps, answers = run(engine, request)
    grown = [step for step in steps if isinstance(step, Generated)]
    assert all(isinstance(step.progress, Progress) for step in grown)
    for before, after in itertools.pairwise(grown):
        assert after.baseline.startswith(before.baseline)
        assert after.steered.startswith(before.steered)
        added = len(after.baseline_tokens + after.steered_tokens) - len(before.baseline_tokens + before.steered_tokens)
        assert added <= 1  # never a step of two tokens
    half = grown[len(grown) // 2]
    assert abs(len(half.baseline_tokens) - len(half.steered_tokens)) <= 1  # side by side, not one after the other
    assert isinstance(answers, Answers)
    assert (answers.baseline.text, answers.steered.text) == (grown[-1].baseline, grown[-1].steered)
    assert answers.baseline.text != answers.steered.text
    assert answers.steered_activations.shape == (len(answers.steered.tokens), 1)
    assert answers.steered_activations.dtype == np.float32


def test_steps_are_short(engine: Engine) -> None:
    """Between two steps the lane serves others: on this machine a decode step is a small part of a quarter second."""
    job = engine.start(Generate(PROMPT, max_tokens=8))
    times = []
    for _ in range(12):
        started = time.perf_counter()
        next(job)
        times.append(time.perf_counter() - started)
    job.close()
    assert sorted(times)[len(times) // 2] < 0.25


def test_without_edits_both_answers_are_the_same(engine: Engine) -> None:
    _, answers = run(engine, Generate(PROMPT, max_tokens=8, temperature=0.9, seed=11))
    assert answers.baseline == answers.steered
    assert answers.baseline_activations.shape == (len(answers.baseline.tokens), 0)


def test_the_effect_of_an_answer_is_measured_beside_a_random_push(engine: Engine) -> None:
    request = Generate(PROMPT, edits=(Edit(3, "clamp", 150.0),), max_tokens=8, temperature=0.0)
    _, answers = run(engine, request)
    steps, effect = run(engine, MeasureEffect(request, answers.baseline.ids, answers.steered.ids))
    assert len(steps) == 3
    assert effect.kl > 0
    assert effect.random_kl > 0
    assert effect.tokens == len(answers.baseline.ids)


def test_a_cancelled_answer_leaves_no_hook(engine: Engine) -> None:
    job = engine.start(Generate(PROMPT, edits=(Edit(3, "clamp", 150.0),), max_tokens=30))
    for _ in range(6):
        next(job)
    job.close()
    assert engine._model is not None
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in engine._model.module.modules())


def test_a_harvest_runs_and_the_prompt_agrees_with_it(engine: Engine, tmp_path: Path) -> None:
    corpus = tmp_path / "notes.txt"
    corpus.write_text("The bridge crosses the bay. " * 20)
    out = tmp_path / "harvest"
    steps, summary = run(engine, RunHarvest((corpus,), out, context=64))
    assert all(isinstance(step, Progress) for step in steps)
    harvest = Harvest.open(out)
    assert (harvest.tokens, harvest.features) == (summary.tokens, 512)
    harvest.close()


def test_out_of_memory_halves_the_batch_and_says_so(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def scarce(*_: Any, batch_tokens: int | None, **__: Any) -> Generator[Progress, None, str]:
        asked.append(batch_tokens)
        yield Progress(0)
        if (batch_tokens or 8192) > 2048:
            raise torch.OutOfMemoryError
        return "harvested"

    monkeypatch.setattr("semascope.core.harvest.run.harvest", scarce)
    steps, result = run(engine, RunHarvest((tmp_path,), tmp_path / "harvest"))
    assert (asked, result) == ([None, 4096, 2048], "harvested")
    assert [step.note for step in steps if step.note] == [
        "out of memory: once more with 4,096 tokens at a time",
        "out of memory: once more with 2,048 tokens at a time",
    ]
    with pytest.raises(torch.OutOfMemoryError):
        run(engine, RunHarvest((tmp_path,), tmp_path / "harvest", context=4096))


def test_a_cancelled_harvest_leaves_nothing_under_its_name(engine: Engine, tmp_path: Path) -> None:
    corpus = tmp_path / "notes.txt"
    corpus.write_text("The bridge crosses the bay. " * 2000)
    job = engine.start(RunHarvest((corpus,), tmp_path / "harvest"))
    next(job)
    next(job)
    job.close()
    assert not (tmp_path / "harvest").exists()


@pytest.mark.parametrize(
    ("fixture", "words"),
    [
        ("gemma_scope_2b_pt_res/layer_3/width_16k/average_l0_30", "width"),
        ("nothing", "no file or folder|nothing at|does not exist"),
    ],
)
def test_an_sae_that_does_not_fit_is_refused_and_the_old_one_stays(engine: Engine, fixture: str, words: str) -> None:
    other = Path(__file__).parents[1] / "golden" / "releases" / fixture
    before = engine.handle(Describe()).sae
    with pytest.raises(UserError, match=words):
        engine.handle(OpenSAE(other))
    assert engine.handle(Describe()).sae == before


def test_a_model_that_cannot_be_opened_leaves_the_old_one(engine: Engine, tmp_path: Path) -> None:
    before = engine.handle(Describe())
    with pytest.raises(UserError, match="is not a model"):
        engine.handle(OpenModel(tmp_path))
    assert engine.handle(Describe()).model == before.model


def test_opening_a_model_again_keeps_the_sae_that_fits(engine: Engine, demo_model_path: Path) -> None:
    before = engine.handle(Describe()).sae
    engine.handle(OpenModel(demo_model_path, device="cpu", dtype="fp32"))
    assert engine.handle(Describe()).sae == before


def test_closing_gives_up_what_is_asked(small_sae_path: Path) -> None:
    engine = Engine()
    engine.handle(OpenSAE(small_sae_path))  # an SAE may be open before its model
    assert engine.handle(Describe()).sae is not None
    info = engine.handle(Close(model=True, sae=False))
    assert info.sae is not None
    assert engine.handle(Close()).sae is None
