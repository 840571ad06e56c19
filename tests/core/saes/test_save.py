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
from semascope.core.saes.opening import open_sae as really_open
from semascope.core.saes.reading import Reading
from semascope.core.saes.sae import SAE
from semascope.core.saes.save import save_saelens, write_saelens
from tests.core.saes import make
from tests.core.saes.changes import changed, retensored
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
SAME += ("k", "normalize", "apply_b_dec_to_input", "skip", "heads", "head", "pursuit", "temporal")
SAME += ("processing", "scale")
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


@pytest.mark.parametrize("options", [{"rectify": False}, {}])
def test_a_top_k_that_no_other_program_has(options: dict[str, bool], tmp_path: Path) -> None:
    own = make.tensors() | {"selection_weight": torch.rand(make.M) + 0.5}
    sae = SAE(make.config("topk", **options), own)
    save_saelens(sae, tmp_path / "saved")
    again, x = open_sae(tmp_path / "saved", device="cpu"), torch.randn(20, make.D)
    assert torch.equal(again.encode(x), sae.encode(x))
    assert again.config.rectify == sae.config.rectify


def test_what_a_person_chose_is_saved_with_it(tmp_path: Path) -> None:
    source = GOLDEN / "sae_lens/standard"
    chosen = Reading((HookPoint("resid_pre", 7),), processing="centred", scale=0.5, normalize="layer_norm")
    sae = really_open(source, device="cpu", reading=chosen)
    save_saelens(sae, tmp_path / "a")
    config = open_sae(tmp_path / "a", device="cpu").config
    assert (str(config.hook_point), config.processing, config.scale) == ("resid_pre.7", "centred", 0.5)
    assert config.normalize == "layer_norm"
    back = really_open(tmp_path / "a", device="cpu", reading=Reading(processing="raw", scale=1.0))
    save_saelens(back, tmp_path / "b")
    again = open_sae(tmp_path / "b", device="cpu").config
    assert (str(again.hook_point), again.processing, again.scale) == ("resid_pre.7", "raw", 1.0)


def test_the_form_of_early_gpt2_stays_what_it_was_read_as(tmp_path: Path) -> None:
    """The new folder has no `hook_point` any more, by which the old one was told."""
    early = changed(GOLDEN / "sae_lens_legacy/v4.4.5/standard", tmp_path / "a", hook_point="blocks.8.hook_resid_pre",
                    hook_name=None, model_name="gpt2-small")  # fmt: skip
    sae = open_sae(early, device="cpu")
    save_saelens(sae, tmp_path / "b")
    again = open_sae(tmp_path / "b", device="cpu").config
    assert (again.processing, again.notes) == ("centred", sae.config.notes)
    assert str(again.hook_point) == "resid_pre.8"


def test_another_release_s_own_words_are_kept_apart(tmp_path: Path) -> None:
    """It may call something else by a name of SAELens'."""
    folder = changed(
        GOLDEN / "llama_scope_native_jumprelu/Llama3_1-8B-Base-L3R-8x", tmp_path / "a", hook_name="nonsense"
    )
    sae = open_sae(folder, device="cpu")
    for number in range(2):
        save_saelens(sae, tmp_path / str(number))
        sae = open_sae(tmp_path / str(number), device="cpu")
        own = sae.config.metadata["semascope"]
        assert (own["converted_from"], own["release"]["hook_name"]) == ("llama_scope", "nonsense")
        assert str(sae.config.hook_point) == "resid_post.3"


def test_half_precision_stays_half_where_nothing_was_added(tmp_path: Path) -> None:
    save_saelens(open_sae(GOLDEN / "sae_lens/standard_bf16", device="cpu"), tmp_path / "a")
    assert open_sae(tmp_path / "a", device="cpu").config.dtype == "bfloat16"
    folded = changed(
        GOLDEN / "sae_lens/standard_bf16", tmp_path / "b", normalize_activations="expected_average_only_in"
    )
    (folded / "activation_scaler.json").write_text('{"scaling_factor": 0.3}')
    save_saelens(open_sae(folded, device="cpu"), tmp_path / "c")
    assert open_sae(tmp_path / "c", device="cpu").config.dtype == "float32"


def test_a_training_checkpoint_is_still_said_to_have_been_one(tmp_path: Path) -> None:
    folder = changed(GOLDEN / "sae_lens/topk", tmp_path / "a", architecture="batchtopk")
    retensored(folder / "sae_weights.safetensors", topk_threshold=torch.tensor(0.7).double())
    sae = open_sae(folder, device="cpu")
    save_saelens(sae, tmp_path / "b")
    again, x = open_sae(tmp_path / "b", device="cpu"), load("sae_lens/topk").x
    assert again.config.problems == sae.config.problems
    assert torch.equal(again(x), sae(x))


def test_what_was_read_from_its_file_is_written_from_there(tmp_path: Path) -> None:
    mapped = really_open(GOLDEN / "sae_lens/standard_bf16", device="cpu", mapped=True)
    assert mapped.mapped
    save_saelens(mapped, tmp_path / "a")
    whole, x = open_sae(GOLDEN / "sae_lens/standard_bf16", device="cpu"), load("sae_lens/standard_bf16").x
    assert torch.equal(open_sae(tmp_path / "a", device="cpu").encode(x), whole.encode(x))


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
