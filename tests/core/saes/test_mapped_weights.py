"""An SAE whose matrices stay in their file computes what one in memory computes, and takes no memory for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes import sae as sae_module
from semascope.core.saes.opening import open_sae
from semascope.core.saes.save import write_saelens
from tests.core.saes import make

ARCHITECTURES = ("standard", "jumprelu", "gated", "topk")


def written(folder: Path, architecture: str, dtype: str = "float32") -> Path:
    """A SAELens folder of random weights."""
    own = make.tensors()
    extra = {"jumprelu": {"threshold"}, "gated": {"b_gate", "r_mag", "b_mag"}}.get(architecture, set())
    kept = {"W_enc", "W_dec", "b_dec", *({"b_enc"} if architecture != "gated" else ()), *extra}
    write_saelens(
        folder,
        {name: tensor for name, tensor in own.items() if name in kept},
        architecture=architecture,
        hook_point=HookPoint("resid_post", 3),
        model_name="",
        metadata={},
        dtype=dtype,
        options={"k": 5} if architecture == "topk" else {},
    )
    return folder


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_same_numbers(architecture: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sae_module, "_CHUNK", 7 * make.D)  # several blocks of features
    folder = written(tmp_path / "s", architecture, dtype)
    held, mapped = open_sae(folder, device="cpu", mapped=False), open_sae(folder, device="cpu", mapped=True)
    assert mapped.mapped
    assert not held.mapped
    assert mapped.W_enc.dtype == getattr(torch, dtype)
    x, ids = torch.randn(9, make.D), torch.tensor([3, 39, 0])
    torch.testing.assert_close(mapped.encode(x), held.encode(x), atol=1e-6, rtol=1e-6)
    assert torch.equal(mapped.encode(x) != 0, held.encode(x) != 0)
    torch.testing.assert_close(mapped(x), held(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mapped.encode_some(x, ids), held.encode_some(x, ids), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(mapped.directions(x, ids), held.directions(x, ids))
    torch.testing.assert_close(mapped.decoder_norms(), held.decoder_norms())


def test_what_is_folded_at_opening_is_read_whole(tmp_path: Path) -> None:
    folder = written(tmp_path / "s", "topk")
    config = (folder / "cfg.json").read_text()
    (folder / "cfg.json").write_text(
        config.replace('"rescale_acts_by_decoder_norm": false', "").replace(
            '"k": 5', '"k": 5, "rescale_acts_by_decoder_norm": true'
        )
    )
    assert not open_sae(folder, device="cpu", mapped=True).mapped


def test_too_large_for_half_of_the_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from semascope.core.saes import opening

    folder = written(tmp_path / "s", "standard")
    assert not open_sae(folder, device="cpu").mapped
    monkeypatch.setattr(opening, "free_bytes", lambda _where: 3000)
    assert open_sae(folder, device="cpu").mapped


_MEASURE = """
import sys, torch
from semascope.core.saes.opening import open_sae
def anonymous():
    with open("/proc/self/smaps_rollup") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) * 1024
x = torch.randn(4, 512)
open_sae(sys.argv[1], device="cpu")(x)
before = anonymous()
sae = open_sae(sys.argv[2], device="cpu", mapped=sys.argv[3] == "mapped")
held = anonymous() - before
sae(x)
print(held)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux' account of memory")
def test_no_memory_is_taken_for_what_stays_in_the_file(tmp_path: Path) -> None:
    d, m = 512, 32_768
    small, large = tmp_path / "small", tmp_path / "large"
    for folder, features in ((small, 64), (large, m)):
        tensors = {
            "W_enc": torch.randn(d, features),
            "b_enc": torch.zeros(features),
            "W_dec": torch.randn(features, d),
            "b_dec": torch.zeros(d),
        }
        write_saelens(folder, tensors, architecture="standard", hook_point=None, model_name="", metadata={})
    matrices = 2 * d * m * 4
    taken = {}
    for how in ("mapped", "held"):
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, str(small), str(large), how], capture_output=True, text=True, check=True
        )
        taken[how] = int(done.stdout)
    assert taken["mapped"] < 0.1 * matrices
    assert taken["held"] > 0.4 * matrices  # the decoder needs no turning and may stay mapped even so
