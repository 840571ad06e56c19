"""ViT-Prisma: every activation and normalisation against its formula, transcoders with their skip, and refused pickles."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Linear

from semascope.core.errors import UserError
from semascope.core.identify import identify
from semascope.core.saes import open_sae
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.detect import describe, detect
from semascope.core.saes.save import save_saelens

D, M, K = 12, 40, 5
PLAIN: dict[str, tuple[int, ...]] = {"W_enc": (D, M), "b_enc": (M,), "W_dec": (M, D), "b_dec": (D,)}
GATED = {**PLAIN, "b_gate": (M,), "r_mag": (M,), "b_mag": (M,)}
TRANSCODER = {**PLAIN, "b_dec_out": (D,)}
SETTINGS = {"model_name": "open-clip:laion/CLIP-ViT-B-32", "hook_point_layer": 9, "layer_subtype": "hook_resid_post",
            "architecture": "standard", "activation_fn_str": "relu", "activation_fn_kwargs": {}, "d_in": D,
            "normalize_activations": "layer_norm", "expansion_factor": 4, "is_transcoder": False, "d_out": 768,
            "out_hook_point_layer": 9, "layer_out_subtype": "hook_mlp_out"}  # fmt: skip


def state(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(len(shapes))
    return {name: torch.randn(shape, generator=draw) * 0.5 for name, shape in shapes.items()}


def saved(folder: Path, tensors: Any = None, name: str = "weights.pt", **settings: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state(PLAIN) if tensors is None else tensors, folder / name)
    (folder / "config.json").write_text(json.dumps({**SETTINGS, **settings}))
    return folder


def read(path: Path) -> SAEConfig:
    return describe(path).config


def inputs() -> Tensor:
    return torch.randn(64, D, generator=torch.Generator().manual_seed(9)) * 3 + 1


def entered(x: Tensor, normalize: str | None) -> tuple[Tensor, Tensor, Tensor]:
    """What the library makes of a token, and its way back: a factor and what is added."""
    if normalize == "layer_norm":
        mean, std = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
        return (x - mean) / (std + 1e-5), std, mean
    if normalize == "constant_norm_rescale":
        factor = D**0.5 / x.norm(dim=-1, keepdim=True)
        return x * factor, 1 / factor, torch.zeros(1)
    return x, torch.ones(1), torch.zeros(1)


def activate(p: Tensor, activation: str) -> Tensor:
    if activation == "topk":
        p = torch.where(p >= p.topk(K).values[:, -1:], p, 0.0)
    return p.relu().tanh() if activation == "tanh-relu" else p.relu()


@pytest.mark.parametrize("normalize", ["layer_norm", "constant_norm_rescale", "none", None])
@pytest.mark.parametrize("activation", ["relu", "topk", "tanh-relu"])
def test_the_formula(normalize: str | None, activation: str, tmp_path: Path) -> None:
    settings = {"activation_fn_str": activation, "activation_fn_kwargs": {"k": K} if activation == "topk" else {}}
    sae = open_sae(saved(tmp_path, normalize_activations=normalize, **settings), device="cpu")
    t, x = state(PLAIN), inputs()
    inner, factor, shift = entered(x, normalize)
    f = activate((inner - t["b_dec"]) @ t["W_enc"] + t["b_enc"], activation)
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), (f @ t["W_dec"] + t["b_dec"]) * factor + shift, atol=1e-5, rtol=1e-5)
    assert str(sae.config.hook_point) == "vision.resid_post.9"
    assert (sae.config.model_name, sae.config.problems) == ("laion/CLIP-ViT-B-32", ())


@pytest.mark.parametrize("normalize", ["layer_norm", "none"])
def test_gated(normalize: str, tmp_path: Path) -> None:
    t, x = state(GATED), inputs()
    sae = open_sae(saved(tmp_path, t, architecture="gated", normalize_activations=normalize), device="cpu")
    inner, factor, shift = entered(x, normalize)
    q = inner - t["b_dec"]
    f = (q @ t["W_enc"] + t["b_gate"] > 0) * (q @ (t["W_enc"] * t["r_mag"].exp()) + t["b_mag"]).relu()
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), (f @ t["W_dec"] + t["b_dec"]) * factor + shift, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("normalize", ["layer_norm", "constant_norm_rescale", "none"])
@pytest.mark.parametrize("skip", [False, True])
def test_a_transcoder_gives_its_output_in_the_units_of_its_input(normalize: str, skip: bool, tmp_path: Path) -> None:
    t, x = state({**TRANSCODER, **({"W_skip": (D, D)} if skip else {})}), inputs()
    about = {
        "is_transcoder": True,
        "layer_subtype": "ln2.hook_normalized",
        "d_out": D,
        "normalize_activations": normalize,
    }
    sae = open_sae(saved(tmp_path / "a", t, **about), device="cpu")
    inner, factor, shift = entered(x, normalize)
    f = ((inner - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).relu()
    out = f @ t["W_dec"] + t["b_dec_out"] + (x @ t["W_skip"].T if skip else 0.0)
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), out * factor + shift, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x.view(4, 16, D)), (out * factor + shift).view(4, 16, D), atol=1e-5, rtol=1e-5)
    ids = torch.tensor([3, 7])
    torch.testing.assert_close(
        sae.directions(x, ids).expand(64, 2, D), factor.expand(64, 1)[..., None] * t["W_dec"][ids], atol=1e-5, rtol=1e-5
    )
    config = sae.config
    assert (str(config.hook_point), str(config.hook_out)) == ("vision.mlp_norm.9", "vision.mlp_out.9")
    assert (config.kind, config.skip, config.problems) == ("transcoder", skip, ())
    save_saelens(sae, tmp_path / "b")
    again = open_sae(tmp_path / "b", device="cpu")
    torch.testing.assert_close(again(x), sae(x), atol=1e-5, rtol=1e-5)
    assert again.config.denormalize == (normalize != "none")


def test_a_transcoder_of_another_width(tmp_path: Path) -> None:
    t = state({**TRANSCODER, "W_dec": (M, 8), "b_dec_out": (8,)})
    sae = open_sae(saved(tmp_path, t, is_transcoder=True, d_out=8), device="cpu")
    assert sae(inputs()).shape == (64, 8)


@pytest.mark.parametrize(
    ("settings", "hook", "head"),
    [
        ({"hook_point_layer": [4]}, "vision.resid_post.4", None),
        ({"layer_subtype": "mlp.hook_post"}, "vision.mlp_act.9", None),
        ({"layer_subtype": "ln2.hook_normalized"}, "vision.mlp_norm.9", None),
        ({"layer_subtype": "attn.hook_z"}, "vision.attn_z.9", None),
        ({"layer_subtype": "attn.hook_z", "hook_point_head_index": 2}, "vision.attn_z.9", 2),
        ({"hook_point_layer": [4, 5]}, None, None),
        ({"hook_point_layer": -1}, None, None),
        ({"layer_subtype": "hook_scale"}, None, None),
    ],
)
def test_places(settings: dict[str, Any], hook: str | None, head: int | None, tmp_path: Path) -> None:
    config = read(saved(tmp_path, **settings))
    assert (config.hook_point and str(config.hook_point), config.head) == (hook, head)
    assert bool(config.problems) == (hook is None)
    assert all("hook point" in problem for problem in config.problems) or "does not say" in config.problems[0]


def test_which_tokens_it_was_trained_on(tmp_path: Path) -> None:
    assert "CLS token alone" in read(saved(tmp_path / "a", cls_token_only=True)).notes[1]
    assert "patches alone" in read(saved(tmp_path / "b", use_patches_only=True)).notes[1]


def test_layer_norm_is_the_default(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / "config.json").write_text('{"hook_point_layer": 1, "layer_subtype": "hook_mlp_out"}')
    config = read(folder)
    assert (config.normalize, config.activation, str(config.hook_point)) == ("layer_norm", "relu", "vision.mlp_out.1")


def test_checkpoints_of_a_run(tmp_path: Path) -> None:
    folder = saved(tmp_path, name="n_images_2600058.pt")
    assert describe(folder).weights.name == "n_images_2600058.pt"
    saved(tmp_path, name="n_images_130007.pt")
    detected = detect(folder)
    assert detected is not None
    assert [path.name for path in detected.members] == ["n_images_130007.pt", "n_images_2600058.pt"]
    with pytest.raises(UserError, match="holds 2 SAEs"):
        detected.describe()
    assert describe(saved(tmp_path)).weights.name == "weights.pt"


def test_wrapped_without_objects(tmp_path: Path) -> None:
    assert read(saved(tmp_path, {"state_dict": state(PLAIN)})).d_sae == M


@pytest.mark.parametrize("name", ["weights.pt", "n_images_5.pt"])
def test_a_config_inside_the_file_is_a_pickle_and_refused(name: str, tmp_path: Path) -> None:
    folder = saved(tmp_path, {"cfg": Linear(2, 2), "state_dict": state(PLAIN)}, name)
    found = identify(folder)
    assert (found.kind, found.format) == ("sae", "vit_prisma")
    assert "objects of the class torch.nn.modules.linear.Linear" in found.problems[0]
    with pytest.raises(UserError, match="not opened"):
        open_sae(folder)


def test_bare_pickles_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / "weights.pt").unlink()
    (folder / "sae.pkl").write_bytes(pickle.dumps({"cfg": 1}))
    with pytest.raises(UserError, match="pickle"):
        open_sae(folder)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"activation_fn_str": "leaky_relu"}, "leaky_relu"),
        ({"activation_fn_str": "topk"}, "k is None"),
        ({"activation_fn_str": "topk", "architecture": "gated"}, "gated"),
        ({"architecture": "gated"}, "no tensor b_gate"),
    ],
)
def test_what_is_not_read(settings: dict[str, Any], match: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=match):
        describe(saved(tmp_path, **settings))


def test_settings_of_another_are_noticed(tmp_path: Path) -> None:
    assert "d_in is 13" in read(saved(tmp_path, d_in=13)).problems[0]
