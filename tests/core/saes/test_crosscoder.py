"""jkminder's crosscoders in every code normalisation, each against a plain formula."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import parse_hooks
from semascope.core.saes import open_sae
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.detect import describe, detect
from semascope.core.saes.reading import Reading
from tests.core.saes.golden import GOLDEN

D, F, L = 12, 40, 3
NORMS = ("CROSSCODER", "SAE", "MIXED", "NONE", "DECOUPLED")


def crosscoder(*, scaled: bool = False, reads: int = L) -> dict[str, Tensor]:
    """Its tensors, without thresholds."""
    draw = torch.Generator().manual_seed(5)
    own = {
        "encoder.weight": torch.randn(reads, D, F, generator=draw) / 3,
        "encoder.bias": torch.randn(F, generator=draw) / 3,
        "decoder.weight": torch.randn(L, F, D, generator=draw) / 3,
        "decoder.bias": torch.randn(L, D, generator=draw) / 3,
        "code_normalization_id": torch.tensor(1),
        "target_rms": torch.tensor(1.0),
        "activation_mean": torch.full((L, D), torch.nan),
        "activation_std": torch.full((L, D), torch.nan),
        "activation_global_scale": torch.tensor(1.0),
    }
    if scaled:
        own["activation_mean"] = torch.randn(L, D, generator=draw)
        own["activation_std"] = torch.rand(L, D, generator=draw) + 0.5
        own["activation_global_scale"] = 1.0 / (own["activation_std"].square().sum() + 1e-8).sqrt()
    return own


def weigh(own: dict[str, Tensor], norm: str) -> Tensor:
    """The library's code normalisation: (1, F), or (L, F) where decoupled."""
    each = own["decoder.weight"].norm(dim=2)
    together, apart = own["decoder.weight"].norm(dim=(0, 2))[None], each.sum(dim=0, keepdim=True)
    mixed = 1.0 * together + 0.1 * apart
    return {"CROSSCODER": apart, "SAE": together, "MIXED": mixed, "NONE": torch.ones(1, F), "DECOUPLED": each}[norm]


def compute(own: dict[str, Tensor], x: Tensor, norm: str, layers: tuple[int, ...] = (0, 1, 2)) -> tuple[Tensor, Tensor]:
    """The library's encode and forward, of x (rows, L, d)."""
    scaled = not own["activation_mean"].isnan().any()
    if scaled:
        x = (x - own["activation_mean"]) * own["activation_global_scale"]
    f = (torch.einsum("bld,ldf->bf", x[:, list(layers)], own["encoder.weight"]) + own["encoder.bias"]).relu()
    threshold = own.get("threshold")
    if threshold is not None and threshold.dim():
        f = f[:, None] * (f[:, None] * weigh(own, norm) > threshold[None, :, None])
    elif threshold is not None:
        f = f * (f * weigh(own, norm) > threshold)
    x_hat = (
        torch.einsum("blf,lfd->bld" if f.dim() == 3 else "bf,lfd->bld", f, own["decoder.weight"]) + own["decoder.bias"]
    )
    if scaled:
        x_hat = x_hat / (own["activation_global_scale"] + 1e-8) + own["activation_mean"]
    return f, x_hat


def thresholds(norm: str, *, unset: bool = False) -> Tensor:
    level = -1.0 if unset else {"CROSSCODER": 1.5, "SAE": 0.8, "MIXED": 1.0, "NONE": 0.3, "DECOUPLED": 0.5}[norm]
    return torch.tensor([level * (1 + w / 5) for w in range(L)] if norm == "DECOUPLED" else level)


def save(folder: Path, own: dict[str, Tensor], file: str = "model.safetensors", config: object = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if file.endswith(".pt"):
        torch.save(own, folder / file)
    else:
        save_file(own, folder / file)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def read(path: Path) -> SAEConfig:
    return describe(path).config


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("file", ["model.safetensors", "ae_final.pt"])
def test_it_computes_the_library_s_formula(tmp_path: Path, norm: str, batch: bool, scaled: bool, file: str) -> None:
    own = crosscoder(scaled=scaled) | {"code_normalization_id": torch.tensor(NORMS.index(norm) + 1)}
    if batch:
        own |= {"threshold": thresholds(norm), "k": torch.tensor(7, dtype=torch.int)}
    sae = open_sae(save(tmp_path, own, file), device="cpu")
    decoupled = batch and norm == "DECOUPLED"
    assert (sae.config.kind, sae.config.places, sae.config.encoders) == ("crosscoder", L, L if decoupled else 1)
    assert sae.config.architecture == ("jumprelu_crosscoder" if batch else "crosscoder")
    x = torch.randn(50, L, D) + (own["activation_mean"] if scaled else 0.0)
    f, x_hat = compute(own, x, norm)
    assert 0.02 < (f > 0).float().mean() < 0.9
    ours = sae.encode(x)
    torch.testing.assert_close(ours, f, atol=1e-5, rtol=1e-5)
    assert torch.equal(ours > 0, f > 0)
    torch.testing.assert_close(sae.decode(ours), x_hat, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x.flatten(-2)), x_hat.flatten(-2), atol=1e-5, rtol=1e-5)


