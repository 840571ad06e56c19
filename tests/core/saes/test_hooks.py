"""Names of places in three dialects: `formats.md`, section 5."""

from __future__ import annotations

import pytest

from semascope.core.models.hookpoint import SITES, HookPoint
from semascope.core.saes.hooks import from_module, from_module_side, from_transformer_lens, transformer_lens_name


@pytest.mark.parametrize("site", SITES)
def test_transformer_lens_there_and_back(site: str) -> None:
    hook = HookPoint(site, 7)
    assert from_transformer_lens(transformer_lens_name(hook)).hook == hook


@pytest.mark.parametrize(
    ("name", "model", "expected"),
    [
        ("blocks.15.hook_resid_post", "", "resid_post.15"),
        ("blocks.0.attn.hook_z", "gpt2", "attn_z.0"),
        ("blocks.3.mlp.hook_out", "meta-llama/Llama-3.2-1B", "mlp_out.3"),
        ("blocks.3.mlp.hook_out", "google/gemma-2-2b", None),
        ("hook_embed", "gemma-2-2b", "resid_pre.0"),
        ("hook_embed", "gpt2-small", None),
        ("blocks.3.hook_resid_mid", "", None),
        ("blocks.3.hook_mlp_in", "", None),
        ("blocks.3.ln2.hook_normalized", "", None),
        ("blocks.3.mlp.hook_post", "", None),
        ("blocks.99999.hook_resid_post", "", None),
        ("somewhere", "", None),
        ("", "", None),
    ],
)
def test_transformer_lens(name: str, model: str, expected: str | None) -> None:
    place = from_transformer_lens(name, model)
    assert (str(place.hook) if place.hook else None) == expected
    assert bool(place.problem) == (expected is None)


@pytest.mark.parametrize(
    ("name", "model", "expected"),
    [
        ("model.layers.3.output", "google/gemma-3-1b-pt", "resid_post.3"),
        ("model.layers.3.input", "", "resid_pre.3"),
        ("model.language_model.layers.20.output", "google/gemma-3-4b-it", "resid_post.20"),
        ("model.layers.3.self_attn.o_proj.input", "google/gemma-3-1b-pt", "attn_z.3"),
        ("model.layers.3.pre_feedforward_layernorm.output", "google/gemma-3-1b-pt", "mlp_in.3"),
        ("model.layers.3.post_feedforward_layernorm.output", "google/gemma-3-1b-pt", "mlp_out.3"),
        ("model.layers.3.post_attention_layernorm.output", "google/gemma-3-1b-pt", "attn_out.3"),
        ("model.layers.3.post_attention_layernorm.output", "meta-llama/Llama-3.2-1B", "mlp_in.3"),
        ("model.layers.3.pre_feedforward_layernorm.input", "google/gemma-3-1b-pt", None),
        ("model.layers.{all}.output", "google/gemma-3-1b-pt", None),
        ("lm_head.output", "", None),
    ],
)
def test_module_paths_with_a_side(name: str, model: str, expected: str | None) -> None:
    place = from_module_side(name, model)
    assert (str(place.hook) if place.hook else None) == expected


@pytest.mark.parametrize(
    ("name", "side", "expected"),
    [
        ("layers.10", "output", "resid_post.10"),
        ("model.layers.24", "output", "resid_post.24"),
        ("h.3", "output", "resid_post.3"),
        ("layers.5.mlp", "output", "mlp_out.5"),
        ("layers.5.mlp", "input", "mlp_in.5"),
        ("layers.0.attention", "output", "attn_out.0"),
        ("h.0.attn", "output", "attn_out.0"),
        ("embed_tokens", "output", "resid_pre.0"),
        ("wte", "output", None),
        ("my_dictionary", "output", None),
    ],
)
def test_module_paths_without_one(name: str, side: str, expected: str | None) -> None:
    place = from_module(name, side)
    assert (str(place.hook) if place.hook else None) == expected
