"""Qwen-Scope: the card's formula, k from settings or names, and the layers of a release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import describe, detect
from semascope.core.saes.sae import SAE

D, M, K = 12, 40, 5
RELEASE = f"SAE-Res-Qwen3.5-9B-Base-W64K-L0_{K}"


def state(d: int = D) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(d)
    shapes = {"W_enc": (M, d), "W_dec": (d, M), "b_enc": (M,), "b_dec": (d,)}
    return {name: torch.randn(shape, generator=draw) * 0.5 for name, shape in shapes.items()}


def saved(folder: Path, tensors: dict[str, Tensor], layer: int = 3, **settings: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, folder / f"layer{layer}.sae.pt")
    if settings:
        (folder / "config.json").write_text(json.dumps({"model_type": "topk_sae", **settings}))
    return folder


def same(sae: SAE, t: dict[str, Tensor], k: int = K) -> Tensor:
    x = torch.randn(64, t["b_dec"].numel(), generator=torch.Generator().manual_seed(9))
    p = x @ t["W_enc"].T + t["b_enc"]
    f = torch.where(p >= p.topk(k).values[:, -1:], p, 0.0)
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), f @ t["W_dec"].T + t["b_dec"], atol=1e-5, rtol=1e-5)
    return f


@pytest.mark.parametrize("mapped", [False, True])
def test_the_card_s_formula(mapped: bool, tmp_path: Path) -> None:
    settings = {"base_model": "Qwen/Qwen3-8B-Base", "d_model": D, "d_sae": M, "k": K, "hook_point": "resid_post"}
    sae = open_sae(saved(tmp_path / "a", state(), **settings), device="cpu", mapped=mapped)
    same(sae, state())
    config = sae.config
    assert (str(config.hook_point), config.model_name, config.problems) == ("resid_post.3", "Qwen/Qwen3-8B-Base", ())
    assert (config.prepend_bos, config.l0) == (False, K)


def test_negative_ones_are_kept(tmp_path: Path) -> None:
    f = same(open_sae(saved(tmp_path / "a", state(), k=36), device="cpu"), state(), 36)
    assert bool((f < 0).any())


@pytest.mark.parametrize("below", ["", "layers"])
def test_the_name_of_the_release(below: str, tmp_path: Path) -> None:
    sae = open_sae(saved(tmp_path / RELEASE / below, state()), device="cpu")
    same(sae, state())
    assert (sae.config.model_name, sae.config.problems) == ("Qwen/Qwen3.5-9B-Base", ())


def test_settings_above_the_layers(tmp_path: Path) -> None:
    saved(tmp_path, state(), k=7, base_model="Qwen/Qwen3-8B-Base")
    config = describe(saved(tmp_path / "layers", state(), 5)).config
    assert (config.k, config.model_name, str(config.hook_point)) == (7, "Qwen/Qwen3-8B-Base", "resid_post.5")


def test_the_settings_win_over_the_name(tmp_path: Path) -> None:
    assert describe(saved(tmp_path / RELEASE, state(), k=7)).config.k == 7


def test_as_many_features_as_values(tmp_path: Path) -> None:
    same(open_sae(saved(tmp_path / RELEASE, state(M)), device="cpu"), state(M))


def test_matrices_the_other_way_round_are_turned(tmp_path: Path) -> None:
    turned = {name: tensor.T.contiguous() if tensor.dim() == 2 else tensor for name, tensor in state().items()}
    same(open_sae(saved(tmp_path / RELEASE, turned), device="cpu"), state())


def test_layers_are_members(tmp_path: Path) -> None:
    for layer in (0, 2, 10):
        saved(tmp_path / RELEASE, state(), layer, k=K)
    detected = detect(tmp_path / RELEASE)
    assert detected is not None
    assert [path.name for path in detected.members] == [f"layer{layer}.sae.pt" for layer in (0, 2, 10)]
    with pytest.raises(UserError, match="holds 3 SAEs"):
        detected.describe()
    assert str(describe(tmp_path / RELEASE / "layer10.sae.pt").config.hook_point) == "resid_post.10"


def test_without_k_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="how many features") as refused:
        describe(saved(tmp_path / "a", state()))
    assert "config.json" in refused.value.hint


@pytest.mark.parametrize(("k", "match"), [(0, "k is 0|how many"), (41, "impossible"), (-3, "how many")])
def test_an_impossible_k(k: int, match: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=match):
        describe(saved(tmp_path / "a", state(), k=k))


def test_other_settings_are_noticed(tmp_path: Path) -> None:
    assert "d_sae is 41" in describe(saved(tmp_path / "a", state(), k=K, d_sae=41)).config.problems[0]
    place = describe(saved(tmp_path / "b", state(), k=K, hook_point="mlp_out")).config.hook_point
    assert str(place) == "mlp_out.3"
    assert "hook point" in describe(saved(tmp_path / "c", state(), k=K, hook_point="elsewhere")).config.problems[0]
