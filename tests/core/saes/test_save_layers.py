"""Dictionaries of several hook points written down and read back, and folders of them that lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.saes import open_sae, weights
from semascope.core.saes.layered import LayeredSAE
from semascope.core.saes.save import CONFIG_FILE, WEIGHTS_FILE, save_saelens
from tests.core.saes.make_layers import D, L, config, layered, tensors
from tests.core.saes.test_save import SAME

KINDS = ("transcoder_set", "cross_layer_transcoder", "crosscoder", "causal crosscoder")


def check(sae: LayeredSAE, folder: Path) -> None:
    """Save, open in memory and mapped, and compare."""
    save_saelens(sae, folder)
    x = torch.randn(20, L * D)
    for mapped in (False, True):
        again = open_sae(folder, device="cpu", mapped=mapped)
        assert isinstance(again, LayeredSAE)
        assert again.mapped == mapped
        torch.testing.assert_close(again.encode(x), sae.encode(x), atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(again(x), sae(x), atol=1e-5, rtol=1e-5)
        for field in (*SAME, "places"):
            assert getattr(again.config, field) == getattr(sae.config, field), field
    again = open_sae(folder, device="cpu", mapped=False)
    assert torch.equal(again.encode(x), sae.encode(x))
    assert torch.equal(again(x), sae(x))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["relu", "jumprelu", "topk"])
@pytest.mark.parametrize("skip", [False, True])
def test_every_kind_comes_back(tmp_path: Path, kind: str, activation: str, skip: bool) -> None:
    check(layered(kind, activation, skip=skip, notes=("A note.",), l0=12.0, mask_first=4), tmp_path / "saved")


def test_encoders_of_different_size_come_back(tmp_path: Path) -> None:
    check(layered("cross_layer_transcoder", sizes=(40, 24, 31)), tmp_path / "saved")


def test_what_only_some_have_comes_back(tmp_path: Path) -> None:
    own = tensors("crosscoder", "jumprelu") | {"centre": torch.randn(L * D)}
    for e in range(L):
        own[f"b_enc.{e}"], own[f"threshold.{e}"] = own["b_enc.0"], own["threshold.0"] * (e + 1)
        own[f"W_dec.{e}.{e}"] = own.pop(f"W_dec.0.{e}") if e else own["W_dec.0.0"]
    check(LayeredSAE(config("crosscoder", "jumprelu", encoders=L), own), tmp_path / "decoupled")
    own = tensors("crosscoder", "topk") | {"selection_weight.0": torch.rand(40)}
    check(LayeredSAE(config("crosscoder", "topk"), own), tmp_path / "weighed")


@pytest.mark.parametrize("kind", ["transcoder_set", "crosscoder"])
def test_unknown_places_stay_unknown(tmp_path: Path, kind: str) -> None:
    sae = layered(kind, reads=(), writes=(), problems=("It does not say which hook points it reads.",))
    save_saelens(sae, tmp_path / "saved")
    again = open_sae(tmp_path / "saved", device="cpu").config
    assert (again.reads, again.places, again.problems) == ((), L, sae.config.problems)


def test_half_precision_stays_what_it_is(tmp_path: Path) -> None:
    own = {name: tensor.bfloat16() for name, tensor in tensors("cross_layer_transcoder").items()}
    sae = LayeredSAE(config("cross_layer_transcoder", dtype="bfloat16"), own)
    save_saelens(sae, tmp_path / "saved")
    assert load_file(tmp_path / "saved" / WEIGHTS_FILE)["W_dec.0.2"].dtype == torch.bfloat16
    x = torch.randn(4, L * D)
    assert torch.equal(open_sae(tmp_path / "saved", device="cpu")(x), sae(x))


Lie = Callable[[dict[str, Any], dict[str, Tensor]], object]


@pytest.mark.parametrize(
    "lie",
    [
        lambda cfg, _: cfg.update(encoders=2),
        lambda cfg, _: cfg.update(places=2),
        lambda cfg, _: cfg.update(encoders=0),
        lambda cfg, _: cfg.update(places=-1),
        lambda cfg, _: cfg.update(encoders=10**15, places=10**15),
        lambda cfg, _: cfg.update(encoders="three"),
        lambda cfg, _: cfg.update(architecture="jumprelu_cross_layer_transcoder"),
        lambda cfg, _: cfg.update(architecture="topk_cross_layer_transcoder", k=41),
        lambda _, own: own.pop("W_dec.1.2"),
        lambda _, own: own.pop("W_dec.2.2"),
        lambda _, own: own.pop("b_dec.1"),
        lambda _, own: own.pop("b_enc.2"),
        lambda _, own: own.pop("W_enc.0"),
        lambda _, own: own.update({"W_dec.1.9": torch.zeros(40, D)}),
        lambda _, own: own.update({"threshold.7": torch.zeros(400)}),
        lambda _, own: own.update({"W_enc.1": torch.zeros(D + 1, 40)}),
        lambda _, own: own.update({"W_enc.1": torch.zeros(D * L, 40)}),
        lambda _, own: own.update({"centre": torch.zeros(D * L + 1)}),
        lambda _, own: own.update({"b_dec.2": torch.zeros(())}),
        lambda _, own: own.update({"something": torch.zeros(3)}),
    ],
)
def test_folders_that_lie_are_refused_or_computed(tmp_path: Path, lie: Lie) -> None:
    save_saelens(layered("cross_layer_transcoder"), tmp_path / "saved")
    settings = json.loads((tmp_path / "saved" / CONFIG_FILE).read_text())
    stored = load_file(tmp_path / "saved" / WEIGHTS_FILE)
    lie(settings, stored)
    (tmp_path / "saved" / CONFIG_FILE).write_text(json.dumps(settings))
    save_file(stored, tmp_path / "saved" / WEIGHTS_FILE)
    try:
        sae = open_sae(tmp_path / "saved", device="cpu")
    except UserError:
        return
    assert sae(torch.randn(2, sae.config.width_in)).shape == (2, L * D)


@pytest.mark.parametrize("mapped", [False, True])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, mapped: bool) -> None:
    own = tensors("cross_layer_transcoder")
    own["W_dec.0.2"][-1, -1] = torch.nan
    save_saelens(LayeredSAE(config("cross_layer_transcoder"), own), tmp_path / "saved")
    with pytest.raises(UserError, match=r"W_dec\.0\.2 in sae_weights\.safetensors holds values that are not numbers"):
        open_sae(tmp_path / "saved", device="cpu", mapped=mapped)


def test_of_a_huge_mapped_matrix_rows_spread_over_it_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_CHECKED", 40)
    monkeypatch.setattr(weights, "_SAMPLE", 8 * D)
    save_saelens(layered("transcoder_set"), tmp_path / "saved")
    looked: list[int] = []
    finite = torch.Tensor.isfinite
    monkeypatch.setattr(torch.Tensor, "isfinite", lambda part: looked.append(part.numel()) or finite(part))
    open_sae(tmp_path / "saved", device="cpu", mapped=True)
    whole = sum(tensor.numel() for tensor in tensors("transcoder_set").values())
    assert max(looked) == 40  # a vector, or three rows of a matrix
    assert 0.1 * whole < sum(looked) < 0.4 * whole
    looked.clear()
    open_sae(tmp_path / "saved", device="cpu", mapped=False)
    assert sum(looked) == whole
