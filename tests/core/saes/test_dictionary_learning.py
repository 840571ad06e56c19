"""dictionary_learning: all seven classes against their formulas, checkpoints, backups, and what is left unsaid."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import relu

from semascope.core.errors import UserError
from semascope.core.identify import identify
from semascope.core.saes import open_sae
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.detect import describe, detect
from semascope.core.saes.memory import bytes_needed
from semascope.core.saes.sae import SAE

D, M, K = 12, 40, 5
Tensors = dict[str, Tensor]


def drawn(**shapes: tuple[int, ...]) -> Tensors:
    draw = torch.Generator().manual_seed(len(shapes))
    return {name.replace("__", "."): torch.randn(shape, generator=draw) * 0.5 for name, shape in shapes.items()}


LINEAR: dict[str, tuple[int, ...]] = {"encoder__weight": (M, D), "encoder__bias": (M,), "decoder__weight": (D, M)}
PLAIN: dict[str, tuple[int, ...]] = {"W_enc": (D, M), "b_enc": (M,), "W_dec": (M, D), "b_dec": (D,)}
K_AND_THRESHOLD = {"k": torch.tensor(K, dtype=torch.int32), "threshold": torch.tensor(0.4)}
TENSORS: dict[str, Tensors] = {
    "AutoEncoder": drawn(**LINEAR, bias=(D,)),
    "AutoEncoderNew": drawn(**LINEAR, decoder__bias=(D,)),
    "GatedAutoEncoder": drawn(
        encoder__weight=(M, D), decoder__weight=(D, M), decoder_bias=(D,), r_mag=(M,), gate_bias=(M,), mag_bias=(M,)
    ),
    "JumpReluAutoEncoder": drawn(**PLAIN, threshold=(M,)),
    "AutoEncoderTopK": {**drawn(**LINEAR, b_dec=(D,)), **K_AND_THRESHOLD},
    "BatchTopKSAE": {**drawn(**LINEAR, b_dec=(D,)), **K_AND_THRESHOLD},
    "MatryoshkaBatchTopKSAE": {**drawn(**PLAIN), **K_AND_THRESHOLD, "group_sizes": torch.tensor([8, 32])},
}


def top(p: Tensor, k: int = K) -> Tensor:
    return torch.where(p >= p.topk(k).values[:, -1:], p, 0.0)


def gated(x: Tensor, t: Tensors) -> Tensor:
    q = (x - t["decoder_bias"]) @ t["encoder.weight"].T
    return (q + t["gate_bias"] > 0) * relu(t["r_mag"].exp() * q + t["mag_bias"])


ENCODE: dict[str, Callable[[Tensor, Tensors], Tensor]] = {
    "AutoEncoder": lambda x, t: relu((x - t["bias"]) @ t["encoder.weight"].T + t["encoder.bias"]),
    "AutoEncoderNew": lambda x, t: relu(x @ t["encoder.weight"].T + t["encoder.bias"]),
    "GatedAutoEncoder": gated,
    "JumpReluAutoEncoder": lambda x, t: (p := x @ t["W_enc"] + t["b_enc"]).relu() * (p > t["threshold"]),
    "AutoEncoderTopK": lambda x, t: top(relu((x - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"])),
    "BatchTopKSAE": lambda x, t: (p := (x - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"]) * (p > 0.4),
    "MatryoshkaBatchTopKSAE": lambda x, t: (p := (x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]) * (p > 0.4),
}


def decode(f: Tensor, t: Tensors) -> Tensor:
    decoder = t["W_dec"] if "W_dec" in t else t["decoder.weight"].T
    bias = next(t[name] for name in ("b_dec", "bias", "decoder.bias", "decoder_bias") if name in t)
    return f @ decoder + bias


def saved(
    folder: Path, tensors: Tensors, name: str = "ae.pt", buffer: dict[str, Any] | None = None, **trainer: Any
) -> Path:
    """A run's folder; without settings for the trainer it gets no config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).parent.mkdir(exist_ok=True)
    torch.save(tensors, folder / name)
    if trainer:
        settings = {"trainer": {"lm_name": "a/model", "layer": 3, **trainer}, "buffer": buffer or {"ctx_len": 32}}
        (folder / "config.json").write_text(json.dumps(settings))
    return folder


def read(path: Path) -> SAEConfig:
    return describe(path).config


