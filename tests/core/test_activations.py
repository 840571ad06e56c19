"""A prompt's activations against plain transformers and numpy, and the questions one may ask of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from semascope.core.activations import PromptActivations, activations_of
from semascope.core.errors import UserError
from semascope.core.models.model import LanguageModel
from semascope.core.models.open import open_model
from semascope.core.prompt import prompt_tokens
from semascope.core.saes import open_sae
from semascope.core.saes.sae import SAE

TEXT = "The Golden Gate Bridge is in San Francisco.\n\nDie Brücke ist rot – 美しい橋です。"


@pytest.fixture(scope="module")
def model(demo_model_path: Path) -> LanguageModel:
    return open_model(demo_model_path, device="cpu", dtype="fp32")


@pytest.fixture(scope="module")
def sae(small_sae_path: Path) -> SAE:
    return open_sae(small_sae_path, device="cpu")


@pytest.fixture(scope="module")
def found(model: LanguageModel, sae: SAE) -> PromptActivations:
    return activations_of(model, sae, prompt_tokens(model, sae, TEXT))


@pytest.fixture(scope="module")
def naive(demo_model_path: Path, small_sae_path: Path) -> np.ndarray:
    """(tokens, features) by plain transformers and numpy: f = p where p = (x − b_dec) W_enc + b_enc exceeds θ."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(demo_model_path)
    plain = AutoModelForCausalLM.from_pretrained(demo_model_path, dtype=torch.float32)
    with torch.no_grad():
        states = plain(**tokenizer(TEXT, return_tensors="pt"), output_hidden_states=True).hidden_states
    x = states[16][0].numpy()  # what leaves layer 15
    weights = load_file(small_sae_path / "sae_weights.safetensors")
    p = (x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
    return np.where(p > np.maximum(weights["threshold"], 0), p, 0)


def test_every_activation_is_that_of_the_naive_computation(found: PromptActivations, naive: np.ndarray) -> None:
    ours = np.stack([found.of(feature) for feature in range(naive.shape[1])], axis=1)
    differing = (ours > 0) != (naive > 0)
    assert differing.mean() < 1e-4  # a value that lies on its threshold may fall to either side
    np.testing.assert_allclose(ours[~differing], naive[~differing], rtol=2e-3, atol=2e-2)
    assert (ours > 0).sum() > 50


def test_asking_for_some_features_gives_the_same_numbers(
    model: LanguageModel, sae: SAE, found: PromptActivations
) -> None:
    some = activations_of(model, sae, prompt_tokens(model, sae, TEXT), [300, 4, 4, 17])
    assert some.ids == (4, 17, 300)
    for feature in some.ids:
        np.testing.assert_allclose(some.of(feature), found.of(feature), rtol=1e-4, atol=1e-3)
    assert not some.of(5).any()


def test_tokens_are_the_text_and_the_first_is_a_sink(found: PromptActivations) -> None:
    assert "".join(found.strings) == TEXT
    assert not found.special.any()
    assert found.sink[0]  # SmolLM2 puts a norm over a hundred times the median there
    assert found.sink.sum() < len(TEXT) / 4
    assert (found.counted == ~found.sink).all()


def test_rankings_leave_out_what_does_not_count(found: PromptActivations) -> None:
    top = found.top(5)
    assert [value for _, value, _ in top] == sorted((value for _, value, _ in top), reverse=True)
    for feature, value, position in top:
        row = found.of(feature)
        assert row[position] == value == row[found.counted].max()
        assert found.peak(feature) == (value, position)
    best = max(float(found.of(feature)[found.counted].max()) for feature in range(512))
    assert top[0][1] == best
    assert found.of(top[0][0])[0] > 0 or found.top_at(0, 1)  # the sink does fire; it only does not lead
    assert len(found.top(10_000)) == len({f for f, _, _ in found.top(10_000)}) <= 512


def test_the_strongest_at_a_token_are_those_of_its_row(found: PromptActivations, naive: np.ndarray) -> None:
    token = found.strings.index(" Bridge")
    row = np.array([found.of(feature)[token] for feature in range(512)])
    expected = [int(i) for i in np.argsort(-row, kind="stable")[:4] if row[i] > 0]
    assert [feature for feature, _ in found.top_at(token, 4)] == expected
    assert naive[token, expected[0]] == pytest.approx(found.top_at(token, 1)[0][1], rel=1e-3)


def test_the_record_is_what_scripts_rely_on(found: PromptActivations) -> None:
    record = found.report(None, 3)
    assert set(record) == {"tokens", "special", "sink", "features"}
    assert len(record["features"]) == 3
    for row in record["features"]:
        assert len(row["activations"]) == len(record["tokens"]) == len(record["special"])
        assert row["activations"][row["position"]] == row["max"]
    silent = next(i for i in range(512) if not found.of(i)[found.counted].any())
    chosen = found.report([silent, 2], 1)["features"]
    assert [row["id"] for row in chosen] == [silent, 2]
    assert (chosen[0]["max"], chosen[0]["position"]) == (0.0, None)


def test_a_known_median_decides_what_is_a_sink(model: LanguageModel, sae: SAE) -> None:
    tokens = prompt_tokens(model, sae, "One two three")
    assert activations_of(model, sae, tokens, median=1.0).sink.all()
    assert not activations_of(model, sae, tokens, median=1e9).sink.any()


def test_a_prompt_of_one_token_or_of_specials_only_is_no_trouble(model: LanguageModel, sae: SAE) -> None:
    one = activations_of(model, sae, prompt_tokens(model, sae, "a"))
    assert len(one.strings) == 1
    special = activations_of(model, sae, model.codec.encode("<|im_start|><|im_end|>"))
    assert special.special.all()
    assert special.top(5) == []


def test_a_chat_shows_what_the_model_sees(model: LanguageModel, sae: SAE) -> None:
    tokens = prompt_tokens(model, sae, messages=[("user", "Hi")])
    assert "".join(tokens.strings).endswith("<|im_start|>assistant\n")
    assert tokens.special[0]
    answered = prompt_tokens(model, sae, messages=[("user", "Hi"), ("assistant", "Hello")])
    assert "".join(answered.strings).rstrip().endswith("Hello<|im_end|>")


@pytest.mark.parametrize(
    ("text", "ids", "words"),
    [("", None, "prompt is empty"), ("word " * 9000, None, "can read 8,192"), ("a", [512], "no feature 512")],
)
def test_what_cannot_be_run_is_refused(
    model: LanguageModel, sae: SAE, text: str, ids: list[int] | None, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        activations_of(model, sae, prompt_tokens(model, sae, text), ids)
