"""Logit effects and neighbours on made-up matrices: every kind of norm, both conventions, chunks, rows without direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from semascope.core.features import logits, neighbours
from semascope.core.models.model import Unembedding

V, D, M = 500, 24, 40


@pytest.fixture
def weight() -> torch.Tensor:
    return torch.randn(V, D, generator=torch.Generator().manual_seed(1)) + 0.3


@pytest.fixture
def decoder() -> torch.Tensor:
    return torch.randn(M, D, generator=torch.Generator().manual_seed(2)) + 0.2


@pytest.mark.parametrize("chunk", [7, 100, 32768])
@pytest.mark.parametrize("convention", ["gain", "neuronpedia"])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("with_gain", [True, False])
def test_effects(
    weight: torch.Tensor,
    decoder: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
    chunk: int,
    convention: logits.Convention,
    centred: bool,
    with_gain: bool,
) -> None:
    monkeypatch.setattr(logits, "_CHUNK", chunk)
    gain = torch.rand(D, generator=torch.Generator().manual_seed(3)) + 0.5 if with_gain else None
    lens = logits.LogitLens(Unembedding(weight, gain, centred), convention)

    d = decoder.double().numpy()
    if convention == "gain":
        d = d - d.mean(axis=1, keepdims=True) if centred else d
        d = d * gain.double().numpy() if gain is not None else d
    expected = d @ weight.double().numpy().T
    expected -= expected.mean(axis=1, keepdims=True)

    np.testing.assert_allclose(lens.effects(decoder).numpy(), expected, atol=1e-4)
    found = lens.strongest(decoder, top=6)
    order = np.argsort(expected, axis=1)
    np.testing.assert_array_equal(found.positive, order[:, ::-1][:, :6])
    np.testing.assert_array_equal(found.negative, order[:, :6])
    np.testing.assert_allclose(found.positive_effect, np.sort(expected)[:, ::-1][:, :6], atol=1e-4)
    np.testing.assert_allclose(found.negative_effect, np.sort(expected)[:, :6], atol=1e-4)


def test_conventions_differ_by_the_gain(weight: torch.Tensor, decoder: torch.Tensor) -> None:
    unembedding = Unembedding(weight, torch.linspace(0, 3, D), centred=False)
    ours = logits.LogitLens(unembedding).effects(decoder)
    theirs = logits.LogitLens(unembedding, "neuronpedia").effects(decoder)
    assert not torch.allclose(ours, theirs, atol=0.1)


def test_bfloat16_weights_are_read_as_they_are(weight: torch.Tensor, decoder: torch.Tensor) -> None:
    narrow = weight.bfloat16()
    one = logits.LogitLens(Unembedding(narrow, None, centred=False)).effects(decoder)
    other = logits.LogitLens(Unembedding(narrow.float(), None, centred=False)).effects(decoder)
    assert torch.equal(one, other)


def test_nearest(decoder: torch.Tensor) -> None:
    inverse = neighbours.inverse_norms(decoder)
    unit = torch.nn.functional.normalize(decoder.double(), dim=1).numpy()
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    found = [neighbours.nearest(decoder, inverse, at, min(at + 13, M), top=5) for at in range(0, M, 13)]
    np.testing.assert_array_equal(np.concatenate([f.ids for f in found]), np.argsort(-cosine, axis=1)[:, :5])
    np.testing.assert_allclose(
        np.concatenate([f.cosines for f in found]), np.sort(-cosine, axis=1)[:, :5] * -1, atol=1e-6
    )


def test_rows_that_are_no_direction(decoder: torch.Tensor) -> None:
    decoder[3] = 0
    decoder[4] = float("nan")
    decoder[5] = float("inf")
    decoder[7] = decoder[6]
    found = neighbours.nearest(decoder, neighbours.inverse_norms(decoder), 0, M, top=8)
    assert (found.ids[3:6] == -1).all()
    assert not np.isin(found.ids, [3, 4, 5]).any()
    assert found.ids[6, 0] == 7
    assert found.ids[7, 0] == 6
    assert np.isfinite(found.cosines).all()


def test_fewer_features_than_neighbours() -> None:
    found = neighbours.nearest(torch.eye(3), torch.ones(3), 0, 3, top=5)
    assert found.ids.shape == (3, 5)
    assert (found.ids[:, 2:] == -1).all()
    assert found.ids[0, :2].tolist() == [1, 2]
