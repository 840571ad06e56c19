"""Writing SAELens folders: read back to the same numbers, whole or not at all."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import torch

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes import open_sae, save
from semascope.core.saes.save import save_saelens, write_saelens
from tests.core.saes import make
from tests.core.saes.golden import GOLDEN, folders, load

SAME = (
    "architecture",
    "activation",
    "d_in",
    "d_out",
    "d_sae",
    "kind",
    "encoders",
    "reads",
    "writes",
    "model_name",
    "prepend_bos",
)
SAME += ("k", "normalize", "apply_b_dec_to_input", "skip", "heads", "pursuit", "processing", "scale")
SAME += ("mask_first", "mask_ids", "rectify", "l0", "notes", "problems")


@pytest.mark.parametrize("name", folders())
def test_every_release_comes_back_the_same(name: str, tmp_path: Path) -> None:
    x, sae = load(name).x, open_sae(GOLDEN / name, device="cpu")
    save_saelens(sae, tmp_path / "saved")
    again = open_sae(tmp_path / "saved", device="cpu")
    assert torch.equal(again.encode(x), sae.encode(x))
    assert torch.equal(again(x), sae(x))
    for field in SAME:
        assert getattr(again.config, field) == getattr(sae.config, field), field


@pytest.mark.parametrize("activation", ["tanh_relu", "jumprelu", "gated", "abstopk", "groupmax"])
def test_architectures_without_a_fixture(activation: str, tmp_path: Path) -> None:
    sae = make.sae(activation, apply_b_dec_to_input=True)
    save_saelens(sae, tmp_path / "saved")
    x = torch.randn(20, make.D)
    assert torch.equal(open_sae(tmp_path / "saved", device="cpu")(x), sae(x))


def write(folder: Path) -> None:
    write_saelens(
        folder,
        make.tensors(),
        architecture="jumprelu",
        hook_point=HookPoint("resid_post", 15),
        model_name="a/model",
        metadata={"prepend_bos": False, "context_size": 128},
        dtype="bfloat16",
    )


def test_the_layout_of_version_six(tmp_path: Path) -> None:
    write(tmp_path / "sae")
    config = json.loads((tmp_path / "sae" / "cfg.json").read_text())
    assert config["architecture"] == "jumprelu"
    assert config["metadata"]["hook_name"] == "blocks.15.hook_resid_post"
    assert config["metadata"]["sae_lens_version"].startswith("6.")
    sae = open_sae(tmp_path / "sae", device="cpu")
    assert sae.config.hook_point == HookPoint("resid_post", 15)
    assert (sae.config.prepend_bos, sae.config.dtype, sae.config.d_sae) == (False, "bfloat16", make.M)
    assert sae.config.metadata["context_size"] == 128


def test_a_transcoder_never_subtracts_its_output_bias(tmp_path: Path) -> None:
    write_saelens(
        tmp_path / "t", make.tensors(), architecture="transcoder", hook_point=HookPoint("mlp_in", 1),
        hook_out=HookPoint("mlp_out", 1), model_name="", metadata={},
    )  # fmt: skip
    config = open_sae(tmp_path / "t", device="cpu").config
    assert (config.apply_b_dec_to_input, str(config.hook_out)) == (False, "mlp_out.1")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(save, "save_file", full)
    with pytest.raises(UserError, match="the disk is full"):
        write(tmp_path / "sae")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "sae")
    with pytest.raises(UserError, match="already exists"):
        write(tmp_path / "sae")
