"""Generation: the same tokens as transformers' own, the same text with and without a cache, whole characters only."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch

from semascope.core.errors import UserError
from semascope.core.models.model import LanguageModel
from semascope.core.models.open import open_model
from semascope.core.prompt import prompt_tokens
from semascope.core.steering.answer import Generation, Token
from semascope.core.steering.apply import Steering
from semascope.core.steering.edits import Edit
from semascope.core.steering.generate import Stream, choose, generate
from tests.core.steering.conftest import make_sae

IDLE = (Edit(1, "scale", 1.0), Edit(2, "add", 0.0))


def run(job: Generator[Token, None, Generation]) -> tuple[list[Token], Generation]:
    tokens = []
    while True:
        try:
            tokens.append(next(job))
        except StopIteration as end:
            return tokens, end.value


@pytest.fixture(scope="module", params=["bf16", "fp32"])
def demo_model(request: pytest.FixtureRequest, demo_model_path: Path) -> LanguageModel:
    return open_model(demo_model_path, device="cpu", dtype=request.param)


@pytest.mark.parametrize("message", ["Tell me about your day.", "Schreibe ein Gedicht über 花 mit Emoji."])
def test_greedy_answers_are_those_of_transformers(demo_model: LanguageModel, message: str) -> None:
    tokens = prompt_tokens(demo_model, None, messages=[("user", message)])
    ids = torch.tensor([tokens.ids])
    theirs = demo_model.module.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=32)[
        0, len(tokens) :
    ].tolist()
    yielded, ours = run(generate(demo_model, tokens, max_tokens=32))
    assert list(ours.ids) == theirs
    assert ours.text == demo_model.codec.tokenizer.decode(theirs, skip_special_tokens=True)
    assert tuple(yielded) == ours.tokens
    assert "".join(token.string for token in yielded) == ours.text


def test_log_probabilities_are_those_of_one_uncached_pass(demo_model: LanguageModel) -> None:
    tokens = prompt_tokens(demo_model, None, "The capital of France is")
    _, ours = run(generate(demo_model, tokens, max_tokens=12))
    logits = demo_model.logits(torch.tensor([[*tokens.ids, *ours.ids]]))[0, len(tokens) - 1 : -1]
    expected = logits.log_softmax(-1).gather(1, torch.tensor(ours.ids)[:, None])[:, 0]
    tolerance = 1e-3 if demo_model.dtype == torch.float32 else 0.15
    found = torch.tensor([token.logprob for token in ours.tokens])
    torch.testing.assert_close(found, expected[: len(found)], atol=tolerance, rtol=0)


def test_edits_that_are_off_leave_the_logits_bit_identical(tiny_model: LanguageModel) -> None:
    tokens = tiny_model.codec.encode("Once upon a time")
    ids = torch.tensor([tokens.ids])
    plain, _ = tiny_model.step(ids)
    steering = Steering(make_sae("topk"), IDLE)
    with steering.attached(tiny_model):
        block = tiny_model.module.model.layers[3]
        assert not block._forward_hooks
        same, _ = tiny_model.step(ids)
    assert torch.equal(plain, same)
    assert (
        run(generate(tiny_model, tokens))[1] == run(generate(tiny_model, tokens, sae=make_sae("topk"), edits=IDLE))[1]
    )


def test_no_hook_outlives_a_generation(tiny_model: LanguageModel) -> None:
    tokens = tiny_model.codec.encode("Once")
    job = generate(tiny_model, tokens, sae=make_sae("relu"), edits=[Edit(1, "clamp", 5.0)])
    next(job)
    job.close()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in tiny_model.module.modules())


def test_two_streams_on_one_model_do_not_disturb_each_other(tiny_model: LanguageModel) -> None:
    """Interleaved as the window does it, each says what it says alone."""
    tokens = tiny_model.codec.encode("Once upon a time")
    edits = [Edit(3, "clamp", 6.0)]
    sae = make_sae("jumprelu")
    alone = [run(generate(tiny_model, tokens, max_tokens=20, sae=sae, edits=e))[1] for e in ((), edits)]
    streams = [
        Stream(tiny_model, tokens, max_tokens=20),
        Stream(tiny_model, tokens, Steering(sae, edits), max_tokens=20),
    ]
    for stream in streams:
        list(stream.prefill())
    for _ in range(21):
        for stream in streams:
            stream.step()
    assert [stream.generation() for stream in streams] == alone
    assert alone[0].ids != alone[1].ids


@pytest.mark.parametrize("settings", [{"temperature": 1.5}, {"temperature": 0.8, "top_p": 0.9}])
def test_a_seed_repeats_itself_and_another_differs(tiny_model: LanguageModel, settings: dict[str, Any]) -> None:
    tokens = tiny_model.codec.encode("Once upon a time")
    first, again, other = (run(generate(tiny_model, tokens, seed=seed, **settings))[1] for seed in (7, 7, 8))
    assert first == again
    assert first.ids != other.ids


def test_the_same_seed_parts_baseline_and_steered_only_where_the_edit_does(tiny_model: LanguageModel) -> None:
    """An edit of next to nothing draws the same tokens, since both streams draw the same numbers."""
    tokens = tiny_model.codec.encode("Once upon a time")
    settings: dict[str, Any] = {"temperature": 1.0, "seed": 3, "max_tokens": 40}
    plain = run(generate(tiny_model, tokens, **settings))[1]
    nudged = run(generate(tiny_model, tokens, sae=make_sae("relu"), edits=[Edit(1, "add", 1e-6)], **settings))[1]
    assert nudged.ids == plain.ids


def test_top_p_samples_from_the_smallest_set_that_holds_p() -> None:
    logits = torch.tensor([0.5, 0.2, 0.2, 0.1]).log()
    random = torch.Generator().manual_seed(0)
    assert {choose(logits, 1.0, 0.5, random) for _ in range(200)} == {0}
    assert {choose(logits, 1.0, 0.6, random) for _ in range(400)} in ({0, 1}, {0, 2})
    drawn = [choose(logits, 1.0, 1.0, random) for _ in range(4000)]
    assert [drawn.count(i) / 4000 for i in range(4)] == pytest.approx([0.5, 0.2, 0.2, 0.1], abs=0.03)


def test_temperature_sharpens() -> None:
    logits = torch.tensor([0.6, 0.4]).log()
    random = torch.Generator().manual_seed(0)
    drawn = [choose(logits, 0.25, 1.0, random) for _ in range(4000)]
    assert drawn.count(0) / 4000 == pytest.approx(0.6**4 / (0.6**4 + 0.4**4), abs=0.03)


def test_half_characters_are_never_shown(tiny_model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """One token a byte: "ü🙂" takes six, of which only those that complete a character show anything."""
    script = list(tiny_model.codec.encode("aü🙂").ids)
    said = iter(script)
    monkeypatch.setattr("semascope.core.steering.generate.choose", lambda *_: next(said))
    tokens, whole = run(generate(tiny_model, tiny_model.codec.encode("x"), max_tokens=len(script)))
    assert [token.string for token in tokens] == ["a", "", "ü", "", "", "", "🙂"]
    assert whole.text == "aü🙂"
    said = iter(script)
    assert run(generate(tiny_model, tiny_model.codec.encode("x"), max_tokens=5))[1].text == "aü"


def test_an_answer_ends_at_the_models_end_token(tiny_model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter([*tiny_model.codec.encode("ok").ids, 1, 5])
    monkeypatch.setattr("semascope.core.steering.generate.choose", lambda *_: next(said))
    answer = run(generate(tiny_model, tiny_model.codec.encode("x")))[1]
    assert (answer.text, answer.finish, answer.ids[-1], len(answer.tokens)) == ("ok", "stop", 1, 2)


def test_an_answer_ends_where_the_context_does(tiny_model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semascope.core.steering.generate.choose", lambda *_: 70)
    answer = run(generate(tiny_model, tiny_model.codec.encode("x" * 120), max_tokens=50))[1]
    assert (answer.finish, len(answer.tokens)) == ("context", tiny_model.context - 120)
    with pytest.raises(UserError, match="context holds 128"):
        run(generate(tiny_model, tiny_model.codec.encode("x" * 128)))


@pytest.mark.parametrize("settings", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.1}, {"max_tokens": 0}])
def test_settings_that_make_no_sense_are_refused(tiny_model: LanguageModel, settings: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        run(generate(tiny_model, tiny_model.codec.encode("x"), **settings))
