"""Activation functions against their definitions, one number at a time."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import torch
from hypothesis import given, settings

from semascope.core.saes import activations
from semascope.core.saes.activations import Activation, make_activation
from tests.core.saes import make

values = st.floats(-4, 4, width=32)
rows = st.lists(values, min_size=8, max_size=8)


def run(activation: Activation, p: list[float]) -> list[float]:
    tensor = torch.tensor([p, p])
    activation.apply_(tensor)
    assert torch.equal(tensor[0], tensor[1])
    return tensor[0].tolist()


def f32(value: float) -> float:
    return torch.tensor(value).item()


@given(rows)
def test_relu_and_its_saturating_relative(p: list[float]) -> None:
    assert run(activations.ReLU(), p) == [max(v, 0.0) for v in p]
    for got, v in zip(run(activations.TanhReLU(), p), p, strict=True):
        assert math.isclose(got, math.tanh(max(v, 0.0)), abs_tol=1e-6)


@given(rows, rows)
def test_jumprelu_is_strict(p: list[float], theta: list[float]) -> None:
    expected = [max(v, 0.0) if v > t else 0.0 for v, t in zip(p, theta, strict=True)]
    assert run(activations.JumpReLU(torch.tensor(theta)), p) == expected
    assert run(activations.JumpReLU(torch.tensor(p)), p) == [0.0] * 8


@given(rows, values)
def test_one_threshold_for_all(p: list[float], theta: float) -> None:
    expected = [max(v, 0.0) if v > theta else 0.0 for v in p]
    assert run(activations.JumpReLU(torch.full((8,), theta)), p) == expected


@given(rows, rows, rows, rows)
def test_gated(q: list[float], gate: list[float], r: list[float], b: list[float]) -> None:
    got = run(activations.Gated(torch.tensor(gate), torch.tensor(r), torch.tensor(b)), q)
    for value, qi, gi, ri, bi in zip(got, q, gate, r, b, strict=True):
        expected = max(qi * math.exp(ri) + bi, 0.0) if f32(qi) + f32(gi) > 0 else 0.0
        assert math.isclose(value, expected, rel_tol=1e-5, abs_tol=1e-4)


@given(st.lists(values, min_size=8, max_size=8, unique_by=abs), st.integers(1, 8))
def test_top_k_and_by_magnitude(p: list[float], k: int) -> None:
    top = sorted(p)[-k:]
    assert run(activations.TopK(k), p) == [max(v, 0.0) if v in top else 0.0 for v in p]
    loudest = sorted(p, key=abs)[-k:]
    assert run(activations.AbsTopK(k), p) == [v if v in loudest else 0.0 for v in p]


@given(st.lists(values, min_size=8, max_size=8, unique=True), st.sampled_from([1, 2, 4, 8]))
def test_groupmax(p: list[float], k: int) -> None:
    size = 8 // k
    expected = [max(v, 0.0) if v == max(p[i // size * size :][:size]) else 0.0 for i, v in enumerate(p)]
    assert run(activations.GroupMax(k), p) == expected


@settings(max_examples=20)
@given(st.sampled_from(["relu", "tanh_relu", "jumprelu", "gated"]), st.lists(st.integers(0, make.M - 1), min_size=1))
def test_some_features_of_an_independent_function(name: str, ids: list[int]) -> None:
    activation = make_activation(make.config(name), make.tensors())
    chosen = torch.tensor(ids)
    p = torch.randn(6, make.M)
    some = p[:, chosen].clone()
    activation.apply_(p)
    activation.some(chosen).apply_(some)
    assert torch.equal(some, p[:, chosen])


def test_large_blocks_of_jumprelu(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    p = torch.randn(70, 30)
    activation = activations.JumpReLU(torch.rand(30))
    expected = torch.where(p > activation.threshold, p, 0.0)
    monkeypatch.setattr(activations, "_BLOCK", 30 * 16)
    activation.apply_(p)
    assert torch.equal(p, expected)
