"""Goodfire's and qresearch's SAEs: one formula under two names, and everything else in the file's name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import describe, detect

D, M = 12, 40
NAMES = {"goodfire": ("encoder_linear", "decoder_linear"), "qresearch": ("encoder", "decoder")}


def state(family: str, d: int = D) -> dict[str, Tensor]:
    encoder, decoder = NAMES[family]
    draw = torch.Generator().manual_seed(d)
    shapes = {
        f"{encoder}.weight": (M, d),
        f"{encoder}.bias": (M,),
        f"{decoder}.weight": (d, M),
        f"{decoder}.bias": (d,),
    }
    return {name: torch.randn(shape, generator=draw) * 0.5 for name, shape in shapes.items()}


def saved(path: Path, content: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("d", [D, M])
@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module."])
def test_the_formula(family: str, dtype: torch.dtype, d: int, prefix: str, tmp_path: Path) -> None:
    t = {name: tensor.to(dtype) for name, tensor in state(family, d).items()}
    path = saved(tmp_path / "Llama-3.1-8B-Instruct-SAE-l19.pth", {prefix + name: value for name, value in t.items()})
    sae = open_sae(path, device="cpu")
    x = torch.randn(64, d, generator=torch.Generator().manual_seed(9))
    encoder, decoder = ({k: t[f"{name}.{k}"].float() for k in ("weight", "bias")} for name in NAMES[family])
    f = (x @ encoder["weight"].T + encoder["bias"]).relu()
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), f @ decoder["weight"].T + decoder["bias"], atol=1e-5, rtol=1e-5)
    assert (sae.config.format, sae.config.dtype) == (family, str(dtype).removeprefix("torch."))


@pytest.mark.parametrize(
    ("family", "path", "model", "hook", "l0"),
    [
        ("goodfire", "Llama-3.1-8B-Instruct-SAE-l19.pth", "meta-llama/Llama-3.1-8B-Instruct", "resid_post.19", 91),
        ("goodfire", "Llama-3.3-70B-Instruct-SAE-l50.pt", "meta-llama/Llama-3.3-70B-Instruct", "resid_post.50", 121),
        ("qresearch", "DeepSeek-R1-Distill-Llama-8B-SAE-l19.pt", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
         "resid_post.19", None),
        ("qresearch", "models--q--Some-Model-SAE-l3/snapshots/0a1b/Some-Model-SAE-l3.pt", "Some-Model", "resid_post.3",
         None),
        ("qresearch", "layer_7/sae.pt", "", "resid_post.7", None),
    ],
)  # fmt: skip
def test_the_name_says_the_rest(
    family: str, path: str, model: str, hook: str, l0: float | None, tmp_path: Path
) -> None:
    place = saved(tmp_path / path, state(family))
    for each in (place, place.parent):
        config = describe(each).config
        assert (config.format, config.model_name, str(config.hook_point)) == (family, model, hook)
        assert (config.problems, config.l0) == ((), l0)


def test_a_name_that_says_nothing_asks(tmp_path: Path) -> None:
    config = describe(saved(tmp_path / "mine.pt", state("goodfire"))).config
    assert config.reads == ()
    assert "hook point" in config.problems[0]


def test_several_are_members(tmp_path: Path) -> None:
    for layer in (19, 3):
        saved(tmp_path / f"Llama-3.1-8B-Instruct-SAE-l{layer}.pth", state("goodfire"))
    detected = detect(tmp_path)
    assert detected is not None
    assert [path.stem[-3:] for path in detected.members] == ["-l3", "l19"]
    with pytest.raises(UserError, match="holds 2 SAEs"):
        detected.describe()


def test_shapes_that_do_not_fit(tmp_path: Path) -> None:
    wrong = {**state("goodfire"), "decoder_linear.bias": torch.zeros(D + 1)}
    with pytest.raises(UserError, match="decoder_linear"):
        describe(saved(tmp_path / "a-SAE-l1.pth", wrong))


def test_files_of_training_beside_a_model_are_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "rng_state.pth").write_bytes(b"no archive")
    (tmp_path / "scheduler.pt").write_bytes(b"no archive")
    assert detect(tmp_path) is None
    with pytest.raises(UserError, match="can't be read"):
        detect(tmp_path / "scheduler.pt")
