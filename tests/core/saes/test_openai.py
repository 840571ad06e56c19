"""OpenAI's SAEs of GPT-2: ReLU and top-k against their formulas, settings in either place, and what the folders' names say."""

from __future__ import annotations

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


def state(d: int = D, **more: Any) -> dict[str, Any]:
    """A state dict with the library's buffers."""
    draw = torch.Generator().manual_seed(d)
    shapes = {"pre_bias": (d,), "latent_bias": (M,), "encoder.weight": (M, d), "decoder.weight": (d, M)}
    return {
        **{name: torch.randn(shape, generator=draw) * 0.5 for name, shape in shapes.items()},
        "stats_last_nonzero": torch.zeros(M, dtype=torch.long),
        "latents_activation_frequency": torch.ones(M),
        **more,
    }


NESTED = {"activation": "TopK", "activation_state_dict": {"k": K, "postact_fn": "ReLU"}}


def saved(tmp_path: Path, content: Any, name: str = "resid_post_mlp_v5_32k/autoencoders/6.pt") -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def same(sae: SAE, s: dict[str, Any], *, top: bool, rectify: bool = True) -> None:
    x = torch.randn(64, s["pre_bias"].numel(), generator=torch.Generator().manual_seed(9)) * 3 + 1
    mean, std = (x.mean(dim=-1, keepdim=True), x.std(dim=-1, keepdim=True)) if top else (torch.zeros(1), torch.ones(1))
    entered: Tensor = (x - mean) / (std + 1e-5) if top else x
    p = (entered - s["pre_bias"]) @ s["encoder.weight"].T + s["latent_bias"]
    f = torch.where(p >= p.topk(K).values[:, -1:], p, 0.0) if top else p
    f = f.relu() if rectify else f
    decoder = s["decoder.weight"] if "decoder.weight" in s else s["encoder.weight"].T
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), (f @ decoder.T + s["pre_bias"]) * std + mean, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        NESTED,
        {"activation": "TopK", "activation_state_dict.k": K, "activation_state_dict.postact_fn": "ReLU"},
        {"activation": "TopK", "activation.k": K, "activation.postact_fn": "ReLU"},
        {"activation": "TopK", "activation_state_dict": {"k": torch.tensor(K), "postact_fn": "ReLU"}},
    ],
)
def test_top_k_wherever_its_settings_lie(settings: dict[str, Any], tmp_path: Path) -> None:
    s = state(**settings)
    sae = open_sae(saved(tmp_path, s), device="cpu")
    same(sae, s, top=True)
    assert (sae.config.k, sae.config.l0, sae.config.normalize, sae.config.problems) == (K, K, "layer_norm", ())


@pytest.mark.parametrize("settings", [{"activation": "ReLU"}, {}])
def test_relu_is_not_normalised(settings: dict[str, Any], tmp_path: Path) -> None:
    s = state(**settings)
    sae = open_sae(saved(tmp_path, s, "resid_delta_mlp_v4/autoencoders/6.pt"), device="cpu")
    same(sae, s, top=False)
    assert (sae.config.normalize, sae.config.k) == ("none", None)


def test_negative_ones_among_the_k_where_it_says_so(tmp_path: Path) -> None:
    s = state(activation="TopK", activation_state_dict={"k": K, "postact_fn": "Identity"})
    same(open_sae(saved(tmp_path, s), device="cpu"), s, top=True, rectify=False)


def test_a_tied_decoder_wrapped(tmp_path: Path) -> None:
    s = state(activation="ReLU")
    del s["decoder.weight"]
    s["decoder.linear.weight"] = s["encoder.weight"]
    same(open_sae(saved(tmp_path, {"state_dict": s}), device="cpu"), s, top=False)


def test_as_many_features_as_values(tmp_path: Path) -> None:
    s = state(d=M, activation="ReLU")
    same(open_sae(saved(tmp_path, s), device="cpu"), s, top=False)


@pytest.mark.parametrize(
    ("path", "hook"),
    [
        ("mlp_post_act/autoencoders/0.pt", "mlp_act.0"),
        ("resid_delta_attn_v5_32k/autoencoders/11.pt", "attn_out.11"),
        ("resid_post_attn_v5_128k/autoencoders/3.pt", "resid_mid.3"),
        ("resid_delta_mlp_v4/autoencoders/7.pt", "mlp_out.7"),
        ("resid_post_mlp/2.pt", "resid_post.2"),
        ("resid_post_mlp_v5_32k/layer_2.pt", "resid_post.2"),
    ],
)
def test_the_path_says_where(path: str, hook: str, tmp_path: Path) -> None:
    config = describe(saved(tmp_path, state(**NESTED), path)).config
    assert (str(config.hook_point), config.model_name, config.problems) == (hook, "gpt2", ())


def test_a_file_alone_asks(tmp_path: Path) -> None:
    config = describe(saved(tmp_path, state(**NESTED), "6.pt")).config
    assert (config.reads, config.metadata["layer"]) == ((), 6)
    assert "hook point" in config.problems[0]
    assert "hook point" in describe(saved(tmp_path, state(**NESTED), "resid_post_mlp/sae.pt")).config.problems[0]


def test_a_folder_of_layers(tmp_path: Path) -> None:
    for layer in (0, 2, 10):
        path = saved(tmp_path, state(**NESTED), f"resid_post_mlp_v5_32k/autoencoders/{layer}.pt")
    detected = detect(path.parent)
    assert detected is not None
    assert [member.name for member in detected.members] == ["0.pt", "2.pt", "10.pt"]
    with pytest.raises(UserError, match="holds 3 SAEs"):
        detected.describe()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"activation": "Identity"}, "Identity"),
        ({"activation": ["TopK"]}, "activation function"),
        ({"activation": "TopK"}, "k is None"),
        ({"activation": "TopK", "activation_state_dict": {"k": 10**6}}, "impossible"),
    ],
)
def test_what_can_not_be(settings: dict[str, Any], match: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=match):
        describe(saved(tmp_path, state(**settings)))
