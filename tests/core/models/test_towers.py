"""Vision towers: found in every vision-language model and in plain vision models, absent where nothing reads images."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import SITES, HookPoint
from semascope.core.models.tree import find_tower
from tests.core.models.families import (
    FAMILIES,
    SEEING,
    VISION_HIDDEN,
    VISION_LAYERS,
    VISION_MODELS,
    VISION_WIDTH,
    build,
    language_model,
    part,
)

READ = ("resid_pre", "attn_in", "attn_z", "attn_out", "resid_mid", "mlp_in", "mlp_act", "mlp_out", "resid_post")


@pytest.mark.parametrize("name", SEEING)
def test_a_wrappers_tower_is_where_its_code_has_it(name: str) -> None:
    model = language_model(name)
    tower = model.tree.tower
    assert tower is not None
    assert tower.blocks is part(model.module, FAMILIES[name].tower)
    assert (len(tower.blocks), tower.width) == (VISION_LAYERS, VISION_WIDTH)
    for site in SITES:
        hook = HookPoint(site, 2, "vision")
        if site == "embed":
            with pytest.raises(UserError, match="has no embed"):
                model.tree.tap(hook)
            continue
        found = model.tree.tap(hook).module
        assert any(found is module for module in tower.blocks[2].modules())
        assert model.width(hook) == (tower.tap(hook).module.weight.shape[1] if site == "mlp_act" else VISION_WIDTH)  # type: ignore[index,union-attr]
    with pytest.raises(UserError, match="no layer 3 in this model's vision tower"):
        model.tree.tap(HookPoint("resid_post", 3, "vision"))


@pytest.mark.parametrize("name", ["llava", "qwen3_vl", "idefics3"])
def test_text_passes_no_tower(name: str) -> None:
    ids = torch.tensor([[5, 6, 7]])
    with pytest.raises(UserError, match=r"never passes vision.resid_post.1 "):
        language_model(name).run_to(
            (HookPoint("resid_post", 0), HookPoint(["vision", "resid_post"][1], 1, "vision")), ids
        )


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in SEEING])
def test_a_language_model_without_a_tower_says_so(name: str) -> None:
    model = language_model(name)
    with pytest.raises(UserError, match=r"no vision tower that can be read, so there is no vision.resid_post.1"):
        model.tree.tap(HookPoint("resid_post", 1, "vision"))


@pytest.mark.parametrize("name", list(VISION_MODELS))
def test_a_vision_models_blocks_add_up_at_the_places_found(name: str) -> None:
    module = build(name)
    for parameter in module.parameters():
        parameter.mul_(3.0)
    tower = find_tower(module)
    assert tower is not None
    assert tower.blocks is part(module, VISION_MODELS[name][1])
    taps = {site: tower.tap(HookPoint(site, 1, "vision")) for site in READ}
    seen: dict[str, Tensor] = {}

    def keep(site: str) -> Any:
        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            given = args[0] if args else kwargs["hidden_states"]
            gave = output[0] if isinstance(output, tuple) else output
            seen[site] = given if taps[site].side == "input" else gave

        return hook

    for site, tap in taps.items():
        tap.module.register_forward_hook(keep(site), with_kwargs=True)
    pixels = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        (module.vision_model if name == "clip" else module)(pixel_values=pixels)
    assert {site: value.shape[-1] for site, value in seen.items()} == {
        site: 4 * VISION_WIDTH
        if site == "mlp_act" and "dinov2" in name
        else VISION_HIDDEN
        if site == "mlp_act"
        else VISION_WIDTH
        for site in READ
    }
    torch.testing.assert_close(seen["resid_pre"] + seen["attn_out"], seen["resid_mid"])
    torch.testing.assert_close(seen["resid_mid"] + seen["mlp_out"], seen["resid_post"])
    with torch.inference_mode():
        block = tower.blocks[1]
        before = block.get_submodule(next(n for n in ("layer_norm1", "norm1", "layernorm_before") if hasattr(block, n)))
        assert torch.equal(before(seen["resid_pre"]), seen["attn_in"])
        scale = block.layer_scale1 if hasattr(block, "layer_scale1") else nn.Identity()
        assert torch.equal(scale(taps["attn_z"].module(seen["attn_z"])), seen["attn_out"])
