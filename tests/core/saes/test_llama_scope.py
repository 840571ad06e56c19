"""Llama Scope by the arithmetic of its own library, written out step by step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import describe, saes_within
from semascope.core.saes.release import scan
from tests.core.saes.changes import D, M, N, close, draw, read

PLAIN: dict[str, Any] = {
    "hook_point_in": "blocks.3.hook_resid_post", "hook_point_out": "blocks.3.hook_resid_post", "d_model": D, "d_sae": M,
    "use_decoder_bias": True, "apply_decoder_bias_to_pre_encoder": False, "act_fn": "jumprelu",
    "jump_relu_threshold": 0.4, "norm_activation": "dataset-wise",
    "dataset_average_activation_norm": {"in": 6.0, "out": 5.0}, "sparsity_include_decoder_norm": True,
    "use_glu_encoder": False, "top_k": 8,
}  # fmt: skip


def tensors(glu: bool = False) -> dict[str, torch.Tensor]:
    own = {"encoder.weight": draw(M, D), "encoder.bias": draw(M, seed=1)}
    own |= {"decoder.weight": draw(D, M, seed=2), "decoder.bias": draw(D, seed=3)}
    return own | ({"encoder_glu.weight": draw(M, D, seed=4), "encoder_glu.bias": draw(M, seed=5)} if glu else {})


def write(folder: Path, own: dict[str, torch.Tensor], name: str = "final", **settings: Any) -> Path:
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    content = {key: value for key, value in {**PLAIN, **settings}.items() if value is not None}
    (folder / "hyperparams.json").write_text(json.dumps(content))
    save_file(own, folder / f"checkpoints/{name}.safetensors")
    return folder


def library(x: torch.Tensor, t: dict[str, torch.Tensor], **settings: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """(f, x̂) as lm-saes computes them after `from_pretrained`: scales folded, then decoder norms."""
    cfg = {**PLAIN, **settings}
    norms = cfg["dataset_average_activation_norm"] if cfg["norm_activation"] == "dataset-wise" else {"in": 4, "out": 4}
    s_in, s_out = D**0.5 / norms["in"], D**0.5 / norms["out"]
    W, b, dec, b_dec = (
        t["encoder.weight"],
        t["encoder.bias"] / s_in,
        t["decoder.weight"] * s_in / s_out,
        t["decoder.bias"] / s_out,
    )
    if cfg["sparsity_include_decoder_norm"]:
        n = dec.norm(dim=0)
        W, b, dec = W * n[:, None], b * n, dec / n
    if cfg["norm_activation"] == "token-wise":
        x = x * D**0.5 / x.norm(dim=-1, keepdim=True)
    if cfg["apply_decoder_bias_to_pre_encoder"]:
        x = x - b_dec
    p = x @ W.T + b
    if "encoder_glu.weight" in t:  # which the library forgets to scale
        p = p * (x * s_in @ t["encoder_glu.weight"].T + t["encoder_glu.bias"]).sigmoid()
    if cfg["act_fn"] == "relu":
        f = p.relu()
    elif cfg["act_fn"] == "jumprelu" or cfg["jump_relu_threshold"] > 0:
        f = torch.where(p > cfg["jump_relu_threshold"], p, 0.0)
    else:
        f = torch.zeros_like(p).scatter(-1, p.topk(cfg["top_k"], dim=-1).indices, 1.0) * p.relu()
    return f, f @ dec.T + b_dec


VARIANTS: dict[str, dict[str, Any]] = {
    "jumprelu": {},
    "top-k": {"act_fn": "topk", "jump_relu_threshold": 0.0},
    "a top-k that has become a jumprelu": {"act_fn": "topk"},
    "relu": {"act_fn": "relu", "jump_relu_threshold": 0.0},
    "norms that don't count": {"sparsity_include_decoder_norm": False},
    "norms that don't count for a top-k": {
        "act_fn": "topk",
        "jump_relu_threshold": 0.0,
        "sparsity_include_decoder_norm": False,
    },
    "the bias before the encoder": {"apply_decoder_bias_to_pre_encoder": True},
    "no scale": {"norm_activation": "inference"},
    "a scale of each token": {"norm_activation": "token-wise"},
}


@pytest.mark.parametrize("glu", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_its_library_s_arithmetic(variant: str, glu: bool, tmp_path: Path) -> None:
    own, x = tensors(glu), draw(N, D, seed=9, scale=1.5)
    f, x_hat = library(x, own, **VARIANTS[variant])
    sae = open_sae(write(tmp_path / "a", own, **VARIANTS[variant]), device="cpu")
    close(sae.encode(x), f)
    if variant == "a scale of each token":
        x_hat = x_hat * x.norm(dim=-1, keepdim=True) / D**0.5
    torch.testing.assert_close(sae(x), x_hat, atol=1e-5, rtol=1e-5)
    ids = torch.tensor([7, 2])
    torch.testing.assert_close(sae.encode_some(x, ids), f[:, ids], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("hook_in", "hook_out", "places"),
    [
        ("hook_resid_post", "hook_resid_post", "resid_post.3 resid_post.3"),
        ("hook_mlp_out", "hook_mlp_out", "mlp_out.3 mlp_out.3"),
        ("hook_attn_out", "hook_attn_out", "attn_out.3 attn_out.3"),
        ("ln2.hook_normalized", "hook_mlp_out", "mlp_norm.3 mlp_out.3"),
    ],
)
def test_the_four_sites(hook_in: str, hook_out: str, places: str, tmp_path: Path) -> None:
    folder = tmp_path / "Llama3_1-8B-Base-L3TC-8x"
    config = read(write(folder, tensors(), hook_point_in=f"blocks.3.{hook_in}", hook_point_out=f"blocks.3.{hook_out}"))
    assert f"{config.hook_point} {config.hook_out}" == places
    assert config.kind == ("transcoder" if hook_in != hook_out else "sae")
    assert (config.model_name, config.prepend_bos, config.problems) == ("meta-llama/Llama-3.1-8B", True, ())


def test_the_factor_of_other_tools_is_said(tmp_path: Path) -> None:
    config = read(write(tmp_path / "a", tensors()))
    assert config.metadata["saelens_factor"] == 4 / 6
    assert any("f × 0.666667" in note for note in config.notes)


def test_a_transcoder_scales_what_it_writes_by_its_own_norm(tmp_path: Path) -> None:
    own, x = tensors(), draw(N, D, seed=9)
    sae = open_sae(write(tmp_path / "a", own, hook_point_out="blocks.3.hook_mlp_out"), device="cpu")
    close(sae(x), library(x, own)[1])


def test_pruned_comes_first_and_a_file_can_be_chosen(tmp_path: Path) -> None:
    folder, pruned = write(tmp_path / "a", tensors()), {name: t * 2 for name, t in tensors().items()}
    write(folder, pruned, "pruned")
    x = draw(N, D, seed=9)
    close(open_sae(folder, device="cpu").encode(x), library(x, pruned)[0])
    close(open_sae(folder / "checkpoints/final.safetensors", device="cpu").encode(x), library(x, tensors())[0])
    assert list(saes_within(Folder(tmp_path))) == [folder]


def test_a_checkpoint_of_torch(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", tensors())
    (folder / "checkpoints/final.safetensors").unlink()
    torch.save({"sae": tensors(), "version": "0.1"}, folder / "checkpoints/final.pt")
    x = draw(N, D, seed=9)
    close(open_sae(folder, device="cpu").encode(x), library(x, tensors())[0])


def test_its_folder_of_checkpoints_is_no_other_release_s(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", tensors())
    torch.save(tensors(), folder / "checkpoints/final.pt")  # the layers of a plain pair, by their names
    with pytest.raises(UserError, match="not an SAE") as refused:
        describe(folder / "checkpoints")
    assert refused.value.hint == "Open the folder above it, a: its settings are there."
    assert [each.path for each in scan(tmp_path) if each is not None] == [folder]


def test_without_a_bias_of_the_decoder(tmp_path: Path) -> None:
    own, x = tensors(), draw(N, D, seed=9)
    expected = library(x, own)[1] - own["decoder.bias"] / (4 / 5)
    del own["decoder.bias"]
    close(open_sae(write(tmp_path / "a", own, use_decoder_bias=False), device="cpu")(x), expected)


def test_what_is_missing_or_wrong_is_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", tensors(), dataset_average_activation_norm=None, d_sae=65, hook_point_in=None)
    problems = read(folder).problems
    assert "hook point" in problems[0]
    assert "mean norms are missing" in problems[1]
    assert "says d_sae is 65" in problems[2]
    assert "each batch" in read(write(tmp_path / "b", tensors(), norm_activation="batch-wise")).problems[0]


def test_the_model_s_own_settings(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", tensors())
    (folder / "lm_config.json").write_text('{"model_name": "Qwen/Qwen3-1.7B"}')
    assert read(folder).model_name == "Qwen/Qwen3-1.7B"


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"act_fn": "swish"}, "swish"), ({"act_fn": "topk", "jump_relu_threshold": 0, "top_k": 65}, "k is 65"),
     ({"dataset_average_activation_norm": {"in": 0, "out": 1}}, "in is 0")],
)  # fmt: skip
def test_impossible_settings(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        describe(write(tmp_path / "a", tensors(), **settings))
