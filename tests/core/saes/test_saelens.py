"""SAELens' folders: what each generation says and leaves unsaid, and what SAELens computes beside the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from semascope.core.errors import UserError
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import describe
from semascope.core.saes.opening import open_sae as really_open
from tests.core.saes.changes import changed, close, draw, read, retensored
from tests.core.saes.golden import GOLDEN, load

STANDARD = GOLDEN / "sae_lens_legacy/v4.4.5/standard"
WEIGHTS = "sae_weights.safetensors"


def test_version_two_says_hook_point(tmp_path: Path) -> None:
    folder = changed(STANDARD, tmp_path / "a", hook_point="blocks.8.hook_resid_pre", hook_name=None,
                     architecture=None, activation_fn_str=None, activation_fn="relu", normalize_activations=False,
                     prepend_bos=None, apply_b_dec_to_input=None)  # fmt: skip
    config = read(folder)
    assert (str(config.hook_point), config.architecture, config.prepend_bos) == ("resid_pre.8", "standard", True)
    assert (config.normalize, config.apply_b_dec_to_input, config.problems) == ("none", True, ())


GPT2 = {"hook_point": "blocks.8.hook_resid_pre", "hook_name": None, "model_name": "gpt2-small"}


@pytest.mark.parametrize(
    ("settings", "processing"),
    [
        (GPT2, "centred"),
        ({**GPT2, "model_name": "pythia-70m-deduped"}, "raw"),
        ({**GPT2, "model_from_pretrained_kwargs": {"center_writing_weights": False}}, "raw"),
        ({**GPT2, "hook_point": "blocks.8.attn.hook_z"}, "folded"),
        ({**GPT2, "normalize_activations": "layer_norm"}, "raw"),
        ({"model_from_pretrained_kwargs": {"center_writing_weights": True}}, "centred"),
        ({"model_from_pretrained_kwargs": {"fold_ln": True}}, "raw"),
        ({"model_from_pretrained_kwargs": {"fold_value_biases": True}}, "raw"),
        (
            {"model_from_pretrained_kwargs": {"fold_value_biases": True}, "hook_name": "blocks.3.attn.hook_z"},
            "folded",
        ),
    ],
)
def test_the_form_of_activations(settings: dict[str, Any], processing: str, tmp_path: Path) -> None:
    config = read(changed(STANDARD, tmp_path / "a", **settings))
    assert config.processing == processing
    assert bool(config.notes) == (processing != "raw")
    assert config.problems == ()


def test_what_the_flags_mean_is_said(tmp_path: Path) -> None:
    early = read(changed(STANDARD, tmp_path / "a", **GPT2)).notes
    assert "before version 3" in early[0]
    flag = {"center_writing_weights": True}
    assert (
        "center_writing_weights" in read(changed(STANDARD, tmp_path / "b", model_from_pretrained_kwargs=flag)).notes[0]
    )


LISTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "gpt2-small-mlp-out-saes/sae_group_gpt2_blocks.11.hook_mlp_out_24576:v2",
        {"hook_name": "blocks.11.hook_mlp_out", "normalize_activations": "expected_average_only_in"},
        {"scale": 0.2851548652550073, "normalize": "none", "processing": "centred"},
    ),
    (
        "gemma_2b_blocks.12.hook_resid_post_16384",
        {"hook_name": "blocks.12.hook_resid_post", "normalize_activations": "expected_average_only_in"},
        {"scale": 0.21381938399317255, "normalize": "none"},
    ),
    (
        "gemma_2b_blocks.6.hook_resid_post_16384_anthropic_fast_lr",
        {"hook_name": "blocks.6.hook_resid_post"},
        {"scale": 1.0, "normalize": "none"},
    ),
    ("mistral_7b_layer_8", {"hook_name": "blocks.8.hook_resid_pre"}, {"normalize": "constant_norm_rescale"}),
]


@pytest.mark.parametrize(("path", "settings", "expected"), LISTED)
def test_what_only_saelens_own_list_says(
    path: str, settings: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    config = read(changed(STANDARD, tmp_path / path, **settings))
    assert {name: getattr(config, name) for name in expected} == expected
    assert config.problems == ()
    assert all("SAELens' list of releases" in note for note in config.notes)
    assert bool(config.notes) == ("anthropic" not in path)
    assert read(changed(STANDARD, tmp_path / "another", **settings)).notes == ()


def test_tanh_relu(tmp_path: Path) -> None:
    folder = changed(STANDARD, tmp_path / "a", activation_fn_str="tanh-relu")
    golden = load("sae_lens_legacy/v4.4.5/standard")
    torch.testing.assert_close(open_sae(folder, device="cpu").encode(golden.x), golden.f.tanh())


def test_a_factor_of_each_feature_belongs_to_the_decoder(tmp_path: Path) -> None:
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


def test_jumprelu_s_old_logarithmic_threshold(tmp_path: Path) -> None:
    folder = changed(GOLDEN / "sae_lens/jumprelu", tmp_path / "a")
    weights = load_file(folder / "sae_weights.safetensors")
    weights["log_threshold"] = weights.pop("threshold").log()
    save_file(weights, folder / "sae_weights.safetensors")
    golden = load("sae_lens/jumprelu")
    torch.testing.assert_close(open_sae(folder, device="cpu").encode(golden.x), golden.f, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("by_norms", [False, True])
def test_a_training_checkpoint_is_what_it_would_have_been_saved_as(by_norms: bool, tmp_path: Path) -> None:
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


def test_an_input_scale_beside_the_weights_is_folded_in(tmp_path: Path) -> None:
    folder = changed(STANDARD, tmp_path / "a", normalize_activations="expected_average_only_in")
    assert "scaled in training" in read(folder).problems[0]
    (folder / "activation_scaler.json").write_text('{"scaling_factor": 0.25}')
    sae, golden = open_sae(folder, device="cpu"), load("sae_lens_legacy/v4.4.5/standard")
    torch.testing.assert_close(sae.encode(golden.x * 4), golden.f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(golden.x * 4), golden.x_hat * 4, atol=1e-4, rtol=1e-5)
    assert sae.config.problems == ()


def test_gemma_s_mlp_input_by_the_module_s_name(tmp_path: Path) -> None:
    about = {"sae_lens_version": "6.0.0", "model_name": "gemma-3-1b", "hook_name": "blocks.3.hook_mlp_in",
             "hf_hook_name": "model.layers.3.pre_feedforward_layernorm.output"}  # fmt: skip
    assert str(read(changed(GOLDEN / "sae_lens/standard", tmp_path / "a", metadata=about)).hook_point) == "mlp_in.3"


def test_one_attention_head_is_no_hook_point(tmp_path: Path) -> None:
    config = read(changed(STANDARD, tmp_path / "a", hook_name="blocks.3.attn.hook_q", hook_head_index=4))
    assert config.hook_point is None
    assert "single attention head" in config.problems[0]


def test_a_config_of_another_sae_is_noticed(tmp_path: Path) -> None:
    assert "says d_sae is 65" in read(changed(STANDARD, tmp_path / "a", d_sae=65)).problems[0]


@pytest.mark.parametrize("architecture", ["temporal_transcoder", "something_new", "glu_", "topk_skip"])
def test_an_architecture_that_nobody_knows_is_named(architecture: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"“{architecture}”"):
        describe(changed(STANDARD, tmp_path / "a", architecture=architecture))


def test_whitened_inputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="covariance_whitening"):
        describe(changed(STANDARD, tmp_path / "a", normalize_activations="covariance_whitening"))


def test_a_batch_topk_s_norms_and_input_scale_together(tmp_path: Path) -> None:
    """Folded in the order in which SAELens folds them when training ends."""
    folder = changed(GOLDEN / "sae_lens/topk", tmp_path / "a", architecture="matryoshka_batchtopk",
                     rescale_acts_by_decoder_norm=True, normalize_activations="expected_average_only_in")  # fmt: skip
    weights = retensored(folder / WEIGHTS, topk_threshold=torch.tensor(0.7).double())
    (folder / "activation_scaler.json").write_text('{"scaling_factor": 0.25, "has_whitening": false}')
    sae, x = open_sae(folder, device="cpu"), load("sae_lens/topk").x * 4
    norms = weights["W_dec"].norm(dim=1)
    p = ((x * 0.25 - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]) * norms
    f = torch.where(p > 0.7, p, 0.0)
    close(sae.encode(x), f / 0.25)
    close(sae(x), ((f / norms) @ weights["W_dec"] + weights["b_dec"]) / 0.25)
    assert len(sae.config.notes) == 2


@pytest.mark.parametrize("architecture", ["topk", "abstopk"])
def test_a_training_checkpoint_of_a_top_k(architecture: str, tmp_path: Path) -> None:
    folder = changed(GOLDEN / "sae_lens/topk", tmp_path / "a", architecture=architecture, use_sparse_activations=True,
                     aux_loss_coefficient=1.0, rescale_acts_by_decoder_norm=True)  # fmt: skip
    weights, x = load_file(folder / WEIGHTS), load("sae_lens/topk").x
    norms = weights["W_dec"].norm(dim=1)
    p = ((x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]) * norms
    ids = (p.abs() if architecture == "abstopk" else p).topk(8, dim=-1).indices
    f = torch.zeros_like(p).scatter(-1, ids, p.gather(-1, ids))
    f = f if architecture == "abstopk" else f.relu()
    sae = open_sae(folder, device="cpu")
    close(sae.encode(x), f)
    close(sae(x), (f / norms) @ weights["W_dec"] + weights["b_dec"])


def test_pursuit_with_an_input_scale_that_is_still_beside_it(tmp_path: Path) -> None:
    """Its encoder is its decoder, so only the bias and the residual at which it stops take the scale."""
    source = "sae_lens/matching_pursuit"
    folder = changed(GOLDEN / source, tmp_path / "a", normalize_activations="expected_average_only_in")
    (folder / "activation_scaler.json").write_text('{"scaling_factor": 0.25}')
    sae, golden = open_sae(folder, device="cpu"), load(source)
    close(sae.encode(golden.x * 4) / 4, golden.f)
    close(sae(golden.x * 4) / 4, golden.x_hat)


def test_transcoders_of_top_k_which_only_we_write(tmp_path: Path) -> None:
    folder = changed(GOLDEN / "sae_lens/transcoder", tmp_path / "a", architecture="topk_transcoder", k=4)
    weights, x = load_file(folder / WEIGHTS), load("sae_lens/transcoder").x
    p = x @ weights["W_enc"] + weights["b_enc"]
    ids = p.topk(4, dim=-1).indices
    close(open_sae(folder, device="cpu").encode(x), torch.zeros_like(p).scatter(-1, ids, p.gather(-1, ids).relu()))


def test_the_widths_of_a_transcoder_are_compared_with_its_config(tmp_path: Path) -> None:
    assert "says d_out is 13" in read(changed(GOLDEN / "sae_lens/transcoder", tmp_path / "a", d_out=13)).problems[0]


def test_a_single_head_of_hook_z(tmp_path: Path) -> None:
    config = read(changed(STANDARD, tmp_path / "a", hook_name="blocks.3.attn.hook_z", hook_head_index=4))
    assert (str(config.hook_point), config.head, config.problems) == ("attn_z.3", 4, ())


def test_what_was_left_out_of_training(tmp_path: Path) -> None:
    config = read(changed(STANDARD, tmp_path / "a", seqpos_slice=[2, 100, None], exclude_special_tokens=[2, 105]))
    assert (config.mask_first, config.mask_ids) == (2, (2, 105))
    assert "[2, 100, None]" in config.notes[0]
    assert read(changed(STANDARD, tmp_path / "b", exclude_special_tokens=True)).mask_ids == ()


def test_a_gate_on_the_encoder_which_only_we_write(tmp_path: Path) -> None:
    folder = changed(GOLDEN / "sae_lens/topk", tmp_path / "a", architecture="glu_topk")
    weights = retensored(folder / WEIGHTS, W_glu=draw(16, 64), b_glu=draw(64, seed=1))
    sae, x = open_sae(folder, device="cpu"), load("sae_lens/topk").x
    inner = x - weights["b_dec"]
    p = (inner @ weights["W_enc"] + weights["b_enc"]) * (inner @ weights["W_glu"] + weights["b_glu"]).sigmoid()
    ids = p.topk(8, dim=-1).indices
    f = torch.zeros_like(p).scatter(-1, ids, p.gather(-1, ids).relu())
    close(sae.encode(x), f)
    assert torch.equal(sae.encode_some(x, torch.tensor([3, 1])), sae.encode(x)[:, [3, 1]])
    mapped = really_open(folder, device="cpu", mapped=True)
    close(mapped.encode(x), f)
    close(mapped(x), f @ weights["W_dec"] + weights["b_dec"])
