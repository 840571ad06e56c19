"""Gemma Scope 2's cross-layer transcoders and crosscoders, each against a plain formula."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import hooks_text
from semascope.core.saes import open_sae
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.detect import describe
from tests.core.saes.make_layers import activate

D, F = 12, 40
CLT = {
    "hf_hook_point_in": "model.layers.{all}.pre_feedforward_layernorm.output",
    "hf_hook_point_out": "model.layers.{all}.post_feedforward_layernorm.output",
    "model_name": "google/gemma-3-1b-pt", "architecture": "jump_relu", "type": "clt", "l0": 30, "width": 262144,
}  # fmt: skip
CROSS = CLT | {
    "hf_hook_point_in": "model.layers.{5,9,12,15}.output",
    "hf_hook_point_out": "model.layers.{5,9,12,15}.output",
    "type": "crosscoder",
}


def make(
    folder: Path,
    sizes: Sequence[int] = (F, F, F),
    *,
    config: dict[str, object] | None = CLT,
    affine: bool = False,
    axis: str = "absolute",
) -> list[dict[str, Tensor]]:
    """A folder in the release's layout; what a layer would write to those before it is 0, unless "everywhere"."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = torch.Generator().manual_seed(1)
    layers = []
    for at, size in enumerate(sizes):
        shapes = {
            "w_enc": (D, size), "b_enc": (size,), "threshold": (size,), "b_dec": (D,), "w_dec": (size, len(sizes), D),
        }  # fmt: skip
        shapes |= {"affine_skip_connection": (D, D)} if affine else {}
        own = {name: torch.randn(shape, generator=draw) / 3 for name, shape in shapes.items()}
        if axis != "everywhere":
            own["w_dec"][:, :at] = 0.0
        layers.append(own)
        stored = dict(own)
        if axis == "relative":
            stored["w_dec"] = own["w_dec"].roll(-at, dims=1).contiguous()
        save_file(stored, folder / f"params_layer_{at}.safetensors")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return layers


