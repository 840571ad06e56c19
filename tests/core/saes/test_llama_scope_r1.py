"""Llama Scope R1 as SAELens reads it, wherever the mean norms are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import detect
from tests.core.saes.changes import D, M, N, close, draw, read

HOOK = "blocks.3.hook_resid_post"


def tensors(**others: torch.Tensor) -> dict[str, torch.Tensor]:
    own = {"encoder.weight": draw(M, D), "encoder.bias": draw(M, seed=1), "decoder.weight": draw(D, M, seed=2)}
    own |= {"decoder.bias": draw(D, seed=3), "log_jumprelu_threshold": draw(M, seed=4)}
    return own | {name.replace("__", "."): tensor for name, tensor in others.items()}


def write(folder: Path, own: dict[str, torch.Tensor], **settings: Any) -> Path:
    folder.mkdir(parents=True)
    content = {"d_model": D, "expansion_factor": 4, "hook_point_in": HOOK, "hook_point_out": HOOK, "act_fn": "jumprelu"}
    (folder / "config.json").write_text(json.dumps({**content, **settings}))
    save_file(own, folder / "sae_weights.safetensors")
    return folder


def saelens(x: torch.Tensor, t: dict[str, torch.Tensor], scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(f, x̂) of SAELens' converter, after its fold of the factor that its own list gives."""
    p = x @ (t["encoder.weight"].T * scale) + t["encoder.bias"]
    f = p.relu() * (p > t["log_jumprelu_threshold"].exp())
    return f, f @ (t["decoder.weight"].T / scale) + t["decoder.bias"] / scale


def test_without_mean_norms_nothing_is_scaled_and_they_are_asked_for(tmp_path: Path) -> None:
    own, x = tensors(), draw(N, D, seed=9, scale=1.5)
    folder = write(tmp_path / "800M-Slimpajama-0-OpenR1-Math-220k/L3R", own)
    f, x_hat = saelens(x, own, 1.0)
    sae = open_sae(folder, device="cpu")
    close(sae.encode(x), f)
    close(sae(x), x_hat)
    assert "mean norms are missing" in sae.config.problems[0]
    assert (sae.config.model_name, str(sae.config.hook_point)) == (
        "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
        "resid_post.3",
    )


@pytest.mark.parametrize("where", ["tensors", "settings by side", "settings by hook point"])
def test_mean_norms_that_are_there(where: str, tmp_path: Path) -> None:
    x, settings, own = draw(N, D, seed=9, scale=1.5), {}, tensors()
    if where == "tensors":
        own |= {f"dataset_average_activation_norm.{HOOK}": torch.tensor(6.0).bfloat16()}
    else:
        norms = {"in": 6.0, "out": 6.0} if where == "settings by side" else {HOOK: 6.0}
        settings = {"dataset_average_activation_norm": norms}
    sae = open_sae(write(tmp_path / "L3R", own, **settings), device="cpu")
    f, x_hat = saelens(x, own, 4 / 6)
    close(sae.encode(x), f)
    close(sae(x), x_hat)
    assert sae.config.problems == ()
    assert "0.666667" in sae.config.notes[0]


def test_the_published_ones_by_saelens_list(tmp_path: Path) -> None:
    own = {name: t.new_zeros([4096 if size == D else 2 for size in t.shape]) for name, t in tensors().items()}
    folder = tmp_path / "0-Slimpajama-800M-OpenR1-Math-220k/L31R"
    config = read(write(folder, own, d_model=4096, expansion_factor=2 / 4096))
    assert config.scale == pytest.approx(64 / 69.0855, rel=1e-4)
    assert config.problems == ()
    assert any("SAELens' list" in note for note in config.notes)


def test_norms_of_the_decoder_are_mentioned(tmp_path: Path) -> None:
    config = read(write(tmp_path / "L3R", tensors(), sparsity_include_decoder_norm=True, norm_activation="inference"))
    assert any("decoder norms" in note for note in config.notes)
    assert config.problems == ()


def test_a_top_k_of_the_same_library(tmp_path: Path) -> None:
    own, x = tensors(), draw(N, D, seed=9)
    del own["log_jumprelu_threshold"]
    settings = {"sae_type": "sae", "act_fn": "topk", "top_k": 8, "sparsity_include_decoder_norm": True}
    folder = write(tmp_path / "L3R", own, **settings, dataset_average_activation_norm={"in": 6.0, "out": 5.0})
    p = x * (4 / 6) @ own["encoder.weight"].T + own["encoder.bias"]
    ids = (p.relu() * own["decoder.weight"].norm(dim=0)).topk(8, dim=-1).indices
    f = torch.zeros_like(p).scatter(-1, ids, 1.0) * p.relu()
    sae = open_sae(folder, device="cpu")
    close(sae.encode(x) * (4 / 6), f)
    close(sae(x), (f @ own["decoder.weight"].T + own["decoder.bias"]) / (4 / 5))


def test_a_checkpoint_of_torch_is_told_too(tmp_path: Path) -> None:
    folder = write(tmp_path / "L3R", tensors())
    (folder / "sae_weights.safetensors").unlink()
    torch.save({"sae": tensors(), "version": "1"}, folder / "sae_weights.pt")
    found = detect(folder)
    assert found is not None
    assert (found.family.name, found.why) == (
        "llama_scope_r1",
        "encoder.weight and sae.log_jumprelu_threshold in sae_weights.pt",
    )
    x = draw(N, D, seed=9)
    close(open_sae(folder, device="cpu").encode(x), saelens(x, tensors(), 1.0)[0])


def test_another_width_is_noticed(tmp_path: Path) -> None:
    assert "says d_model is 17" in read(write(tmp_path / "L3R", tensors(), d_model=17)).problems[-1]
