"""Names of places in three dialects: `formats.md`, section 5."""

from __future__ import annotations

import pytest

from semascope.core.models.hookpoint import SITES, HookPoint
from semascope.core.saes.hooks import from_module, from_module_side, from_transformer_lens, transformer_lens_name


@pytest.mark.parametrize("site", SITES)
def test_transformer_lens_there_and_back(site: str) -> None:
    hook = HookPoint(site, 0 if site == "embed" else 7)
    assert from_transformer_lens(transformer_lens_name(hook), "OLMo-2").hook == hook


@pytest.mark.parametrize(
    ("name", "model", "expected"),
    [
        ("blocks.15.hook_resid_post", "", "resid_post.15"),
        ("blocks.0.attn.hook_z", "gpt2", "attn_z.0"),
        ("blocks.3.mlp.hook_out", "meta-llama/Llama-3.2-1B", "mlp_out.3"),
        ("blocks.3.mlp.hook_out", "google/gemma-2-2b", "mlp_raw.3"),
        ("blocks.3.mlp.hook_out", "google/gemma-2b", "mlp_out.3"),
        ("blocks.3.attn.hook_out", "", "attn_out.3"),
        ("hook_embed", "gemma-2-2b", "resid_pre.0"),
        ("hook_embed", "gpt2-small", "embed.0"),
        ("blocks.3.hook_resid_mid", "", "resid_mid.3"),
        ("blocks.3.hook_mlp_in", "", "resid_mid.3"),
        ("blocks.3.ln2.hook_normalized", "", "mlp_norm.3"),
        ("blocks.3.mlp.hook_post", "", "mlp_act.3"),
        ("blocks.3.attn.hook_q", "", None),
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
        ("model.layers.3.post_attention_layernorm.output", "google/gemma-2b-it", "mlp_in.3"),
        ("model.layers.3.post_attention_layernorm.input", "paligemma-3b-pt-224", "resid_mid.3"),
        ("model.layers.3.post_attention_layernorm.input", "google/gemma-2b-it", "resid_mid.3"),
        ("model.layers.3.post_attention_layernorm.input", "google/paligemma2-3b-pt-224", "attn_raw.3"),
        ("model.layers.3.pre_feedforward_layernorm.input", "google/gemma-3-1b-pt", "resid_mid.3"),
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
        ("wte", "output", "embed.0"),
        ("my_dictionary", "output", None),
    ],
)
def test_module_paths_without_one(name: str, side: str, expected: str | None) -> None:
    place = from_module(name, side)
    assert (str(place.hook) if place.hook else None) == expected
    assert place.hook or f"“{name}”" in place.problem


@pytest.mark.parametrize(
    ("name", "site", "normed"),
    [
        ("layers.5.mlp.output", "mlp_out", "mlp_raw"),
        ("layers.5.self_attn.output", "attn_out", "attn_raw"),
        ("layers.5.post_attention_layernorm.input", "resid_mid", "attn_raw"),
        ("layers.5.post_attention_layernorm.output", "mlp_in", "attn_out"),
        ("layers.5.output", "resid_post", ""),
        ("layers.5.mlp.input", "mlp_in", ""),
    ],
)
def test_a_module_of_an_unnamed_model_leaves_it_to_the_model(name: str, site: str, normed: str) -> None:
    for model in ("", "my/finetune"):
        hook = from_module_side(name, model).hook
        assert hook is not None
        assert (hook, hook.normed, hook.at(3).normed) == (HookPoint(site, 5), normed, normed)
    known = from_module_side(name, "EleutherAI/pythia-70m").hook
    assert known is not None
    assert (known.site, known.normed) == (site, "")