def compute(layers: list[dict[str, Tensor]], x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Each layer's f and x̂ with the affine part, of x (layers, rows, d)."""
    f = [activate(x[at] @ own["w_enc"] + own["b_enc"], "jumprelu", own["threshold"]) for at, own in enumerate(layers)]
    x_hat = []
    for w, here in enumerate(layers):
        whole = here["b_dec"] + sum(f[at] @ own["w_dec"][:, w] for at, own in enumerate(layers))
        x_hat.append(whole + x[w] @ here["affine_skip_connection"] if "affine_skip_connection" in here else whole)
    return f, torch.stack(x_hat)


def read(path: Path) -> SAEConfig:
    return describe(path).config


@pytest.mark.parametrize("axis", ["absolute", "relative", "everywhere"])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_a_cross_layer_transcoder(tmp_path: Path, axis: str, affine: bool, mapped: bool) -> None:
    layers = make(tmp_path, affine=affine, axis=axis)
    sae = open_sae(tmp_path, device="cpu", mapped=mapped)
    name = "jumprelu_skip_cross_layer_transcoder" if affine else "jumprelu_cross_layer_transcoder"
    assert (sae.config.architecture, sae.config.problems, sae.mapped) == (name, (), mapped)
    assert (hooks_text(sae.config.reads), hooks_text(sae.config.writes)) == ("mlp_in.0-2", "mlp_out.0-2")
    assert (sae.config.l0, sae.config.mask_first, sae.config.features) == (30, 0, 3 * F)
    x = torch.randn(3, 9, D)
    f, x_hat = compute(layers, x)
    torch.testing.assert_close(sae.encode(x), torch.stack(f), atol=1e-5, rtol=1e-5)
    assert torch.equal(sae.encode(x) != 0, torch.stack(f) != 0)
    torch.testing.assert_close(sae(x), x_hat, atol=1e-5, rtol=1e-5)
    flat = x.movedim(0, 1).flatten(-2)
    torch.testing.assert_close(sae(flat), x_hat.movedim(0, 1).flatten(-2), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_crosscoder(tmp_path: Path, mapped: bool) -> None:
    layers = make(tmp_path, (F,) * 4, config=CROSS)
    sae = open_sae(tmp_path, device="cpu", mapped=mapped)
    assert (sae.config.kind, sae.config.encoders, sae.config.places) == ("crosscoder", 4, 4)
    places = "resid_post.5,resid_post.9,resid_post.12,resid_post.15"
    assert (hooks_text(sae.config.reads), hooks_text(sae.config.writes)) == (places, places)
    assert any("resid_post.15" in note for note in sae.config.notes)
    x = torch.randn(4, 9, D)
    f, x_hat = compute(layers, x)
    rows = x.movedim(0, 1)
    torch.testing.assert_close(sae.encode(rows), torch.stack(f, dim=-2), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(rows), x_hat.movedim(0, 1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(rows.flatten(-2)), x_hat.movedim(0, 1).flatten(-2), atol=1e-5, rtol=1e-5)


def test_layers_of_different_size(tmp_path: Path) -> None:
    layers = make(tmp_path, (40, 24, 31))
    sae = open_sae(tmp_path, device="cpu")
    x = torch.randn(3, 9, D)
    f, x_hat = compute(layers, x)
    ours = sae.encode(x)
    for at, each in enumerate(f):
        torch.testing.assert_close(ours[at, :, : each.shape[-1]], each, atol=1e-5, rtol=1e-5)
        assert not ours[at, :, each.shape[-1] :].any()
    torch.testing.assert_close(sae(x), x_hat, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("model", ["google/gemma-3-1b-it", "google/gemma-3-270m-it"])
def test_chat_models_leave_out_four_positions(tmp_path: Path, model: str) -> None:
    make(tmp_path, config=CLT | {"model_name": model})
    assert read(tmp_path).mask_first == 4


@pytest.mark.parametrize(
    ("path", "count", "kind", "reads", "writes"),
    [
        ("gemma-scope-2-1b-it/clt/width_262k_l0_big_affine", 3, "cross_layer_transcoder", "mlp_in.0-2", "mlp_out.0-2"),
        ("gemma-scope-2-1b-it/crosscoder/layer_5_9_12_width_65k_l0_medium", 3, "crosscoder",
         "resid_post.5,resid_post.9,resid_post.12", "resid_post.5,resid_post.9,resid_post.12"),
    ],
)  # fmt: skip
def test_without_its_config_the_folder_says_it(
    tmp_path: Path, path: str, count: int, kind: str, reads: str, writes: str
) -> None:
    make(tmp_path / path, (F,) * count, config=None)
    found = read(tmp_path / path)
    assert (found.kind, hooks_text(found.reads), hooks_text(found.writes)) == (kind, reads, writes)
    assert (found.model_name, found.mask_first, found.problems) == ("google/gemma-3-1b-it", 4, ())


def test_the_nearest_folder_s_name_holds(tmp_path: Path) -> None:
    place = tmp_path / "gemma-scope-2-1b-pt/crosscoder/gemma-scope-2-270m-it/clt/width_262k_l0_big"
    make(place, config=None)
    found = read(place)
    assert (found.kind, found.model_name, found.mask_first) == ("cross_layer_transcoder", "google/gemma-3-270m-it", 4)


@pytest.mark.parametrize(
    ("said", "model"),
    [("gemma-v3-1b-pt", "google/gemma-3-1b-pt"), ("google/gemma-3-270m-pt", "google/gemma-3-270m"),
     ("gemma-3-4b-it", "google/gemma-3-4b-it"), ("a/model", "a/model")],
)  # fmt: skip
def test_a_model_is_named_as_it_is_published(tmp_path: Path, said: str, model: str) -> None:
    make(tmp_path, config=CLT | {"model_name": said})
    assert read(tmp_path).model_name == model


def test_without_config_and_names_it_asks_and_still_computes(tmp_path: Path) -> None:
    layers = make(tmp_path / "x", config=None)
    found = read(tmp_path / "x")
    assert found.reads == ()
    assert "hook points" in found.problems[0]
    assert "mlp_in.0-2" in found.problems[0]
    x = torch.randn(3, 4, D)
    torch.testing.assert_close(open_sae(tmp_path / "x", device="cpu")(x), compute(layers, x)[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("model.layers.{5,9}.output", "names 2 layers, but there are files of 3"),
        ("model.layers.5.output", "names no list of layers"),
        ("model.layers.{a,b,c}.output", "is not known"),
    ],
)
def test_a_list_of_layers_that_does_not_fit_is_said(tmp_path: Path, name: str, problem: str) -> None:
    make(tmp_path, config=CROSS | {"hf_hook_point_in": name, "hf_hook_point_out": name})
    found = read(tmp_path)
    assert found.reads == ()
    assert problem in found.problems[0]
    assert "hook point" in found.problems[0]


def test_missing_files_are_named(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "params_layer_2.safetensors").unlink()
    with pytest.raises(UserError, match="write to 3 layers, but there are files of 2"):
        read(tmp_path)
    (tmp_path / "params_layer_0.safetensors").unlink()
    with pytest.raises(UserError, match="of layer 0 is missing"):
        read(tmp_path)


def test_any_layer_s_file_stands_for_the_folder(tmp_path: Path) -> None:
    make(tmp_path)
    assert read(tmp_path / "params_layer_1.safetensors").encoders == 3


def test_an_unknown_type_is_refused(tmp_path: Path) -> None:
    make(tmp_path, config=CLT | {"type": "weather"})
    with pytest.raises(UserError, match="of the type “weather”"):
        read(tmp_path)
