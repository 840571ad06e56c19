"""A harvest against the same numbers computed plainly: densities, maxima, examples, windows, logit effects, neighbours."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from semascope.core.harvest.run import harvest as run_harvest
from semascope.core.harvest.store import Harvest
from semascope.core.models.model import LanguageModel
from semascope.core.progress import drive
from semascope.core.saes.sae import SAE
from tests.core.harvest.conftest import Run
from tests.core.harvest.plain import Plain, plain_harvest

CLOSE = 2e-3  # of an activation of about a hundred: float32, in batches of other shapes


@pytest.fixture(scope="module")
def plain(demo_model_path: Path, small_sae_path: Path, small_corpus_path: Path) -> Plain:
    return plain_harvest(demo_model_path, small_sae_path, small_corpus_path)


@pytest.fixture(scope="module")
def harvest(
    models: dict[str, LanguageModel], sae: SAE, small_corpus_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Harvest:
    folder = tmp_path_factory.mktemp("independent") / "h"
    drive(run_harvest(models["fp32"], sae, [small_corpus_path], folder))
    return Harvest.open(folder)


def counted(plain: Plain) -> np.ndarray:
    """Activations of every token that counts, shape (tokens, m)."""
    return np.concatenate([f[keep] for f, keep in zip(plain.activations, plain.counted, strict=True)])


def peaks(plain: Plain, feature: int) -> list[tuple[float, int, int]]:
    """(activation, context, position) of a feature's highest token in every context where it fires, highest first."""
    found = []
    for context, (f, keep) in enumerate(zip(plain.activations, plain.counted, strict=True)):
        values = np.where(keep, f[:, feature], 0)
        if values.max() > 0:
            found.append((float(values.max()), context, int(values.argmax())))
    return sorted(found, key=lambda peak: (-peak[0], peak[1]))


def test_statistics(harvest: Harvest, plain: Plain) -> None:
    f = counted(plain)
    assert harvest.tokens == len(f)
    np.testing.assert_array_equal(harvest.count, (f > 0).sum(axis=0))
    np.testing.assert_allclose(harvest.density, (f > 0).mean(axis=0))
    np.testing.assert_allclose(harvest.maximum, f.max(axis=0), atol=CLOSE)
    np.testing.assert_allclose(harvest.mean, f.sum(axis=0) / np.maximum((f > 0).sum(axis=0), 1), atol=CLOSE)
    assert harvest.alive == (f > 0).any(axis=0).sum()


def test_sinks_are_left_out_and_counted(harvest: Harvest, plain: Plain) -> None:
    left_out = sum(int((~keep).sum()) for keep in plain.counted)
    assert left_out > 0
    assert harvest.info["counts"]["excluded"] == {"special": 0, "sinks": left_out}
    assert harvest.info["counts"]["contexts"] == len(plain.ids)


def test_histograms(harvest: Harvest, plain: Plain) -> None:
    f = counted(plain)
    edges = harvest.histogram_edges
    np.testing.assert_allclose(edges[1:] / edges[:-1], edges[1] / edges[0], rtol=1e-5)
    for feature in range(0, harvest.features, 37):
        values = f[:, feature][f[:, feature] > 0]
        near_an_edge = (np.abs(values[:, None] - edges) < CLOSE).any(axis=1).sum()
        expected = [(values < edges[0]).sum(), *np.histogram(values, edges)[0], (values >= edges[-1]).sum()]
        assert np.abs(harvest.histogram(feature) - expected).sum() <= 2 * near_an_edge
        assert harvest.histogram(feature).sum() == harvest.count[feature]


def test_max_activating_examples(harvest: Harvest, plain: Plain) -> None:
    for feature in range(0, harvest.features, 11):
        examples = [example for example in harvest.examples(feature) if example.interval is None]
        expected = peaks(plain, feature)[:20]
        assert [example.document for example in examples] == [
            f"small.jsonl:{plain.document[context] + 1}" for _, context, _ in expected
        ]
        for example, (activation, context, position) in zip(examples, expected, strict=True):
            assert example.activation == pytest.approx(activation, abs=CLOSE)
            offset = example.start - plain.start[context]
            assert example.position + offset == position
            values = plain.activations[context][offset : offset + len(example.tokens), feature]
            keep = plain.counted[context][offset : offset + len(example.tokens)]
            np.testing.assert_allclose(example.activations, np.where(keep, values, 0), rtol=1e-3, atol=CLOSE)
            np.testing.assert_array_equal(example.special, ~keep)
            assert len(example.tokens) == min(64, len(plain.ids[context]))


