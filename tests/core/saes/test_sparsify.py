"""EleutherAI sparsify: all its eras, and what the names of folders say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from semascope.core.errors import UserError
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import describe
from semascope.core.saes.save import save_saelens
from tests.core.saes.changes import changed, close, draw, read, retensored
from tests.core.saes.golden import GOLDEN, load

SPARSIFY = GOLDEN / "sparsify/topk/layers.3"
TRANSCODER = GOLDEN / "sparsify/transcoder/layers.3.mlp"


def test_before_2025_transcoders_subtracted_and_had_no_key_for_it(tmp_path: Path) -> None:
    folder = changed(GOLDEN / "sparsify/transcoder/layers.3.mlp", tmp_path / "layers.3.mlp", transcode=None)
    weights = load_file(folder / "sae.safetensors")
    save_file({**weights, "W_skip": torch.randn(16, 16)}, folder / "sae.safetensors")
    config = read(folder)
    assert config.apply_b_dec_to_input
    assert config.architecture == "topk_skip_transcoder"
    assert (str(config.hook_point), str(config.hook_out)) == ("mlp_in.3", "mlp_out.3")


def test_the_skip_connection_takes_the_raw_input(tmp_path: Path) -> None:
    folder = changed(GOLDEN / "sparsify/transcoder/layers.3.mlp", tmp_path / "layers.3.mlp", skip_connection=True)
    weights, skip = load_file(folder / "sae.safetensors"), torch.randn(16, 16)
    save_file({**weights, "W_skip": skip}, folder / "sae.safetensors")
    golden = load("sparsify/transcoder/layers.3.mlp")
    expected = golden.x_hat + golden.x @ skip.T
    torch.testing.assert_close(open_sae(folder, device="cpu")(golden.x), expected, atol=1e-5, rtol=1e-5)


def test_groupmax_and_signed(tmp_path: Path) -> None:
    x = load("sparsify/topk/layers.3").x
    weights = load_file(SPARSIFY / "sae.safetensors")
    p = (x - weights["b_dec"]) @ weights["encoder.weight"].T + weights["encoder.bias"]
    groups = p.relu().view(32, 8, 8)
    expected = torch.where(groups == groups.amax(-1, keepdim=True), groups, 0.0).view(32, 64)
    groupmax = open_sae(changed(SPARSIFY, tmp_path / "a", activation="groupmax"), device="cpu")
    torch.testing.assert_close(groupmax.encode(x), expected, atol=1e-5, rtol=1e-5)
    signed = open_sae(changed(SPARSIFY, tmp_path / "b", signed=True), device="cpu").encode(x)
    assert ((signed != 0).sum(dim=1) == 8).all()
    assert (signed < 0).any()


def test_the_run_above_and_a_folder_for_each_seed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model": "EleutherAI/pythia-160m", "exclude_tokens": [0]}')
    (tmp_path / "layers.7").mkdir()
    shutil.copytree(SPARSIFY, tmp_path / "layers.7" / "seed1")
    config = read(tmp_path / "layers.7" / "seed1")
    assert (str(config.hook_point), config.model_name) == ("resid_post.7", "EleutherAI/pythia-160m")
    assert config.metadata["exclude_tokens"] == [0]


@pytest.mark.parametrize("above", ["not JSON", '{"model": {"type": "llama"}, "transcode": "maybe"}'])
def test_another_config_above_does_not_matter(above: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(above)
    shutil.copytree(SPARSIFY, tmp_path / "layers.3")
    assert read(tmp_path / "layers.3") == read(SPARSIFY)


def test_a_renamed_folder_says_what_is_missing(tmp_path: Path) -> None:
    config = read(changed(SPARSIFY, tmp_path / "mine"))
    assert config.hook_point is None
    assert "give the hook point" in config.problems[0]


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        ("layers.10", "resid_post.10"),
        ("gpt_neox.layers.3", "resid_post.3"),
        ("model.layers.24", "resid_post.24"),
        ("language_model.model.layers.24", "resid_post.24"),
        ("h.3", "resid_post.3"),
        ("layers.5.mlp", "mlp_out.5"),
        ("transformer.h.3.mlp", "mlp_out.3"),
        ("layers.0.attention", "attn_out.0"),
        ("layers.0.self_attn", "attn_out.0"),
        ("layers.5.mlp.down_proj", "mlp_out.5"),
        ("embed_tokens", "resid_pre.0"),
        ("embed_in", "resid_pre.0"),
        ("wte", "embed.0"),
    ],
)
def test_modules_by_name(name: str, hook: str, tmp_path: Path) -> None:
    assert str(read(changed(SPARSIFY, tmp_path / name)).hook_point) == hook
    assert str(read(changed(SPARSIFY, tmp_path / "seeds" / name / "seed2")).hook_point) == hook


@pytest.mark.parametrize(
    ("name", "read_at", "written_at"),
    [
        ("layers.5.mlp", "mlp_in.5", "mlp_out.5"),
        ("h.5.mlp", "mlp_in.5", "mlp_out.5"),
        ("layers.5", "resid_pre.5", "resid_post.5"),
        ("layers.5.attention", "attn_in.5", "attn_out.5"),
    ],
)
def test_a_transcoder_reads_the_module_s_input(name: str, read_at: str, written_at: str, tmp_path: Path) -> None:
    config = read(changed(TRANSCODER, tmp_path / name))
    assert f"{config.hook_point} {config.hook_out}" == f"{read_at} {written_at}"


def test_gemma_s_mlp_gives_what_its_post_norm_is_given(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model": "google/gemma-2-2b"}')
    assert str(read(changed(SPARSIFY, tmp_path / "layers.5.mlp")).hook_point) == "mlp_raw.5"


def test_a_module_that_is_no_hook_point_is_named(tmp_path: Path) -> None:
    config = read(changed(SPARSIFY, tmp_path / "layers.5.attention.query_key_value"))
    assert config.reads == ()
    assert "query_key_value" in config.problems[0]


@pytest.mark.parametrize("run", [{"transcode": True}, {"sae": {"transcode": True}}])
def test_a_run_that_transcodes(run: dict[str, Any], tmp_path: Path) -> None:
    """Its cfg.json is from before the key, so b_dec is still subtracted."""
    (tmp_path / "config.json").write_text(json.dumps(run))
    folder = changed(SPARSIFY, tmp_path / "layers.3.mlp")
    config = read(folder)
    assert (config.kind, config.apply_b_dec_to_input) == ("transcoder", True)
    assert str(config.hook_point) == "mlp_in.3"
    assert "subtracts b_dec" in config.notes[0]
    close(open_sae(folder, device="cpu").encode(load("sparsify/topk/layers.3").x), load("sparsify/topk/layers.3").f)


def test_tokens_left_out_and_training_s_other_top_k(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"exclude_tokens": [0, 5, "x", true]}')
    folder = changed(SPARSIFY, tmp_path / "layers.3", multi_topk=True, num_latents=0, expansion_factor=4)
    config = read(folder)
    assert (config.mask_ids, config.problems) == ((0, 5), ())
    close(open_sae(folder, device="cpu").encode(load("sparsify/topk/layers.3").x), load("sparsify/topk/layers.3").f)


def test_settings_of_another_dictionary(tmp_path: Path) -> None:
    assert "num_latents is 65" in read(changed(SPARSIFY, tmp_path / "layers.1", num_latents=65)).problems[0]
    wider = changed(SPARSIFY, tmp_path / "layers.2", num_latents=0, expansion_factor=8)
    assert "num_latents is 128" in read(wider).problems[0]
    assert "d_in is 17" in read(changed(SPARSIFY, tmp_path / "layers.4", d_in=17)).problems[0]


def test_groups_that_don_t_come_out_even(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="k is 7"):
        describe(changed(SPARSIFY, tmp_path / "layers.3", activation="groupmax", k=7))


def test_a_skip_transcoder_of_2024_comes_back_from_saelens_format_the_same(tmp_path: Path) -> None:
    folder = changed(TRANSCODER, tmp_path / "layers.3.mlp", transcode=None)
    weights = retensored(folder / "sae.safetensors", W_skip=draw(16, 16))
    x = load("sparsify/transcoder/layers.3.mlp").x
    p = ((x - weights["b_dec"]) @ weights["encoder.weight"].T + weights["encoder.bias"]).relu()
    f = torch.zeros_like(p).scatter(-1, p.topk(8, dim=-1).indices, 1.0) * p
    x_hat = f @ weights["W_dec"] + weights["b_dec"] + x @ weights["W_skip"].T
    sae = open_sae(folder, device="cpu")
    close(sae.encode(x), f)
    close(sae(x), x_hat)
    save_saelens(sae, tmp_path / "saved")
    again = open_sae(tmp_path / "saved", device="cpu")
    assert torch.equal(again(x), sae(x))
    assert again.config.apply_b_dec_to_input
