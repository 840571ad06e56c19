"""What is at a path, and what has to be decided before an SAE is opened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from semascope.core.errors import UserError
from semascope.core.fingerprint import fingerprint
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.kept import KeptReading
from semascope.core.saes.reading import Reading
from semascope.core.saes.save import write_saelens
from semascope.jobs.infos import ModelInfo
from semascope.state.looking import look, survey

D, M = 16, 64


HOOK = HookPoint("resid_post", 3)


def write(folder: Path, hook: HookPoint | None = HOOK) -> Path:
    tensors = {"W_enc": torch.randn(D, M), "b_enc": torch.zeros(M), "W_dec": torch.randn(M, D), "b_dec": torch.zeros(D)}
    write_saelens(folder, tensors, architecture="standard", hook_point=hook, model_name="tiny", metadata={})
    return folder


def model(layers: int = 6, width: int = D) -> ModelInfo:
    return ModelInfo(Path("/models/tiny"), "tiny", "Tiny", "sha256:0", layers, width, 100, 128, "cpu", "float32", False)


def model_folder(folder: Path, layers: int, width: int) -> Path:
    folder.mkdir()
    settings = {"model_type": "llama", "num_hidden_layers": layers, "hidden_size": width}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def test_what_is_there(tmp_path: Path) -> None:
    assert look(write(tmp_path / "one")) == "sae"
    write(tmp_path / "release/layer_1")
    assert look(tmp_path / "release") == "release"
    (tmp_path / "unknown").mkdir()
    save_file({"alpha": torch.zeros(3, 4)}, tmp_path / "unknown/weights.safetensors")
    (tmp_path / "unknown/README.md").write_text("Text beside tensors is not a corpus.")
    assert look(tmp_path / "unknown") == "tensors"
    assert look(tmp_path / "unknown/weights.safetensors") == "tensors"
    (tmp_path / "text.txt").write_text("Some words.")
    assert look(tmp_path / "text.txt") == "corpus"
    assert look(model_folder(tmp_path / "model", 2, 8)) == "model"
    with pytest.raises(UserError, match="nothing at"):
        look(tmp_path / "absent")


def test_a_small_one_that_fits_asks_nothing(tmp_path: Path) -> None:
    found = survey(write(tmp_path / "sae"), model())
    assert found.questions == ()
    assert found.misfits == ()
    assert found.memory["float32"] == 2 * found.memory["bfloat16"]
    assert found.free


def test_what_must_be_decided(tmp_path: Path) -> None:
    assert survey(write(tmp_path / "nowhere", None), model()).questions == ("hook",)
    wide = survey(write(tmp_path / "sae"), model(width=32))
    assert wide.questions == ("fit",)
    assert "width 16" in wide.misfits[0]
    deep = survey(tmp_path / "sae", model(layers=2))
    assert "layer 3" in deep.misfits[0]
    assert survey(tmp_path / "sae", model(), free=1000).questions == ("memory",)
    assert survey(tmp_path / "sae", None).questions == ()


def test_models_opened_lately_are_tried(tmp_path: Path) -> None:
    small, right = model_folder(tmp_path / "small", 2, D), model_folder(tmp_path / "right", 8, D)
    gone = tmp_path / "gone"
    found = survey(write(tmp_path / "sae"), model(width=32), [small, gone, right])
    assert [(each.name, bool(each.misfits)) for each in found.candidates] == [("right", False), ("small", True)]


def test_a_reading_that_was_chosen_answers_the_question(tmp_path: Path) -> None:
    folder = write(tmp_path / "nowhere", None)
    mark = fingerprint([folder / "cfg.json", folder / "sae_weights.safetensors"])
    kept = {mark: KeptReading(Reading((HookPoint("resid_post", 2),)))}
    found = survey(folder, model(), kept=kept)
    assert found.questions == ()
    assert str(found.config.hook_point) == "resid_post.2"


def test_what_is_no_sae(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(UserError, match="not an SAE"):
        survey(tmp_path / "x", None)
    folder = write(tmp_path / "sae")
    shutil.copy(folder / "cfg.json", tmp_path / "cfg.json")
    (folder / "sae_weights.safetensors").write_bytes(b"")
    with pytest.raises(UserError):
        survey(folder, None)
