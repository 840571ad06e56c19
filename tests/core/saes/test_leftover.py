"""Tensors that lie unread in an SAE's file and should count are said to; those that its library ignores too are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from semascope.core.saes.formats.detect import describe
from semascope.core.saes.release import scan
from tests.core.saes.golden import GOLDEN

D, M = 12, 20
SETTINGS = {
    "architecture": "standard", "d_in": D, "d_sae": M, "dtype": "float32",
    "metadata": {"sae_lens_version": "6.4.0", "model_name": "gpt2", "hook_name": "blocks.3.hook_resid_post"},
}  # fmt: skip


def plain() -> dict[str, Tensor]:
    return {"W_enc": torch.ones(D, M), "W_dec": torch.ones(M, D), "b_enc": torch.ones(M), "b_dec": torch.ones(D)}


def said(path: Path) -> list[str]:
    return [problem for problem in describe(path).config.problems if "also holds" in problem]


@pytest.mark.parametrize("name", ["threshold", "W_skip", "b_gate"])
def test_an_sae_that_would_need_more_than_its_settings_say(name: str, tmp_path: Path) -> None:
    (tmp_path / "cfg.json").write_text(json.dumps(SETTINGS))
    save_file({**plain(), "ages": torch.ones(M), name: torch.ones(M)}, tmp_path / "sae_weights.safetensors")
    (problem,) = said(tmp_path)
    assert problem.startswith(f"Its file also holds {name},")


def test_a_pair_of_layers_with_thresholds(tmp_path: Path) -> None:
    tensors = {
        "encoder.weight": torch.ones(M, D), "encoder.bias": torch.ones(M), "decoder.weight": torch.ones(D, M),
        "decoder.bias": torch.ones(D), "log_jumprelu_threshold": torch.ones(M),
    }  # fmt: skip
    torch.save(tensors, tmp_path / "A-SAE-l3.pt")
    assert "log_jumprelu_threshold" in said(tmp_path)[0]


def test_what_is_read_or_rightly_left_out_is_not_named() -> None:
    described = [found.path for found in scan(GOLDEN) if found is not None and not found.problem]
    assert len(described) > 40
    assert not [(path, said(path)) for path in described if said(path)]
