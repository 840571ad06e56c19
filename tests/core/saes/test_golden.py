"""Every fixture: the numbers of the release's own library, and the same active sets."""

from __future__ import annotations

import pytest
import torch

from semascope.core.saes import open_sae
from tests.core.saes.golden import GOLDEN, folders, io_note, load


@pytest.mark.parametrize("name", folders())
def test_the_library_s_numbers(name: str) -> None:
    golden, sae = load(name), open_sae(GOLDEN / name, device="cpu")
    tolerance = 2e-2 if "bf16" in name else 1e-5
    f = sae.encode(golden.x)
    torch.testing.assert_close(f, golden.f, atol=tolerance, rtol=tolerance)
    if "x_hat includes skip" not in io_note(name):
        torch.testing.assert_close(sae.decode(f), golden.x_hat, atol=tolerance, rtol=tolerance)
    if golden.forward is not None:
        torch.testing.assert_close(sae(golden.x), golden.forward, atol=tolerance, rtol=tolerance)
    if "bf16" not in name:  # the library computes that one in bf16, which moves features across zero
        assert torch.equal(f != 0, golden.f != 0)


def test_there_are_fixtures_of_every_family() -> None:
    assert len(folders()) >= 44
