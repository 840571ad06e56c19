"""The commands that run a model, with dictionaries of several hook points on a tiny random Gemma 3."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf
from safetensors.torch import save_file
from torch import Tensor

from semascope import cli
from tests.core.models.families import tokenizer

LAYERS, WIDTH, F, VOCABULARY = 3, 24, 20, 320
TEXT = "Once upon a time there was a lake, and nobody had swum in it."
Run = Callable[..., Any]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must succeed, and give back its JSON document."""

    def call(*argv: object) -> Any:
        status = cli.main([*map(str, argv), "--json"])
        printed = capsys.readouterr()
        assert status == 0, printed.err
        return json.loads(printed.out)

    return call


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Gemma 3."""
    folder = tmp_path_factory.mktemp("model") / "gemma-3-tiny"
    torch.manual_seed(3)
    config = tf.Gemma3TextConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=40, head_dim=12, max_position_embeddings=160, initializer_range=0.3, sliding_window=16,
        bos_token_id=0, eos_token_id=1, pad_token_id=2,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    )  # fmt: skip
    tf.Gemma3ForCausalLM(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def write(folder: Path, kind: str) -> list[dict[str, Tensor]]:
    """A dictionary in Gemma Scope 2's layout."""
    folder.mkdir()
    draw = torch.Generator().manual_seed(9)
    layers = []
    for at in range(LAYERS):
        shapes = {"w_enc": (WIDTH, F), "b_enc": (F,), "threshold": (F,), "b_dec": (WIDTH,), "w_dec": (F, LAYERS, WIDTH)}
        own = {name: torch.randn(shape, generator=draw) / 5 for name, shape in shapes.items()}
        own["w_dec"][:, :at] = 0.0
        save_file(own, folder / f"params_layer_{at}.safetensors")
        layers.append(own)
    site = {
        "clt": (
            "model.layers.{all}.pre_feedforward_layernorm.output",
            "model.layers.{all}.post_feedforward_layernorm.output",
        ),
        "crosscoder": ("model.layers.{0,1,2}.output",) * 2,
    }[kind]
    config = {
        "hf_hook_point_in": site[0],
        "hf_hook_point_out": site[1],
        "type": kind,
        "model_name": "google/gemma-3-1b-pt",
    }
    (folder / "config.json").write_text(json.dumps(config))
    return layers


def activations(model_path: Path, kind: str, layers: list[dict[str, Tensor]], ids: list[int]) -> Tensor:
    """f by plain hooks and the plain formula, (layers, tokens, F)."""
    module = tf.AutoModelForCausalLM.from_pretrained(model_path).eval()
    seen: list[Tensor] = []
    for block in module.model.layers:
        at = block.pre_feedforward_layernorm if kind == "clt" else block
        at.register_forward_hook(lambda _m, _a, out: seen.append((out[0] if isinstance(out, tuple) else out)[0]))
    with torch.no_grad():
        module(torch.tensor([ids]))
    p = [x @ own["w_enc"] + own["b_enc"] for x, own in zip(seen, layers, strict=True)]
    return torch.stack([each.relu() * (each > own["threshold"]) for each, own in zip(p, layers, strict=True)])


@pytest.mark.parametrize("kind", ["clt", "crosscoder"])
def test_activations_are_those_of_the_layers(run: Run, model_path: Path, tmp_path: Path, kind: str) -> None:
    layers = write(tmp_path / kind, kind)
    ids = [0, *tokenizer().encode(TEXT, add_special_tokens=False)]
    expected = activations(model_path, kind, layers, ids)
    features = [3, F + 7, 2 * F, 3 * F - 1]
    found = run(
        "activations",
        "--model",
        model_path,
        "--sae",
        tmp_path / kind,
        "--dtype",
        "fp32",
        "--text",
        TEXT,
        "--feature",
        *features,
    )
    assert len(found["tokens"]) == len(ids)
    for feature, row in zip(features, found["features"], strict=True):
        assert row["id"] == feature
        there = torch.tensor(row["activations"])
        torch.testing.assert_close(there, expected[feature // F, :, feature % F], atol=1e-4, rtol=1e-4)
    everything = run("activations", "--model", model_path, "--sae", tmp_path / kind, "--text", TEXT, "--top", 100)
    assert {row["id"] // F for row in everything["features"]} == {0, 1, 2}


@pytest.mark.parametrize("kind", ["clt", "crosscoder"])
def test_a_harvest_and_a_feature_of_it(
    run: Run, model_path: Path, tmp_path: Path, small_corpus_path: Path, kind: str
) -> None:
    write(tmp_path / kind, kind)
    made = run(
        "harvest", "--model", model_path, "--sae", tmp_path / kind, "--corpus", small_corpus_path,
        "--out", tmp_path / "h", "--tokens", 1500, "--context", 64,
    )  # fmt: skip
    assert made["features"] == 3 * F
    assert 0 < made["alive"] <= 3 * F
    listed = run("features", tmp_path / "h", "--sort", "max", "--limit", 3)
    page = run("feature", tmp_path / "h", listed["features"][0]["id"])
    assert page["examples"]
    assert page["logits"]["positive"]


@pytest.mark.parametrize("kind", ["clt", "crosscoder"])
def test_steering_changes_what_is_said(run: Run, model_path: Path, tmp_path: Path, kind: str) -> None:
    write(tmp_path / kind, kind)
    ask = ("generate", "--model", model_path, "--sae", tmp_path / kind, "--prompt", TEXT, "--max-tokens", 12)
    said = run(*ask, "--clamp", f"{F + 3}=60", f"{2 * F + 1}=-60")
    assert said["text"] != said["baseline_text"]
    same = run(*ask, "--scale", f"{F + 3}=1")
    assert same["text"] == same["baseline_text"] == said["baseline_text"]
