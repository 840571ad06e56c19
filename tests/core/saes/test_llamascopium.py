"""llamascopium's dictionaries by their library's arithmetic: normalise, encode, decode, denormalise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from semascope.core.errors import UserError
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import describe
from semascope.core.saes.save import save_saelens
from tests.core.saes.changes import D, M, N, close, draw, read
from tests.core.saes.golden import GOLDEN

Tensors = dict[str, torch.Tensor]
IN, OUT = "blocks.3.hook_resid_post", "blocks.3.hook_mlp_out"
NORM = "dataset_average_activation_norm."
THRESHOLD = "activation_function.log_jumprelu_threshold"


def write(folder: Path, own: Tensors, **settings: Any) -> Path:
    folder.mkdir(parents=True)
    content = {"sae_type": "sae", "d_model": D, "expansion_factor": 4.0, "use_decoder_bias": True, "act_fn": "topk",
               "norm_activation": "dataset-wise", "sparsity_include_decoder_norm": True, "top_k": 8,
               "hook_point_in": IN, "hook_point_out": IN, "use_glu_encoder": False, **settings}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(content))
    save_file(own, folder / "sae_weights.safetensors")
    return folder


def select(p: torch.Tensor, norms: torch.Tensor, act_fn: str, theta: torch.Tensor | None) -> torch.Tensor:
    """act(p ‖d‖) / ‖d‖."""
    p = p * norms
    if act_fn == "relu":
        f = p.relu()
    elif theta is not None:
        f = torch.where(p > theta, p, 0.0)
    else:
        f = torch.zeros_like(p).scatter(-1, p.relu().topk(8, dim=-1).indices, 1.0) * p.relu()
    return f / norms


def tensors(act_fn: str, *, glu: bool = False) -> Tensors:
    own = {"W_E": draw(D, M), "b_E": draw(M, seed=1), "W_D": draw(M, D, seed=2), "b_D": draw(D, seed=3)}
    own |= {f"{NORM}{IN}": torch.tensor(6.0), f"{NORM}{OUT}": torch.tensor(5.0)}
    own |= {"W_E_glu": draw(D, M, seed=4), "b_E_glu": draw(M, seed=5)} if glu else {}
    return own | ({THRESHOLD: draw(M, seed=6)} if act_fn == "jumprelu" else {})


@pytest.mark.parametrize("out", [IN, OUT])
@pytest.mark.parametrize("by_norms", [True, False])
@pytest.mark.parametrize("glu", [False, True])
@pytest.mark.parametrize("act_fn", ["relu", "topk", "jumprelu", "batchtopk"])
def test_its_library_s_arithmetic(act_fn: str, glu: bool, by_norms: bool, out: str, tmp_path: Path) -> None:
    t, x = tensors(act_fn, glu=glu), draw(N, D, seed=9, scale=1.5)
    folder = write(tmp_path / "a", t, act_fn=act_fn, use_glu_encoder=glu, sparsity_include_decoder_norm=by_norms,
                   hook_point_out=out)  # fmt: skip
    s_in, s_out = 4 / 6, 4 / (6 if out == IN else 5)
    p = x * s_in @ t["W_E"] + t["b_E"]
    if glu:
        p = p * (x * s_in @ t["W_E_glu"] + t["b_E_glu"]).sigmoid()
    norms = t["W_D"].norm(dim=1) if by_norms else torch.ones(M)
    f = select(p, norms, act_fn, t[THRESHOLD].exp() if act_fn == "jumprelu" else None)
    sae = open_sae(folder, device="cpu")
    close(sae.encode(x), f if act_fn == "jumprelu" else f / s_in)
    close(sae(x), (f @ t["W_D"] + t["b_D"]) / s_out)
    ids = torch.tensor([9, 3])
    close(sae.encode_some(x, ids), sae.encode(x)[:, ids])
    assert sae.config.kind == ("sae" if out == IN else "transcoder")
    assert any("batch" in note for note in sae.config.notes) == (act_fn == "batchtopk")
    assert sae.config.problems == ()
    save_saelens(sae, tmp_path / "saved")
    again = open_sae(tmp_path / "saved", device="cpu")
    assert torch.equal(again.encode(x), sae.encode(x))
    assert torch.equal(again(x), sae(x))
    assert (again.config.notes, again.config.architecture) == (sae.config.notes, sae.config.architecture)


def test_the_fixture_before_its_scale_is_folded() -> None:
    with np.load(GOLDEN / "llamascopium/sae_topk/golden_io.npz") as io:
        x, unfolded = torch.from_numpy(io["x"]), torch.from_numpy(io["f_unfolded"])
    sae = open_sae(GOLDEN / "llamascopium/sae_topk", device="cpu")
    close(sae.encode(x) * sae.config.metadata["input_factor"], unfolded)


def test_a_scale_of_each_token_and_one_that_is_folded_already(tmp_path: Path) -> None:
    t, x = tensors("topk"), draw(N, D, seed=9)
    norms, size = t["W_D"].norm(dim=1), x.norm(dim=-1, keepdim=True) / 4
    f = select(x / size @ t["W_E"] + t["b_E"], norms, "topk", None)
    sae = open_sae(write(tmp_path / "a", t, norm_activation="token-wise"), device="cpu")
    close(sae.encode(x), f)
    close(sae(x), (f @ t["W_D"] + t["b_D"]) * size)
    folded = open_sae(write(tmp_path / "b", t, norm_activation="inference"), device="cpu")
    close(folded.encode(x), select(x @ t["W_E"] + t["b_E"], norms, "topk", None))


@pytest.mark.parametrize("norm", [None, 0.0, float("inf")])
def test_mean_norms_that_were_never_measured(norm: float | None, tmp_path: Path) -> None:
    t = tensors("topk")
    t[f"{NORM}{IN}"] = torch.tensor(norm or 0.0)
    if norm is None:
        del t[f"{NORM}{IN}"]
    assert "mean norms are missing" in read(write(tmp_path / "a", t)).problems[0]


def test_no_bias_of_the_decoder_and_a_file_of_torch(tmp_path: Path) -> None:
    t, x = tensors("topk"), draw(N, D, seed=9)
    expected = open_sae(write(tmp_path / "a", t), device="cpu")
    folder = write(tmp_path / "b", t, use_decoder_bias=False)
    (folder / "sae_weights.safetensors").unlink()
    torch.save({"sae": {k: v for k, v in t.items() if k != "b_D"}, "version": "2"}, folder / "sae_weights.pt")
    close(open_sae(folder, device="cpu")(x), expected(x) - t["b_D"] / (4 / 6))


def test_the_release_s_model(tmp_path: Path) -> None:
    place = tmp_path / "Llama-Scope-2-Qwen3-1.7B/transcoder/8x/k64/layer3_transcoder_8x_k64"
    config = read(write(place, tensors("topk"), hook_point_in="blocks.3.ln2.hook_normalized", hook_point_out=OUT))
    assert (config.model_name, config.prepend_bos) == ("Qwen/Qwen3-1.7B", None)
    assert f"{config.hook_point} {config.hook_out}" == "mlp_norm.3 mlp_out.3"


@pytest.mark.parametrize(("kind", "said"), [("lorsa", "Lorsa"), ("molt", "MOLT"), ("mystery", "mystery")])
def test_what_is_no_sae(kind: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        describe(write(tmp_path / "a", tensors("topk"), sae_type=kind))


def test_distributed_checkpoints_are_refused_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", tensors("topk"))
    (folder / "sae_weights.safetensors").unlink()
    (folder / "sae_weights.dcp").mkdir()
    with pytest.raises(UserError, match=r"\.dcp"):
        describe(folder)


def test_settings_of_another_dictionary(tmp_path: Path) -> None:
    assert "expansion_factor is 8" in read(write(tmp_path / "a", tensors("topk"), expansion_factor=8.0)).problems[0]
    assert "d_model is 17" in read(write(tmp_path / "b", tensors("topk"), d_model=17)).problems[0]


HOOKS_IN = [f"blocks.{layer}.ln2.hook_normalized" for layer in range(3)]
HOOKS_OUT = [f"blocks.{layer}.hook_mlp_out" for layer in range(3)]


def clt_tensors(act_fn: str) -> Tensors:
    own = {"W_E": draw(3, D, M), "b_E": draw(3, M, seed=1)}
    own |= {f"W_D.{w}": draw(w + 1, M, D, seed=2 + w) for w in range(3)} | {
        f"b_D.{w}": draw(D, seed=7 + w) for w in range(3)
    }
    own |= {NORM + hook: torch.tensor(5.0 + i) for i, hook in enumerate(HOOKS_IN + HOOKS_OUT)}
    return own | ({THRESHOLD: draw(3, M, seed=12)} if act_fn == "jumprelu" else {})


@pytest.mark.parametrize("mode", ["dataset-wise", "inference"])
@pytest.mark.parametrize("by_norms", [True, False])
@pytest.mark.parametrize("act_fn", ["relu", "topk", "jumprelu"])
def test_a_cross_layer_transcoder(act_fn: str, by_norms: bool, mode: str, tmp_path: Path) -> None:
    t, x = clt_tensors(act_fn), draw(3, N, D, seed=20, scale=1.5)
    folder = write(tmp_path / "a", t, sae_type="clt", act_fn=act_fn, sparsity_include_decoder_norm=by_norms,
                   hook_points_in=HOOKS_IN, hook_points_out=HOOKS_OUT, norm_activation=mode)  # fmt: skip
    scaled = mode == "dataset-wise"
    s_in = [4 / (5.0 + i) if scaled else 1.0 for i in range(3)]
    s_out = [4 / (8.0 + i) if scaled else 1.0 for i in range(3)]
    f = []
    for layer in range(3):
        p = x[layer] * s_in[layer] @ t["W_E"][layer] + t["b_E"][layer]
        squares = sum(t[f"W_D.{w}"][layer].square().sum(dim=-1) for w in range(layer, 3))
        norms = torch.as_tensor(squares).sqrt() if by_norms else torch.ones(M)
        f.append(select(p, norms, act_fn, t[THRESHOLD][layer].exp() if act_fn == "jumprelu" else None))
    x_hat = [
        (torch.stack([f[e] @ t[f"W_D.{w}"][e] for e in range(w + 1)]).sum(dim=0) + t[f"b_D.{w}"]) / s_out[w]
        for w in range(3)
    ]
    sae = open_sae(folder, device="cpu")
    close(sae.encode(x), torch.stack(f))
    torch.testing.assert_close(sae(x), torch.stack(x_hat), atol=2e-5, rtol=1e-5)
    config = sae.config
    assert (config.kind, config.encoders, config.problems) == ("cross_layer_transcoder", 3, ())
    assert [str(hook) for hook in config.reads] == ["mlp_norm.0", "mlp_norm.1", "mlp_norm.2"]
    assert [str(hook) for hook in config.writes] == ["mlp_out.0", "mlp_out.1", "mlp_out.2"]
    assert describe(folder).mappable == (mode == "inference" and (not by_norms or act_fn == "relu"))


@pytest.mark.parametrize("act_fn", ["relu", "topk", "jumprelu"])
def test_a_crosscoder(act_fn: str, tmp_path: Path) -> None:
    hooks = [f"blocks.{layer}.hook_resid_post" for layer in (1, 2, 5)]
    t = {"W_E": draw(3, D, M), "b_E": draw(3, M, seed=1), "W_D": draw(3, M, D, seed=2), "b_D": draw(3, D, seed=3)}
    t |= {NORM + hook: torch.tensor(5.0 + i) for i, hook in enumerate(hooks)}
    t |= {THRESHOLD: draw(M, seed=6)} if act_fn == "jumprelu" else {}
    x, s = draw(N, 3, D, seed=20), [4 / (5.0 + i) for i in range(3)]
    p = torch.stack([x[:, h] * s[h] @ t["W_E"][h] + t["b_E"][h] for h in range(3)]).sum(dim=0)
    theta = t[THRESHOLD].exp() if act_fn == "jumprelu" else None
    f = [select(p, t["W_D"][h].norm(dim=-1), act_fn, theta) for h in range(3)]
    x_hat = [(f[h] @ t["W_D"][h] + t["b_D"][h]) / s[h] for h in range(3)]
    sae = open_sae(write(tmp_path / "a", t, sae_type="crosscoder", act_fn=act_fn, hook_points=hooks), device="cpu")
    close(sae.encode(x), torch.stack(f, dim=1))
    torch.testing.assert_close(sae(x), torch.stack(x_hat, dim=1), atol=2e-5, rtol=1e-5)
    assert [str(hook) for hook in sae.config.writes] == ["resid_post.1", "resid_post.2", "resid_post.5"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"act_fn": "layertopk"}, "all layers at once"),
        ({"hook_points_in": HOOKS_IN[:2], "hook_points_out": HOOKS_OUT[:2]}, "another number"),
        ({"hook_points_in": HOOKS_IN[:2]}, "reads 2 places and writes 3"),
        ({"hook_points_in": "all"}, "hook_points_in"),
        ({"norm_activation": "token-wise"}, "every token by itself"),
    ],
)
def test_layers_that_can_t_be_read(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    whole = {"sae_type": "clt", "hook_points_in": HOOKS_IN, "hook_points_out": HOOKS_OUT, **settings}
    with pytest.raises(UserError, match=said):
        describe(write(tmp_path / "a", clt_tensors("topk"), **whole))
