"""State dicts beside NAME_cfg.json: their formula, TransformerLens' names of places, one head or all."""

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

D, M = 12, 40
NAME = "gpt2-small_L5_Hcat_z_lr1.20e-03_l11.00e+00_ds49152_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9"


def state(d: int = D) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(d)
    shapes = {"W_enc": (d, M), "W_dec": (M, d), "b_enc": (M,), "b_dec": (d,)}
    return {name: torch.randn(shape, generator=draw) * 0.5 for name, shape in shapes.items()}


def saved(folder: Path, name: str = NAME, tensors: dict[str, Tensor] | None = None, **settings: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state() if tensors is None else tensors, folder / f"{name}.pt")
    default = {"model_name": "gpt2-small", "act_name": "blocks.5.attn.hook_z", "act_size": D, "dict_size": M}
    (folder / f"{name}_cfg.json").write_text(json.dumps({**default, **settings}))
    return folder


@pytest.mark.parametrize("d", [D, M])
@pytest.mark.parametrize("mapped", [False, True])
def test_the_formula_on_heads_side_by_side(d: int, mapped: bool, tmp_path: Path) -> None:
    t = state(d)
    sae = open_sae(saved(tmp_path, tensors=t, act_size=d), device="cpu", mapped=mapped)
    x = torch.randn(64, d, generator=torch.Generator().manual_seed(9))
    f = ((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).relu()
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), f @ t["W_dec"] + t["b_dec"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae.encode(x.unflatten(-1, (4, -1))), f, atol=1e-5, rtol=1e-5)
    config = sae.config
    assert (str(config.hook_point), config.model_name, config.problems) == ("attn_z.5", "gpt2-small", ())
    assert (config.processing, "is assumed" in config.notes[0], config.head) == ("folded", True, None)


@pytest.mark.parametrize(
    ("name", "settings", "hook", "head"),
    [
        (NAME, {}, "attn_z.5", None),
        ("gpt2-small_L5_H3_z_lr1", {}, "attn_z.5", 3),
        ("x", {"head": 2}, "attn_z.5", 2),
        ("x", {"head": "cat"}, "attn_z.5", None),
        ("25", {"act_name": "blocks.0.mlp.hook_post"}, "mlp_act.0", None),
        ("25", {"act_name": None, "site": "mlp_out", "layer": 1}, "mlp_out.1", None),
        ("25", {"act_name": None, "site": "z", "layer": 1}, "attn_z.1", None),
        ("25", {"act_name": "blocks.1.hook_resid_pre", "head": 1}, "resid_pre.1", None),
    ],
)
def test_places(name: str, settings: dict[str, Any], hook: str, head: int | None, tmp_path: Path) -> None:
    config = describe(saved(tmp_path, name, **settings)).config
    assert (str(config.hook_point), config.head, config.heads) == (hook, head, "attn_z" in hook and head is None)
    assert config.problems == ()


def test_what_is_not_said_is_asked_for(tmp_path: Path) -> None:
    config = describe(saved(tmp_path, "gelu-1l_L0_a", act_name=None, model_name=None)).config
    assert (config.reads, config.model_name) == ((), "gelu-1l")
    assert "hook point" in config.problems[0]


@pytest.mark.parametrize(("name", "head"), [(NAME, None), ("gpt2-small_L5_H7_z_lr1", 7)])
def test_without_settings_the_name_says_them(name: str, head: int | None, tmp_path: Path) -> None:
    (saved(tmp_path, name) / f"{name}_cfg.json").unlink()
    for path in (tmp_path, tmp_path / f"{name}.pt"):
        config = describe(path).config
        assert (str(config.hook_point), config.head, config.model_name) == ("attn_z.5", head, "gpt2-small")
        assert config.problems == ()


def test_pairs_are_members(tmp_path: Path) -> None:
    for layer in (2, 10):
        saved(tmp_path, f"gpt2-small_L{layer}_Hcat_z", act_name=f"blocks.{layer}.attn.hook_z")
    torch.save({"other": torch.zeros(3)}, tmp_path / "alone.pt")
    detected = detect(tmp_path)
    assert detected is not None
    assert [path.name for path in detected.members] == ["gpt2-small_L2_Hcat_z.pt", "gpt2-small_L10_Hcat_z.pt"]
    with pytest.raises(UserError, match="holds 2 SAEs"):
        detected.describe()
    for name in ("gpt2-small_L10_Hcat_z.pt", "gpt2-small_L10_Hcat_z_cfg.json"):
        assert str(describe(tmp_path / name).config.hook_point) == "attn_z.10"


def test_settings_of_another_are_noticed(tmp_path: Path) -> None:
    assert "dict_size is 41" in describe(saved(tmp_path, dict_size=41)).config.problems[0]
    with pytest.raises(UserError, match="b_enc"):
        describe(saved(tmp_path, tensors={**state(), "b_enc": torch.zeros(M - 1)}))
