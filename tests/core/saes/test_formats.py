"""What each family's files say, and what they leave unsaid: generations, paths, old keys, links of a hub's cache."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from semascope.core.errors import UserError
from semascope.core.saes import open_sae
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.detect import describe
from tests.core.saes.golden import GOLDEN, load

STANDARD = GOLDEN / "sae_lens_legacy/v4.4.5/standard"
SPARSIFY = GOLDEN / "sparsify/topk/layers.3"
GEMMA_1 = GOLDEN / "releases/gemma_scope_2b_pt_res/layer_3/width_16k/average_l0_30"
GEMMA_2 = GOLDEN / "releases/gemma_scope_2_1b_pt/transcoder_all/layer_3_width_16k_l0_small_affine"


def changed(source: Path, folder: Path, **settings: Any) -> Path:
    """A copy of a fixture with other settings; None removes one."""
    shutil.copytree(source, folder)
    name = "cfg.json" if (folder / "cfg.json").exists() else "config.json"
    config = {**json.loads((folder / name).read_text()), **settings}
    (folder / name).write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    return folder


def read(path: Path) -> SAEConfig:
    return describe(path).config


class TestSAELens:
    def test_version_two_says_hook_point(self, tmp_path: Path) -> None:
        folder = changed(STANDARD, tmp_path / "a", hook_point="blocks.8.hook_resid_pre", hook_name=None,
                         architecture=None, activation_fn_str=None, activation_fn="relu", normalize_activations=False,
                         prepend_bos=None, apply_b_dec_to_input=None)  # fmt: skip
        config = read(folder)
        assert (str(config.hook_point), config.architecture, config.prepend_bos) == ("resid_pre.8", "standard", True)
        assert (config.normalize, config.apply_b_dec_to_input, config.problems) == ("none", True, ())

    def test_early_gpt2_was_centred_and_does_not_say_so(self, tmp_path: Path) -> None:
        folder = changed(STANDARD, tmp_path / "a", hook_point="blocks.8.hook_resid_pre", model_name="gpt2-small")
        assert "mean-centred" in read(folder).problems[0]
        said = changed(STANDARD, tmp_path / "b", model_from_pretrained_kwargs={"center_writing_weights": True})
        assert "mean-centred" in read(said).problems[0]

    def test_tanh_relu(self, tmp_path: Path) -> None:
        folder = changed(STANDARD, tmp_path / "a", activation_fn_str="tanh-relu")
        golden = load("sae_lens_legacy/v4.4.5/standard")
        torch.testing.assert_close(open_sae(folder, device="cpu").encode(golden.x), golden.f.tanh())

    def test_a_factor_of_each_feature_belongs_to_the_decoder(self, tmp_path: Path) -> None:
        golden = load("sae_lens_legacy/v4.4.5/standard")
        for name in ("scaling_factor", "finetuning_scaling_factor"):
            folder = changed(STANDARD, tmp_path / name, finetuning_scaling_factor=True)
            weights = load_file(folder / "sae_weights.safetensors")
            factor = torch.rand(64) + 0.5
            save_file({**weights, name: factor}, folder / "sae_weights.safetensors")
            sae = open_sae(folder, device="cpu")
            expected = (golden.f * factor) @ weights["W_dec"] + weights["b_dec"]
            torch.testing.assert_close(sae(golden.x), expected, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(sae.encode(golden.x), golden.f, atol=1e-5, rtol=1e-5)

    def test_jumprelu_s_old_logarithmic_threshold(self, tmp_path: Path) -> None:
        folder = changed(GOLDEN / "sae_lens/jumprelu", tmp_path / "a")
        weights = load_file(folder / "sae_weights.safetensors")
        weights["log_threshold"] = weights.pop("threshold").log()
        save_file(weights, folder / "sae_weights.safetensors")
        golden = load("sae_lens/jumprelu")
        torch.testing.assert_close(open_sae(folder, device="cpu").encode(golden.x), golden.f, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("by_norms", [False, True])
    def test_a_training_checkpoint_is_what_it_would_have_been_saved_as(self, by_norms: bool, tmp_path: Path) -> None:
        folder = changed(GOLDEN / "sae_lens/topk", tmp_path / "a", architecture="batchtopk",
                         rescale_acts_by_decoder_norm=by_norms)  # fmt: skip
        weights = load_file(folder / "sae_weights.safetensors")
        save_file({**weights, "topk_threshold": torch.tensor(0.7).double()}, folder / "sae_weights.safetensors")
        sae, x = open_sae(folder, device="cpu"), load("sae_lens/topk").x
        norms = weights["W_dec"].norm(dim=1) if by_norms else torch.ones(64)
        p = ((x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]) * norms
        f = torch.where(p > 0.7, p, 0.0)
        torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(sae(x), (f / norms) @ weights["W_dec"] + weights["b_dec"], atol=1e-5, rtol=1e-5)
        assert sae.config.architecture == "jumprelu"
        assert "training checkpoint" in sae.config.problems[0]

    def test_an_input_scale_beside_the_weights_is_folded_in(self, tmp_path: Path) -> None:
        folder = changed(STANDARD, tmp_path / "a", normalize_activations="expected_average_only_in")
        assert "scaled in training" in read(folder).problems[0]
        (folder / "activation_scaler.json").write_text('{"scaling_factor": 0.25}')
        sae, golden = open_sae(folder, device="cpu"), load("sae_lens_legacy/v4.4.5/standard")
        torch.testing.assert_close(sae.encode(golden.x * 4), golden.f, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(sae(golden.x * 4), golden.x_hat * 4, atol=1e-4, rtol=1e-5)
        assert sae.config.problems == ()

    def test_gemma_s_mlp_input_by_the_module_s_name(self, tmp_path: Path) -> None:
        about = {"sae_lens_version": "6.0.0", "model_name": "gemma-3-1b", "hook_name": "blocks.3.hook_mlp_in",
                 "hf_hook_name": "model.layers.3.pre_feedforward_layernorm.output"}  # fmt: skip
        assert str(read(changed(GOLDEN / "sae_lens/standard", tmp_path / "a", metadata=about)).hook_point) == "mlp_in.3"

    def test_one_attention_head_is_no_hook_point(self, tmp_path: Path) -> None:
        config = read(changed(STANDARD, tmp_path / "a", hook_name="blocks.3.attn.hook_q", hook_head_index=4))
        assert config.hook_point is None
        assert "single attention head" in config.problems[0]

    def test_a_config_of_another_sae_is_noticed(self, tmp_path: Path) -> None:
        assert "says d_sae is 65" in read(changed(STANDARD, tmp_path / "a", d_sae=65)).problems[0]

    @pytest.mark.parametrize("architecture", ["temporal", "something_new"])
    def test_an_architecture_that_is_not_read_is_named(self, architecture: str, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=architecture):
            describe(changed(STANDARD, tmp_path / "a", architecture=architecture))


class TestSparsify:
    def test_before_2025_transcoders_subtracted_and_had_no_key_for_it(self, tmp_path: Path) -> None:
        folder = changed(GOLDEN / "sparsify/transcoder/layers.3.mlp", tmp_path / "layers.3.mlp", transcode=None)
        weights = load_file(folder / "sae.safetensors")
        save_file({**weights, "W_skip": torch.randn(16, 16)}, folder / "sae.safetensors")
        config = read(folder)
        assert config.apply_b_dec_to_input
        assert config.architecture == "topk_skip_transcoder"
        assert (str(config.hook_point), str(config.hook_out)) == ("mlp_in.3", "mlp_out.3")

    def test_the_skip_connection_takes_the_raw_input(self, tmp_path: Path) -> None:
        folder = changed(GOLDEN / "sparsify/transcoder/layers.3.mlp", tmp_path / "layers.3.mlp", skip_connection=True)
        weights, skip = load_file(folder / "sae.safetensors"), torch.randn(16, 16)
        save_file({**weights, "W_skip": skip}, folder / "sae.safetensors")
        golden = load("sparsify/transcoder/layers.3.mlp")
        expected = golden.x_hat + golden.x @ skip.T
        torch.testing.assert_close(open_sae(folder, device="cpu")(golden.x), expected, atol=1e-5, rtol=1e-5)

    def test_groupmax_and_signed(self, tmp_path: Path) -> None:
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

    def test_the_run_above_and_a_folder_for_each_seed(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text('{"model": "EleutherAI/pythia-160m", "exclude_tokens": [0]}')
        (tmp_path / "layers.7").mkdir()
        shutil.copytree(SPARSIFY, tmp_path / "layers.7" / "seed1")
        config = read(tmp_path / "layers.7" / "seed1")
        assert (str(config.hook_point), config.model_name) == ("resid_post.7", "EleutherAI/pythia-160m")
        assert config.metadata["exclude_tokens"] == [0]

    @pytest.mark.parametrize("above", ["not JSON", '{"model": {"type": "llama"}, "transcode": "maybe"}'])
    def test_another_config_above_does_not_matter(self, above: str, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(above)
        shutil.copytree(SPARSIFY, tmp_path / "layers.3")
        assert read(tmp_path / "layers.3") == read(SPARSIFY)

    def test_a_renamed_folder_says_what_is_missing(self, tmp_path: Path) -> None:
        config = read(changed(SPARSIFY, tmp_path / "mine"))
        assert config.hook_point is None
        assert "which layer" in config.problems[0]


class TestGemmaScope1:
    @pytest.mark.parametrize(
        ("path", "hook", "out", "model"),
        [
            ("gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_82", "resid_post.12", "resid_post.12", "gemma-2-2b"),
            ("gemma-scope-9b-it-res/layer_31/width_16k/average_l0_76", "resid_post.31", "resid_post.31", "gemma-2-9b-it"),
            ("gemma-scope-2b-pt-att/layer_0/width_16k/average_l0_8", "attn_z.0", "attn_z.0", "gemma-2-2b"),
            ("gemma-scope-2b-pt-mlp/layer_5/width_65k/average_l0_40", "mlp_out.5", "mlp_out.5", "gemma-2-2b"),
            ("gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6", "resid_pre.0", "resid_pre.0", "gemma-2-2b"),
            ("gemma-scope-2b-pt-transcoders/layer_4/width_16k/average_l0_88", None, "mlp_out.4", "gemma-2-2b"),
            ("models--google--gemma-scope-2b-pt-res/snapshots/0af3/layer_2/width_16k/average_l0_9",
             "resid_post.2", "resid_post.2", "gemma-2-2b"),
        ],
    )  # fmt: skip
    def test_the_path_says_what_the_file_does_not(
        self, path: str, hook: str | None, out: str, model: str, tmp_path: Path
    ) -> None:
        shutil.copytree(GEMMA_1, tmp_path / path)
        config = read(tmp_path / path / "params.npz")
        assert (config.hook_point and str(config.hook_point), str(config.hook_out)) == (hook, out)
        assert config.model_name == f"google/{model}"
        assert bool(config.problems) == (hook is None)
        assert config.metadata["l0"] == int(path.rsplit("_", 1)[1])

    def test_a_file_alone_has_no_layer_and_says_so(self, tmp_path: Path) -> None:
        shutil.copy(GEMMA_1 / "params.npz", tmp_path)
        config = read(tmp_path)
        assert (config.hook_point, config.model_name) == (None, "")
        assert "does not say which layer" in config.problems[0]
        assert open_sae(tmp_path, device="cpu").encode(torch.zeros(1, 16)).shape == (1, 64)

    def test_embeddings_are_read_where_gemma_has_scaled_them(self, tmp_path: Path) -> None:
        folder = tmp_path / "gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6"
        shutil.copytree(GEMMA_1, folder)
        golden = load(GEMMA_1.relative_to(GOLDEN).as_posix())
        sae = open_sae(folder, device="cpu")
        torch.testing.assert_close(sae.encode(golden.x * 4), golden.f, atol=1e-5, rtol=1e-5)


class TestGemmaScope2:
    def test_without_its_config_the_folder_says_it(self, tmp_path: Path) -> None:
        folder = tmp_path / "gemma-scope-2-1b-pt/transcoder_all/layer_3_width_16k_l0_small_affine"
        shutil.copytree(GEMMA_2, folder)
        whole = read(folder)
        (folder / "config.json").unlink()
        bare = read(folder)
        assert (bare.hook_point, bare.hook_out) == (whole.hook_point, whole.hook_out)
        assert (bare.architecture, bare.model_name) == ("jumprelu_skip_transcoder", "google/gemma-3-1b-pt")

    def test_the_affine_skip_is_not_transposed(self) -> None:
        sae, golden = open_sae(GEMMA_2, device="cpu"), load(GEMMA_2.relative_to(GOLDEN).as_posix())
        skip = load_file(GEMMA_2 / "params.safetensors")["affine_skip_connection"]
        assert golden.forward is not None
        torch.testing.assert_close(golden.x_hat + golden.x @ skip, golden.forward, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(sae(golden.x), golden.forward, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("kind", ["clt", "crosscoder"])
    def test_several_layers_are_not_read_yet(self, kind: str, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=kind):
            describe(changed(GEMMA_2, tmp_path / "a", type=kind))


def test_a_hub_s_cache_of_links_opens(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "models--a--b/blobs", tmp_path / "models--a--b/snapshots/0af3/layers.3"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, name in enumerate(("cfg.json", "sae.safetensors")):
        shutil.copy(SPARSIFY / name, blobs / str(number))
        (snapshot / name).symlink_to(Path("../../../blobs") / str(number))
    assert read(snapshot).format == "sparsify"


def test_double_precision_is_read_and_rounded(tmp_path: Path) -> None:
    with np.load(GEMMA_1 / "params.npz") as arrays:
        np.savez(tmp_path / "params.npz", **{name: arrays[name].astype(np.float64) for name in arrays.files})
    sae = open_sae(tmp_path, device="cpu")
    assert (sae.config.dtype, sae.W_dec.dtype) == ("float64", torch.float32)