def same(sae: SAE, name: str, tensors: Tensors) -> None:
    x = torch.randn(64, D, generator=torch.Generator().manual_seed(9))
    expected = ENCODE[name](x, tensors)
    f = sae.encode(x)
    assert 0 < int((expected != 0).sum()) < expected.numel()
    assert torch.equal(f != 0, expected != 0)
    torch.testing.assert_close(f, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae.decode(f), decode(expected, tensors), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("mapped", [False, True])
def test_every_class(name: str, mapped: bool, tmp_path: Path) -> None:
    folder = saved(tmp_path / "a", TENSORS[name], dict_class=name, k=K, submodule_name="resid_post_layer_3")
    sae = open_sae(folder, device="cpu", mapped=mapped)
    assert sae.mapped == mapped
    same(sae, name, TENSORS[name])
    assert (sae.config.problems, str(sae.config.hook_point), sae.config.model_name) == ((), "resid_post.3", "a/model")


@pytest.mark.parametrize("name", TENSORS)
def test_without_settings_the_tensors_tell(name: str, tmp_path: Path) -> None:
    sae = open_sae(saved(tmp_path / "resid_post_layer_3" / "trainer_0", TENSORS[name]), device="cpu")
    if name != "BatchTopKSAE":  # looks like a top-k
        same(sae, name, TENSORS[name])
    assert str(sae.config.hook_point) == "resid_post.3"
    asked = any("AutoEncoderTopK or a BatchTopKSAE" in problem for problem in sae.config.problems)
    assert asked == (name in ("AutoEncoderTopK", "BatchTopKSAE"))


@pytest.mark.parametrize("name", TENSORS)
def test_a_compiled_module_s_names(name: str, tmp_path: Path) -> None:
    tensors = {f"_orig_mod.{key}": value for key, value in TENSORS[name].items()}
    same(open_sae(saved(tmp_path / "a", tensors, dict_class=name), device="cpu"), name, TENSORS[name])


@pytest.mark.parametrize("name", ["AutoEncoder", "JumpReluAutoEncoder", "MatryoshkaBatchTopKSAE"])
def test_as_many_features_as_values(name: str, tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(3)
    tensors = {
        key: value if value.numel() < 3 else torch.randn((D,) * value.dim(), generator=draw)
        for key, value in TENSORS[name].items()
    }
    same(open_sae(saved(tmp_path / "a", tensors, dict_class=name), device="cpu"), name, tensors)


@pytest.mark.parametrize("name", ["JumpReluAutoEncoder", "MatryoshkaBatchTopKSAE"])
def test_matrices_the_other_way_round_are_turned(name: str, tmp_path: Path) -> None:
    tensors = {key: value.T.contiguous() if value.dim() == 2 else value for key, value in TENSORS[name].items()}
    same(open_sae(saved(tmp_path / "a", tensors, dict_class=name), device="cpu"), name, TENSORS[name])


NORMALISER = {
    "target_rms": torch.tensor(1.5),
    "activation_mean": torch.linspace(-2, 3, D),
    "activation_std": torch.linspace(0.5, 1.5, D),
    "activation_global_scale": torch.tensor(0.42),
}
UNSET = {
    **NORMALISER,
    "activation_mean": torch.full((D,), torch.nan),
    "activation_std": torch.full((D,), torch.nan),
    "activation_global_scale": torch.tensor(1.0),
}


@pytest.mark.parametrize("published", [False, True])
def test_what_the_fork_takes_off_activations_is_taken_off(published: bool, tmp_path: Path) -> None:
    tensors = TENSORS["BatchTopKSAE"]
    if published:  # as a hub's mixin saves it: no class, no layer
        tmp_path.joinpath("config.json").write_text(json.dumps({"activation_dim": D, "dict_size": M, "k": K}))
        save_file({**tensors, **NORMALISER}, tmp_path / "model.safetensors")
    else:
        saved(tmp_path, {**tensors, **NORMALISER}, dict_class="BatchTopKSAE", k=K)
    sae = open_sae(tmp_path, device="cpu")
    x = torch.randn(64, D, generator=torch.Generator().manual_seed(9)) * 3
    mean, scale = NORMALISER["activation_mean"], NORMALISER["activation_global_scale"]
    expected = ENCODE["BatchTopKSAE"]((x - mean) * scale, tensors)
    assert 0 < int((expected != 0).sum()) < expected.numel()
    f = sae.encode(x)
    assert torch.equal(f != 0, expected != 0)
    torch.testing.assert_close(f, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae.decode(f), decode(expected, tensors) / scale + mean, atol=1e-5, rtol=1e-5)
    assert any("mean taken off and are multiplied by 0.42" in note for note in sae.config.notes)
    assert any("hook point" in problem or "layer" in problem for problem in sae.config.problems) == published


def test_the_fork_without_normalisation(tmp_path: Path) -> None:
    folder = saved(tmp_path, {**TENSORS["BatchTopKSAE"], **UNSET}, dict_class="BatchTopKSAE", k=K)
    sae = open_sae(folder, device="cpu")
    same(sae, "BatchTopKSAE", TENSORS["BatchTopKSAE"])
    assert not any("mean" in note for note in sae.config.notes)


def test_other_models_of_that_file_name_are_none(tmp_path: Path) -> None:
    save_file(TENSORS["AutoEncoderNew"], tmp_path / "model.safetensors")
    assert detect(tmp_path) is None


def test_the_folder_s_name_tells_a_batch_topk(tmp_path: Path) -> None:
    path = tmp_path / "BatchTopKTrainer_EleutherAI_pythia-160m-deduped_ctx1024_0108/resid_post_layer_8/trainer_1"
    sae = open_sae(saved(path, TENSORS["BatchTopKSAE"]), device="cpu")
    same(sae, "BatchTopKSAE", TENSORS["BatchTopKSAE"])
    assert (sae.config.model_name, str(sae.config.hook_point)) == ("EleutherAI/pythia-160m-deduped", "resid_post.8")
    assert "folder's name says so" in sae.config.problems[0]


@pytest.mark.parametrize("threshold", [torch.tensor(-1.0), None])
def test_a_threshold_that_is_unset_gives_a_top_k_and_says_so(threshold: Tensor | None, tmp_path: Path) -> None:
    tensors = {name: value for name, value in TENSORS["BatchTopKSAE"].items() if name != "threshold"}
    unset = tensors if threshold is None else {**tensors, "threshold": threshold}
    sae = open_sae(saved(tmp_path / "a", unset, dict_class="BatchTopKSAE", k=K), device="cpu")
    same(sae, "AutoEncoderTopK", tensors)
    assert (sae.config.activation, sae.config.k) == ("topk", K)
    assert "threshold" in sae.config.problems[0]


@pytest.mark.parametrize("value", [torch.tensor([0.4]), torch.tensor(0.4, dtype=torch.float64)])
def test_the_one_threshold_in_other_shapes(value: Tensor, tmp_path: Path) -> None:
    tensors = {**TENSORS["BatchTopKSAE"], "threshold": value}
    same(open_sae(saved(tmp_path / "a", tensors, dict_class="BatchTopKSAE"), device="cpu"), "BatchTopKSAE", tensors)


def test_k_in_the_settings_alone(tmp_path: Path) -> None:
    tensors = {name: value for name, value in TENSORS["AutoEncoderTopK"].items() if name != "k"}
    assert read(saved(tmp_path / "a", tensors, dict_class="AutoEncoderTopK", k=7)).k == 7
    with pytest.raises(UserError, match="k is None"):
        read(saved(tmp_path / "b", tensors, dict_class="AutoEncoderTopK"))
    differing = read(saved(tmp_path / "c", TENSORS["AutoEncoderTopK"], dict_class="AutoEncoderTopK", k=7))
    assert differing.k == K
    assert "k is 7, but the file 5" in differing.problems[0]


def test_checkpoints_are_members(tmp_path: Path) -> None:
    folder = saved(tmp_path / "trainer_0", TENSORS["AutoEncoder"], dict_class="AutoEncoder")
    for step in (100, 20):
        saved(folder, TENSORS["AutoEncoder"], f"checkpoints/ae_{step}.pt")
    detected = detect(folder / "checkpoints")
    assert detected is not None
    assert [path.name for path in detected.members] == ["ae_20.pt", "ae_100.pt"]
    with pytest.raises(UserError, match="holds 2 SAEs"):
        detected.describe()
    sae = open_sae(folder / "checkpoints/ae_20.pt", device="cpu")
    same(sae, "AutoEncoder", TENSORS["AutoEncoder"])
    assert (sae.config.model_name, sae.config.problems) == ("a/model", ())
    assert describe(folder).weights.name == "ae.pt"
    assert describe(folder / "config.json").weights.name == "ae.pt"


def test_a_backup_is_for_scaled_activations(tmp_path: Path) -> None:
    whole: Any = {"step": 3, "ae": TENSORS["AutoEncoder"], "optimizer": {"state": {}}, "norm_factor": 4.0}
    config = read(saved(tmp_path / "a", whole, dict_class="AutoEncoder"))
    assert config.scale == 0.25
    assert "backup" in config.notes[0]


def test_a_norm_in_the_settings_is_part_of_the_weights(tmp_path: Path) -> None:
    config = read(saved(tmp_path / "a", TENSORS["AutoEncoder"], dict_class="AutoEncoder", norm_factor=4.0))
    assert config.scale == 1.0
    assert "contain that already" in config.notes[0]


@pytest.mark.parametrize(
    ("submodule", "model", "hook"),
    [
        ("resid_post_layer_7", "a", "resid_post.7"),
        ("resid_pre_layer_7", "a", "resid_pre.7"),
        ("resid_out_layer7", "a", "resid_post.7"),
        ("resid_post", "a", "resid_post.3"),
        ("attention_layer_7", "llama", "attn_out.7"),
        ("attention_layer_7", "google/gemma-2-2b", "attn_raw.7"),
        ("mlp_layer_7", "llama", "mlp_out.7"),
        ("mlp_out_layer7", "google/gemma-2-2b", "mlp_raw.7"),
        ("model.layers.7", "llama", "resid_post.7"),
        ("gpt_neox.layers.7.mlp", "pythia", "mlp_out.7"),
        ("blocks.7.hook_resid_mid", "gpt2", "resid_mid.7"),
        (None, "a", "resid_post.3"),
        ("", "a", "resid_post.3"),
    ],
)
def test_hook_points(submodule: str | None, model: str, hook: str, tmp_path: Path) -> None:
    config = read(saved(tmp_path / "a", TENSORS["AutoEncoder"], submodule_name=submodule, lm_name=model, k=None))
    assert (str(config.hook_point), config.hook_out, config.problems) == (hook, config.hook_point, ())


def test_inputs_of_a_module(tmp_path: Path) -> None:
    about = {"submodule_name": "model.layers.7.mlp", "lm_name": "llama"}
    config = read(saved(tmp_path / "a", TENSORS["AutoEncoder"], buffer={"io": "in"}, **about))
    assert (str(config.hook_point), str(config.hook_out)) == ("mlp_in.7", "mlp_in.7")
    config = read(saved(tmp_path / "b", TENSORS["AutoEncoder"], buffer={"io": "in_and_out"}, **about))
    assert (config.kind, str(config.hook_point), str(config.hook_out)) == ("transcoder", "mlp_in.7", "mlp_out.7")


def test_a_place_that_is_nowhere_is_asked_for(tmp_path: Path) -> None:
    assert "hook point" in read(saved(tmp_path / "a", TENSORS["AutoEncoder"])).problems[0]
    unknown = read(saved(tmp_path / "b", TENSORS["AutoEncoder"], submodule_name="somewhere_else"))
    assert (unknown.reads, "somewhere_else" in unknown.problems[0]) == ((), True)


def test_settings_of_another_dictionary_are_noticed(tmp_path: Path) -> None:
    config = read(saved(tmp_path / "a", TENSORS["AutoEncoder"], dict_class="AutoEncoder", dict_size=41))
    assert config.problems == ("config.json says dict_size is 41, but the tensors have 40.",)


def test_the_settings_of_any_training_loop(tmp_path: Path) -> None:
    odd = {"layer": "", "lm_name": 5, "submodule_name": ["x"], "k": "many", "activation_dim": None, "norm_factor": "no"}
    config = read(saved(tmp_path / "a", TENSORS["AutoEncoderTopK"], dict_class="AutoEncoderTopK", **odd))
    assert (config.k, config.model_name, config.reads) == (K, "", ())


def test_classes_that_are_not_known_or_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="CrossCoder"):
        read(saved(tmp_path / "a", TENSORS["AutoEncoder"], dict_class="CrossCoder"))
    with pytest.raises(UserError, match="no tensor W_enc"):
        read(saved(tmp_path / "b", TENSORS["AutoEncoder"], dict_class="JumpReluAutoEncoder"))
    wrong = {**TENSORS["AutoEncoder"], "decoder.weight": torch.zeros(D + 1, M)}
    with pytest.raises(UserError, match=r"decoder.weight .*has the shape"):
        read(saved(tmp_path / "c", wrong, dict_class="AutoEncoder"))


def test_a_file_of_another_name_beside_its_settings(tmp_path: Path) -> None:
    folder = saved(tmp_path / "a", TENSORS["AutoEncoderNew"], "mine.pt", dict_class="AutoEncoderNew")
    same(open_sae(folder / "mine.pt", device="cpu"), "AutoEncoderNew", TENSORS["AutoEncoderNew"])


def test_bos_and_sizes(tmp_path: Path) -> None:
    tensors = TENSORS["MatryoshkaBatchTopKSAE"]
    folder = saved(tmp_path / "a", tensors, buffer={"remove_bos": True}, dict_class="MatryoshkaBatchTopKSAE")
    config = read(folder)
    assert any("BOS" in note for note in config.notes)
    assert (config.l0, config.dtype, bytes_needed(config) > 0) == (K, "float32", True)
    assert identify(folder).details["d_sae"] == M