def test_tokens_of_an_example_are_the_text(harvest: Harvest, small_corpus_path: Path) -> None:
    texts = [json.loads(line)["text"] for line in small_corpus_path.read_text().splitlines()]
    whole = 0
    for feature in range(0, harvest.features, 23):
        for example in harvest.examples(feature):
            text = texts[int(example.document.split(":")[1]) - 1]
            assert "".join(example.tokens).strip("\ufffd") in text
            whole += "".join(example.tokens) == text
    assert whole > 20


def test_interval_examples_lie_in_their_interval(harvest: Harvest, plain: Plain) -> None:
    for feature in range(0, harvest.features, 11):
        everything = peaks(plain, feature)
        bounds = harvest.maximum[feature] * np.arange(6) / 5
        for low, high in itertools.pairwise(bounds):
            some = [e for e in harvest.examples(feature) if e.interval and e.interval[0] == pytest.approx(low)]
            there = [value for value, _, _ in everything if low < value <= high * (1 + 1e-6)]
            assert all(low < example.activation <= high * (1 + 1e-6) for example in some)
            assert len({(e.document, e.start + e.position) for e in some}) == len(some)
            assert (len(some) > 0) == (len(there) > 0)
            assert len(some) <= 5


def test_top_tokens_are_where_it_fires(harvest: Harvest) -> None:
    for feature in range(0, harvest.features, 11):
        weight: dict[str, float] = {}
        for example in harvest.examples(feature):
            for token, value in zip(example.tokens, example.activations, strict=True):
                weight[token] = weight.get(token, 0.0) + float(value)
        first = harvest.top_tokens(feature)[0]
        if not first.startswith("<"):  # a part of a character has no string of its own
            assert weight[first] == pytest.approx(max(weight.values()), rel=1e-3)


def test_logit_effects(harvest: Harvest, plain: Plain) -> None:
    model = plain.model
    gain = model.model.norm.weight.detach().numpy()  # type: ignore[attr-defined]
    unembedding = model.lm_head.weight.detach().numpy()  # type: ignore[attr-defined]
    effects = (plain.decoder * gain) @ unembedding.T
    effects -= effects.mean(axis=1, keepdims=True)
    for feature in range(0, harvest.features, 17):
        logits = harvest.logits(feature)
        order = np.argsort(effects[feature])
        assert [token for token, _ in logits.positive] == harvest.strings.pieces(order[::-1][:10])
        assert [token for token, _ in logits.negative] == harvest.strings.pieces(order[:10])
        np.testing.assert_allclose([v for _, v in logits.positive], effects[feature][order[::-1][:10]], atol=1e-4)
        np.testing.assert_allclose([v for _, v in logits.negative], effects[feature][order[:10]], atol=1e-4)


def test_neighbours(harvest: Harvest, plain: Plain) -> None:
    unit = plain.decoder / np.linalg.norm(plain.decoder, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    np.testing.assert_allclose(harvest.decoder_norm, np.linalg.norm(plain.decoder, axis=1), rtol=1e-5)
    for feature in range(0, harvest.features, 17):
        near = harvest.neighbours(feature)
        assert [i for i, _ in near] == list(np.argsort(-cosine[feature])[:16])
        np.testing.assert_allclose([v for _, v in near], np.sort(cosine[feature])[::-1][:16], atol=1e-5)


def test_bfloat16_agrees_with_float32(harvest: Harvest, run: Run, tmp_path: Path) -> None:
    run(tmp_path / "h", dtype="bf16")
    other = Harvest.open(tmp_path / "h")
    assert np.median(np.abs(other.maximum - harvest.maximum) / harvest.maximum) < 0.02
    assert np.abs(other.count - harvest.count).mean() < 0.1 * harvest.count.mean()
