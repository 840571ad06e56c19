"""The written-out gradients against autograd, and what a step must keep true."""

from __future__ import annotations

import pytest
import torch

from semascope.core.training import dictionary as module
from semascope.core.training.dictionary import Dictionary

N, D, M, K = 64, 24, 96, 4


@pytest.fixture(autouse=True)
def _exact_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "default_dtype", lambda _device: torch.float32)


def _loss(learned: Dictionary, x: torch.Tensor, dead: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss as the docstring states it, dense and differentiable."""
    leaves = {name: value.clone().requires_grad_() for name, value in learned.parameters.items()}
    p = (x - leaves["b_dec"]) @ leaves["w_enc"].T + leaves["b_enc"]
    relu = p.clamp(min=0)
    if learned.batch_wise:
        kept = relu >= relu.flatten().topk(N * K)[0][-1]
    else:
        kept = torch.zeros_like(relu, dtype=torch.bool).scatter_(1, relu.topk(K, dim=1)[1], True)
    x_hat = (relu * kept) @ leaves["w_dec"] + leaves["b_dec"]
    loss = (x_hat - x).square().mean()
    if len(dead):
        # The auxiliary loss takes the residual as given.
        silent = ((x - leaves["b_dec"]) @ leaves["w_enc"][dead].T + leaves["b_enc"][dead]).clamp(min=0)
        silent = torch.where(silent >= silent.topk(min(len(dead), D // 2), dim=1)[0][:, -1:], silent, 0.0)
        loss = loss + (silent @ leaves["w_dec"][dead] - (x - x_hat).detach()).square().mean() / 32
    return loss, leaves


@pytest.mark.parametrize("batch_wise", [True, False])
@pytest.mark.parametrize("dead_count", [0, 7, 40])
def test_gradients_are_those_of_the_loss(batch_wise: bool, dead_count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    learned = Dictionary(torch.randn(500, D) + 0.3, M, K, batch_wise, patience=10_000, seed=1)
    learned.b_enc -= torch.rand(M)
    x = torch.randn(N, D) + 0.3
    got: dict[str, torch.Tensor] = {}

    def keep(
        _self: Dictionary, enc: torch.Tensor, dec: torch.Tensor, b: torch.Tensor, pre: torch.Tensor, _rate: float
    ) -> None:
        got.update(w_enc=enc, w_dec=dec, b_enc=b, b_dec=pre)

    monkeypatch.setattr(Dictionary, "_update", keep)
    active = (x - learned.b_dec) @ learned.w_enc.T + learned.b_enc
    never = (active.clamp(min=0) < active.clamp(min=0).flatten().topk(N * K)[0][-1]).all(dim=0)
    dead = torch.nonzero(never).flatten()[:dead_count] if batch_wise else torch.empty(0, dtype=torch.int64)
    if batch_wise and dead_count:
        assert len(dead) > 0
    learned.silent[dead] = 20_000
    loss, leaves = _loss(learned, x, dead)
    loss.backward()
    result = learned.step(x, 1e-3)
    assert result.dead == len(dead)
    for name, leaf in leaves.items():
        grad = leaf.grad
        assert grad is not None
        assert torch.allclose(got[name], grad, atol=1e-6, rtol=1e-4), name


def test_batchtopk_keeps_exactly_n_times_k_of_the_batch() -> None:
    learned = Dictionary(torch.randn(500, D), M, K, batch_wise=True, patience=10_000, seed=1)
    p = torch.randn(N, M)
    row, feature, value = learned._select(p)
    assert len(value) == N * K
    assert torch.equal(value.sort()[0], p.flatten().topk(N * K)[0].sort()[0])
    assert torch.equal(p[row, feature], value)
    assert torch.equal(row, row.sort()[0])


def test_learning_explains_sparse_data_and_keeps_unit_rows() -> None:
    torch.manual_seed(0)
    truth = torch.nn.functional.normalize(torch.randn(32, D), dim=1)
    codes = (torch.rand(20_000, 32) < 0.05) * torch.rand(20_000, 32)
    data = codes @ truth
    data = data * (D / float(data.square().sum(1).mean())) ** 0.5
    learned = Dictionary(data, 48, 2, batch_wise=True, patience=5_000, seed=0)
    first = learned.step(data[:1000], 1e-3).fvu
    for step in range(600):
        at = step * 512 % 19_000
        last = learned.step(data[at : at + 512], 2e-3)
    assert last.fvu < 0.1 < first
    assert torch.allclose(learned.w_dec.norm(dim=1), torch.ones(48), atol=1e-5)


def test_restoring_a_checkpoint_goes_on_identically() -> None:
    torch.manual_seed(0)
    data = torch.randn(4096, D)
    one = Dictionary(data, M, K, batch_wise=True, patience=1000, seed=0)
    for at in range(0, 2048, 256):
        one.step(data[at : at + 256], 1e-3)
    saved = {name: value.clone() for name, value in one.state().items()}
    two = Dictionary(data, M, K, batch_wise=True, patience=1000, seed=5)
    two.restore(saved)
    for at in range(2048, 4096, 256):
        one.step(data[at : at + 256], 1e-3)
        two.step(data[at : at + 256], 1e-3)
    assert all(torch.equal(a, b) for a, b in zip(one.state().values(), two.state().values(), strict=True))
