"""Apollo's end-to-end SAEs: decoders of unit norm, and the SAEs of several hooks in one file, each by FILE#HOOK."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.identify import identify
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import describe, detect, saes_within

D, M = 12, 40
HOOKS = ("blocks-2-hook_resid_pre", "blocks-6-hook_resid_pre", "blocks-10-hook_resid_pre")


def state(hook: str, d: int = D) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(len(hook) + d)
    shapes = {"encoder.0.weight": (M, d), "encoder.0.bias": (M,), "decoder.weight": (d, M), "decoder.bias": (d,)}
    return {f"{hook}.{name}": torch.randn(shape, generator=draw) * 0.5 for name, shape in shapes.items()}


def saved(folder: Path, *hooks: str, samples: int = 400000, config: bool = True, d: int = D) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({k: v for hook in hooks for k, v in state(hook, d).items()}, folder / f"samples_{samples}.pt")
    if config:
        positions = "".join(f"    - {hook.replace('-', '.')}\n" for hook in hooks)
        (folder / "final_config.yaml").write_text(f"tlens_model_name: gpt2-small\nsaes:\n  sae_positions:\n{positions}")
    return folder


def same(path: Path, hook: str, d: int = D) -> None:
    t, x = state(hook, d), torch.randn(64, d, generator=torch.Generator().manual_seed(9))
    f = (x @ t[f"{hook}.encoder.0.weight"].T + t[f"{hook}.encoder.0.bias"]).relu()
    x_hat = f @ normalize(t[f"{hook}.decoder.weight"], dim=0).T + t[f"{hook}.decoder.bias"]
    sae = open_sae(path, device="cpu")
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), x_hat, atol=1e-5, rtol=1e-5)
    assert str(sae.config.hook_point) == f"resid_pre.{hook.split('-')[1]}"
    assert (sae.config.processing, sae.config.problems) == ("folded", ())


@pytest.mark.parametrize("config", [False, True])
@pytest.mark.parametrize("d", [D, M])
def test_one_hook(config: bool, d: int, tmp_path: Path) -> None:
    folder = saved(tmp_path / "run", HOOKS[1], config=config, d=d)
    same(folder, HOOKS[1], d)
    same(folder / "samples_400000.pt", HOOKS[1], d)
    assert describe(folder).config.model_name == ("gpt2-small" if config else "")


def test_several_hooks_are_members_of_the_file(tmp_path: Path) -> None:
    folder = saved(tmp_path / "run", *HOOKS)
    names = [f"samples_400000.pt#{hook}" for hook in HOOKS]
    for path in (folder, folder / "samples_400000.pt"):
        detected = detect(path)
        assert detected is not None
        assert [member.name for member in detected.members] == names
        with pytest.raises(UserError, match="holds 3 SAEs") as refused:
            detected.describe()
        assert "#blocks-2-hook_resid_pre" in refused.value.hint
    for hook in HOOKS:
        same(folder / f"samples_400000.pt#{hook}", hook)
    assert [path.name for path in saes_within(Folder(tmp_path))] == names


def test_each_hook_has_its_own_fingerprint(tmp_path: Path) -> None:
    folder = saved(tmp_path / "run", *HOOKS)
    marks = {open_sae(folder / f"samples_400000.pt#{hook}", device="cpu").fingerprint for hook in HOOKS}
    assert len(marks) == len(HOOKS)


def test_a_part_can_be_identified(tmp_path: Path) -> None:
    found = identify(saved(tmp_path / "run", *HOOKS) / f"samples_400000.pt#{HOOKS[1]}")
    assert (found.kind, found.format, found.details["hook_point"]) == ("sae", "apollo_e2e", "resid_pre.6")


def test_checkpoints_are_members(tmp_path: Path) -> None:
    saved(tmp_path / "run", HOOKS[0], samples=200)
    detected = detect(saved(tmp_path / "run", HOOKS[0], samples=1000))
    assert detected is not None
    assert [member.name for member in detected.members] == ["samples_200.pt", "samples_1000.pt"]


def test_a_hook_that_is_not_there(tmp_path: Path) -> None:
    folder = saved(tmp_path / "run", *HOOKS)
    with pytest.raises(UserError, match="no SAE of the name") as refused:
        describe(folder / "samples_400000.pt#blocks-3-hook_resid_pre")
    assert HOOKS[0] in refused.value.hint
    with pytest.raises(UserError, match="nothing at"):
        describe(folder / "absent.pt#blocks-3-hook_resid_pre")


def test_a_file_that_is_really_called_so(tmp_path: Path) -> None:
    saved(tmp_path / "run", HOOKS[0])
    path = tmp_path / "run/samples_400000.pt"
    path.rename(tmp_path / "run/mine#1.pt")
    same(tmp_path / "run/mine#1.pt", HOOKS[0])


def test_a_row_of_zeros_stays_one(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    tensors = state(HOOKS[0])
    tensors[f"{HOOKS[0]}.decoder.weight"][:, 3] = 0.0
    torch.save(tensors, folder / "samples_1.pt")
    assert torch.equal(open_sae(folder, device="cpu").W_dec[3], torch.zeros(D))


def test_a_place_that_is_no_hook_point(tmp_path: Path) -> None:
    config = describe(saved(tmp_path / "run", "blocks-1-attn-hook_pattern")).config
    assert config.reads == ()
    assert "hook point" in config.problems[0]