def test_a_compiled_model_s_names_are_read(tmp_path: Path) -> None:
    own = crosscoder()
    folder = save(tmp_path, {f"_orig_mod.{name}": tensor for name, tensor in own.items()}, "model_final.pt")
    x = torch.randn(5, L, D)
    torch.testing.assert_close(open_sae(folder, device="cpu")(x), compute(own, x, "SAE")[1], atol=1e-5, rtol=1e-5)


def test_the_name_of_the_normalisation_counts_where_the_file_has_no_id(tmp_path: Path) -> None:
    own = crosscoder() | {"threshold": thresholds("SAE")}
    del own["code_normalization_id"]
    x = torch.randn(20, L, D)
    named = open_sae(save(tmp_path / "a", own, config={"code_normalization": "SAE"}), device="cpu")
    torch.testing.assert_close(named.encode(x), compute(own, x, "SAE")[0], atol=1e-5, rtol=1e-5)
    trainer = {"trainer": {"code_normalization": "SAE", "lm_name": "gemma-2-2b-it-gemma-2-2b", "layer": 13}}
    trained = open_sae(save(tmp_path / "b", own, "model_final.pt", trainer), device="cpu")
    torch.testing.assert_close(trained.encode(x), named.encode(x))
    assert trained.config.model_name == "gemma-2-2b-it-gemma-2-2b"
    assert "all at layer 13" in trained.config.problems[0]
    guessed = open_sae(save(tmp_path / "c", own), device="cpu")
    torch.testing.assert_close(guessed.encode(x), compute(own, x, "CROSSCODER")[0], atol=1e-5, rtol=1e-5)
    assert any("is assumed" in note for note in guessed.config.notes)


def test_an_encoder_may_read_some_of_the_places(tmp_path: Path) -> None:
    own = crosscoder(reads=2)
    x = torch.randn(9, L, D)
    sae = open_sae(save(tmp_path / "a", own, config={"encoder_layers": [2, 0]}), device="cpu")
    f, x_hat = compute(own, x, "SAE", (2, 0))
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae.decode(sae.encode(x)), x_hat, atol=1e-5, rtol=1e-5)
    for said in (None, [0, 1, 2], [0, 7], ["a", "b"], [1, 1]):
        with pytest.raises(UserError, match="does not say which 2 of its 3 layers"):
            read(save(tmp_path / "b", own, config={"encoder_layers": said}))


@pytest.mark.parametrize("norm", ["CROSSCODER", "DECOUPLED"])
def test_a_threshold_that_was_never_set_keeps_what_is_positive(tmp_path: Path, norm: str) -> None:
    own = crosscoder() | {"threshold": thresholds(norm, unset=True)}
    own["code_normalization_id"] = torch.tensor(NORMS.index(norm) + 1)
    own["decoder.weight"][:, 3] = 0.0  # a feature that writes nothing
    sae = open_sae(save(tmp_path, own), device="cpu")
    x = torch.randn(9, L, D)
    torch.testing.assert_close(sae.encode(x), compute(own, x, norm)[0], atol=1e-5, rtol=1e-5)
    assert any("never set" in problem for problem in sae.config.problems) == (norm == "CROSSCODER")


def test_a_feature_that_writes_nothing_never_passes_a_threshold(tmp_path: Path) -> None:
    own = crosscoder() | {"threshold": thresholds("CROSSCODER")}
    own["decoder.weight"][:, 3] = 0.0
    sae = open_sae(save(tmp_path, own), device="cpu")
    x = torch.randn(9, L, D)
    assert not sae.encode(x)[:, 3].any()
    torch.testing.assert_close(sae.encode(x), compute(own, x, "CROSSCODER")[0], atol=1e-5, rtol=1e-5)


def test_what_it_reads_is_asked_for_and_can_be_said() -> None:
    folder = GOLDEN / "crosscoder_jkminder/crosscoder_l1"
    asked = read(folder)
    assert asked.reads == ()
    assert "hook point" in asked.problems[0]
    hooks = parse_hooks("resid_post.4,resid_post.8")
    sae = open_sae(folder, device="cpu", reading=Reading(hooks=hooks))
    assert (sae.config.reads, sae.config.writes, sae.config.problems) == (hooks, hooks, ())


def test_checkpoints_are_members_unless_training_ended(tmp_path: Path) -> None:
    for step in (100, 20):
        save(tmp_path, crosscoder(), f"checkpoint_{step}.pt")
    detected = detect(tmp_path)
    assert detected is not None
    assert [path.name for path in detected.members] == ["checkpoint_20.pt", "checkpoint_100.pt"]
    with pytest.raises(UserError, match="holds 2 SAEs"):
        detected.describe()
    assert open_sae(detected.members[0], device="cpu").config.places == L
    save(tmp_path, crosscoder(), "model_final.pt")
    ended = detect(tmp_path)
    assert ended is not None
    assert not ended.members
    assert ended.describe().weights.name == "model_final.pt"


@pytest.mark.parametrize("identifier", [0, 6, -1])
def test_an_unknown_normalisation_is_refused(tmp_path: Path, identifier: int) -> None:
    with pytest.raises(UserError, match="code normalisation"):
        read(save(tmp_path, crosscoder() | {"code_normalization_id": torch.tensor(identifier)}))


def test_numbers_that_are_none_are_damage_elsewhere(tmp_path: Path) -> None:
    own = crosscoder(scaled=True)
    own["activation_mean"][0, 0] = torch.nan
    with pytest.raises(UserError, match="not numbers"):
        open_sae(save(tmp_path, own), device="cpu")
