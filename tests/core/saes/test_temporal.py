"""Temporal SAEs, in their authors' folders and in SAELens', against their formula written out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from semascope.core.errors import UserError
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import describe
from semascope.core.saes.memory import parameters
from tests.core.saes.changes import D, M, changed, close, draw, read, retensored
from tests.core.saes.golden import GOLDEN, load

Tensors = dict[str, torch.Tensor]


def tensors(layers: int = 2, narrow: int = 16, tied: bool = True) -> Tensors:
    """By the authors' names."""
    own = {"D": draw(M, D), "b": draw(1, D, seed=1)} | ({} if tied else {"E": draw(D, M, seed=2)})
    for layer in range(layers):
        for seed, (part, rows) in enumerate((("k_ctx", narrow), ("q_target", narrow), ("v_ctx", M), ("c_proj", M))):
            own[f"attn_layers.{layer}.{part}.weight"] = draw(rows, M, seed=10 * layer + seed)
            own[f"attn_layers.{layer}.{part}.bias"] = draw(rows, seed=10 * layer + seed + 5)
    return own


def write(folder: Path, own: Tensors, **sae: Any) -> Path:
    """A release of theirs."""
    folder.mkdir(parents=True)
    settings = {"exp_factor": 4, "n_heads": 2, "n_attn_layers": 2, "bottleneck_factor": 4, "sae_diff_type": "topk",
                "kval_topk": 8, "tied_weights": "E" not in own, "scaling_factor": 0.25, **sae}  # fmt: skip
    conf = {"llm": {"model_hf_name": "google/gemma-2-2b", "dimin": D}, "sae": settings, "data": {"dtype": "float32"}}
    (folder / "conf.yaml").write_text(yaml.safe_dump(conf))
    save_file(own, folder / "latest_ckpt.safetensors")
    return folder


