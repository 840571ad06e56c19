"""saev: its line of JSON in all six versions, three activations against their formulas, and what no file of it says."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.saes import open_sae
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.detect import describe, detect
from semascope.core.saes.sae import SAE

D, M, K = 12, 40, 5
OLD = {"d_vit": D, "exp_factor": 4, "sparsity_coeff": 4e-4, "ghost_grads": False, "seed": 0}


def new(schema: int, activation: str, **params: Any) -> dict[str, Any]:
    config = {"d_model": D, "d_sae": M, "activation": {"cls": activation, "params": params}}
    return {"schema": schema, "cfg": config, "commit": "unknown", "lib": "1"}


def state(d: int = D, **more: Tensor) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(d)
    shapes = {"W_enc": (d, M), "W_dec": (M, d), "b_enc": (M,), "b_dec": (d,)}
    return {name: torch.randn(shape, generator=draw) * 0.5 for name, shape in shapes.items()} | more


def saved(
    folder: Path, header: dict[str, Any] | bytes, tensors: dict[str, Tensor] | None = None, name: str = "sae.pt"
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    archive = io.BytesIO()
    torch.save(state() if tensors is None else tensors, archive)
    line = header if isinstance(header, bytes) else json.dumps(header).encode() + b"\n"
    (folder / name).write_bytes(line + archive.getvalue())
    return folder


def read(path: Path) -> SAEConfig:
    return describe(path).config


def same(sae: SAE, t: dict[str, Tensor], *, subtract: bool = False, activation: str = "Relu", k: int = K) -> Tensor:
    x = torch.randn(64, t["b_dec"].numel(), generator=torch.Generator().manual_seed(9))
    p = (x - t["b_dec"] if subtract else x) @ t["W_enc"] + t["b_enc"]
    if activation == "TopK":
        f = torch.where(p >= p.topk(k).values[:, -1:], p, 0.0)
    else:
        threshold = float(t.get("activation.threshold", torch.tensor(0.0)))
        f = torch.where(p > max(threshold, 0.0), p, 0.0)
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), f @ t["W_dec"] + t["b_dec"], atol=1e-5, rtol=1e-5)
    return f


@pytest.mark.parametrize("d", [D, M])
@pytest.mark.parametrize("mapped", [False, True])
def test_before_there_were_versions_b_dec_was_subtracted(d: int, mapped: bool, tmp_path: Path) -> None:
    sae = open_sae(saved(tmp_path, {**OLD, "d_vit": d, "exp_factor": M / d}, state(d)), device="cpu", mapped=mapped)
    same(sae, state(d), subtract=True)
    assert "data set's mean" in sae.config.problems[1]


@pytest.mark.parametrize("schema", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("length", range(8))
def test_relu_of_every_version_wherever_the_archive_begins(schema: int, length: int, tmp_path: Path) -> None:
    header = {**new(schema, "Relu"), "commit": "c" * length}
    same(open_sae(saved(tmp_path, header), device="cpu"), state())


@pytest.mark.parametrize("schema", [1, 2, 5])
@pytest.mark.parametrize("k", [K, 36, 100])
def test_top_k_keeps_negative_ones(schema: int, k: int, tmp_path: Path) -> None:
    sae = open_sae(saved(tmp_path, new(schema, "TopK", top_k=k)), device="cpu")
    f = same(sae, state(), activation="TopK", k=min(k, M))
    assert bool((f < 0).any()) == (k > K)
    assert (sae.config.k, sae.config.rectify) == (min(k, M), False)


@pytest.mark.parametrize("threshold", [0.7, 0.0, -0.5])
def test_batch_top_k_is_told_by_its_threshold(threshold: float, tmp_path: Path) -> None:
    t = state(**{"activation.threshold": torch.tensor(threshold)})
    sae = open_sae(saved(tmp_path, new(5, "BatchTopK", top_k=K), t), device="cpu")
    same(sae, t)
    assert (sae.config.architecture, sae.config.l0, len(sae.config.problems)) == ("jumprelu", K, 1)


def test_batch_top_k_without_a_threshold_says_so(tmp_path: Path) -> None:
    sae = open_sae(saved(tmp_path, new(2, "BatchTopK", top_k=K)), device="cpu")
    same(sae, state(), activation="TopK")
    assert "threshold" in sae.config.problems[1]


@pytest.mark.parametrize("activation", ["Relu", "TopK"])
def test_the_first_version_s_other_form(activation: str, tmp_path: Path) -> None:
    header = {"schema": 1, "cls": activation, "cfg": {"d_vit": D, "exp_factor": 4, "top_k": K}}
    sae = open_sae(saved(tmp_path, header), device="cpu")
    same(sae, state(), activation=activation)
    assert any("ceased to subtract" in problem for problem in sae.config.problems)


def test_k_that_is_not_said_is_the_library_s(tmp_path: Path) -> None:
    assert read(saved(tmp_path, new(4, "TopK"))).k == 32


@pytest.mark.parametrize(
    ("path", "training", "hook"),
    [
        ("SAE_DINOv3_ViT-L-16_IN1K/layer_23/lnleoyf6", None, "vision.resid_post.23"),
        ("run/checkpoint", {"train_data": {"layer": 11, "tokens": "content"}}, "vision.resid_post.11"),
        ("run", {"data": {"layer": 10, "patches": "patches", "scale_mean": False, "scale_norm": False}},
         "vision.resid_post.10"),
        ("run", {"train_data": {"layer": -2}}, None),
        ("run", {"train_data": {"layer": "all"}}, None),
        ("run", {"train_data": 3}, None),
        ("SAE_CLIP_24K_ViT-B-16_IN1K", None, None),
    ],
)  # fmt: skip
def test_places(path: str, training: Any, hook: str | None, tmp_path: Path) -> None:
    folder = saved(tmp_path / path, new(5, "Relu"))
    if training:
        (folder / "config.json").write_text(json.dumps(training))
    config = read(folder)
    assert (config.hook_point and str(config.hook_point)) == hook
    assert any("hook point" in problem for problem in config.problems) == (hook is None)
    model = {"SAE_DINOv3": "DINOv3 ViT-L-16", "SAE_CLIP_2": "CLIP ViT-B-16"}.get(path[:10], "")
    assert config.model_name == model


def test_several_are_members(tmp_path: Path) -> None:
    saved(saved(tmp_path, new(5, "Relu"), name="a.pt"), new(5, "Relu"), name="b.pt")
    detected = detect(tmp_path)
    assert detected is not None
    assert [path.name for path in detected.members] == ["a.pt", "b.pt"]
    with pytest.raises(UserError, match="holds 2 SAEs"):
        detected.describe()


@pytest.mark.parametrize(
    ("header", "match"),
    [
        (new(6, "Relu"), "version 6"),
        (new(5, "Softmax"), "Softmax"),
        (b"{" + b" " * (1 << 20) + b"}\n", "line of JSON"),
        (b"{no json}\n", "not valid JSON"),
        (b'{"a":' * 200 + b"1" + b"}" * 200 + b"\n", "deeper"),
        (b"{}\nmore", "can't be read"),
    ],
)
def test_what_is_refused(header: dict[str, Any] | bytes, match: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=match):
        describe(saved(tmp_path, header))


def test_a_line_that_does_not_fit_the_tensors(tmp_path: Path) -> None:
    header = new(5, "Relu")
    header["cfg"]["d_sae"] = 41
    assert "d_sae is 41" in read(saved(tmp_path, header)).problems[1]


def test_an_encoder_that_shares_the_decoder_s_numbers(tmp_path: Path) -> None:
    t = state()
    t["W_enc"] = t["W_dec"].T
    folder = saved(tmp_path, new(5, "Relu"), t)
    same(open_sae(folder, device="cpu"), t)
    assert "same numbers" in read(folder).notes[0]