def formula(x: torch.Tensor, t: Tensors, factor: float, heads: int, k: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """(new codes, whole reconstruction) of x, shape (T, d), token by token."""
    W, b = t["D"], t["b"].flatten()
    E = t.get("E", W.T)
    small, r, predicted = 1 / (4 * D), x * factor - b, torch.zeros(len(x), M)
    for layer in range(sum("k_ctx.weight" in name for name in t)):
        part = {n: (t[f"attn_layers.{layer}.{n}.weight"], t[f"attn_layers.{layer}.{n}.bias"])
                for n in ("k_ctx", "q_target", "v_ctx", "c_proj")}  # fmt: skip
        z = (r @ E * small).relu()
        shifted = torch.zeros_like(z)
        shifted[1:] = z[:-1]
        q, keys, values = (
            given @ part[n][0].T + part[n][1] for n, given in (("q_target", z), ("k_ctx", shifted), ("v_ctx", shifted))
        )
        gathered = torch.zeros(len(x), M)
        for head in range(heads):
            a, c = (
                slice(*(q.shape[1] // heads * i for i in (head, head + 1))),
                slice(*(M // heads * i for i in (head, head + 1))),
            )
            for at in range(len(x)):
                score = q[at, a] @ keys[: at + 1, a].T / (q.shape[1] // heads) ** 0.5
                gathered[at, c] = score.softmax(-1) @ values[: at + 1, c]
        p = (gathered @ part["c_proj"][0].T + part["c_proj"][1]).relu()
        written = p @ W
        share = (written * r).sum(-1, keepdim=True) / (written.norm(dim=-1, keepdim=True) + 1e-6) ** 2
        predicted, r = predicted + share * p, r - share * written
    f = (r @ E * small).relu()
    if k is not None:
        f = f * torch.zeros_like(f).scatter(-1, f.topk(k, dim=-1).indices, 1.0)
    return f, ((f + predicted) @ W + b) / factor


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("k", [8, None])
def test_the_authors_release(tied: bool, k: int | None, tmp_path: Path) -> None:
    own = tensors(tied=tied)
    folder = write(tmp_path / "gemma-2-2B/layer_12/temporal", own, kval_topk=k)
    sae, x = open_sae(folder, device="cpu"), draw(3, 6, D, seed=50, scale=4)
    config = sae.config
    assert (config.format, str(config.hook_point), config.model_name) == (
        "temporal",
        "resid_post.12",
        "google/gemma-2-2b",
    )
    assert (config.k, config.problems) == (k, ())
    for each, f, whole in zip(x, sae.encode(x), sae(x), strict=True):
        expected_f, expected = formula(each, own, 0.25, 2, k)
        close(f, expected_f)
        close(whole, expected)


def test_one_sequence_or_many_some_features_or_all(tmp_path: Path) -> None:
    sae, x = open_sae(write(tmp_path / "layer_3", tensors()), device="cpu"), draw(2, 5, D, seed=51, scale=4)
    close(sae.encode(x)[1], sae.encode(x[1]))
    ids = torch.tensor([5, 60])
    assert torch.equal(sae.encode_some(x, ids), sae.encode(x)[..., ids])
    assert sae.sequential
    assert not sae.independent
    step = torch.zeros_like(sae.encode(x))
    step[..., 5] = 2.0
    moved = sae.decode(sae.encode(x) + step) - sae.decode(sae.encode(x))
    torch.testing.assert_close(moved, (2 * sae.directions(x, ids)[:, :1]).expand_as(moved), atol=1e-4, rtol=1e-4)
    assert sae.encode(x[:, :0]).shape == (2, 0, M)


def test_a_threshold_that_a_batch_top_k_has_learned(tmp_path: Path) -> None:
    own = tensors() | {"expected_min_act": torch.tensor([0.02])}
    sae, x = open_sae(write(tmp_path / "layer_3", own, sae_diff_type="batchtopk"), device="cpu"), draw(6, D, scale=4)
    f, _ = formula(x, own, 0.25, 2, None)
    close(sae.encode(x), torch.where(f > 0.02, f, 0.0))
    assert "batch top-k" in sae.config.notes[-1]


def test_a_training_checkpoint_of_torch(tmp_path: Path) -> None:
    own = tensors()
    folder = write(tmp_path / "layer_3", own)
    (folder / "latest_ckpt.safetensors").unlink()
    torch.save({"sae": own, "iter": 5}, folder / "latest_ckpt.pt")
    x = draw(6, D, scale=4)
    close(open_sae(folder, device="cpu").encode(x), formula(x, own, 0.25, 2, 8)[0])


def test_saelens_own_untied_and_without_a_scale(tmp_path: Path) -> None:
    folder = changed(GOLDEN / "sae_lens/temporal", tmp_path / "a", tied_weights=False, normalize_activations="none",
                     sae_diff_type="relu", apply_b_dec_to_input=True)  # fmt: skip
    weights = retensored(folder / "sae_weights.safetensors", W_enc=draw(D, M, seed=3))
    own = {**weights, "D": weights["W_dec"], "b": weights["b_dec"], "E": weights["W_enc"]}
    sae, x = open_sae(folder, device="cpu"), load("sae_lens/temporal").x[0]
    f, whole = formula(x, own, 1.0, 2, None)
    close(sae.encode(x), f)
    close(sae(x), whole)


def test_a_tied_one_that_subtracts_nothing_adds_nothing(tmp_path: Path) -> None:
    folder = changed(GOLDEN / "sae_lens/temporal", tmp_path / "a", apply_b_dec_to_input=False)
    assert not open_sae(folder, device="cpu").b_dec.any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_heads": 3}, "n_heads is 3"),
        ({"n_attn_layers": 5}, "n_attn_layers is 5"),
        ({"kval_topk": 65}, "k is 65"),
        ({"sae_diff_type": "nullify"}, "nullify"),
        ({"scaling_factor": -1.0}, "scaling_factor"),
    ],
)
def test_settings_that_do_not_fit_the_tensors(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        describe(write(tmp_path / "layer_3", tensors(), **settings))


def test_what_is_unsaid(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", tensors(), scaling_factor=None)
    problems = read(folder).problems
    assert "hook point" in problems[0]
    assert "scaling_factor" in problems[1]
    assert json.dumps(dict(read(folder).metadata))


def test_memory_counts_the_attention(tmp_path: Path) -> None:
    """Which is larger than the dictionary."""
    from_authors = read(write(tmp_path / "layer_3", tensors()))
    assert from_authors.temporal is not None
    assert from_authors.temporal.weights == 2 * (2 * 16 * M + 2 * M * M)
    assert parameters(from_authors) > from_authors.temporal.weights + 2 * M * D
