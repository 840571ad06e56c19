"""What an `SAE` promises whatever its release: free leading dimensions, any dtype in, one feature alone, true directions."""

from __future__ import annotations

import pytest
import torch

from semascope.core.errors import UserError
from semascope.core.saes import open_sae
from semascope.core.saes import sae as sae_module
from tests.core.saes import make
from tests.core.saes.golden import GOLDEN, load, one_layer

CLOSE = {"atol": 1e-5, "rtol": 1e-5}
FLAT = one_layer()


@pytest.mark.parametrize("name", FLAT)
def test_some_features_alone_as_in_all(name: str) -> None:
    golden, sae = load(name), open_sae(GOLDEN / name, device="cpu")
    ids = torch.tensor([63, 0, 17, 17, 40])
    torch.testing.assert_close(sae.encode_some(golden.x, ids), sae.encode(golden.x)[..., ids], **CLOSE)


@pytest.mark.parametrize("name", FLAT)
def test_leading_dimensions_are_free(name: str) -> None:
    golden, sae = load(name), open_sae(GOLDEN / name, device="cpu")
    f, x_hat = sae.encode(golden.x), sae(golden.x)
    shaped = golden.x.view(4, 8, -1)
    torch.testing.assert_close(sae.encode(shaped), f.view(4, 8, -1), **CLOSE)
    torch.testing.assert_close(sae(shaped), x_hat.view(4, 8, -1), **CLOSE)
    torch.testing.assert_close(sae.encode(golden.x[5]), f[5], **CLOSE)
    torch.testing.assert_close(sae(golden.x[5]), x_hat[5], **CLOSE)
    assert sae(golden.x[:0]).shape == (0, sae.config.d_out)


@pytest.mark.parametrize("name", FLAT)
def test_directions_are_the_derivative_of_the_reconstruction(name: str) -> None:
    golden, sae = load(name), open_sae(GOLDEN / name, device="cpu")
    ids = torch.tensor([3, 50])
    x = golden.x[:6]
    f = sae.encode(x)
    before = sae.decode(f)
    directions = sae.directions(x, ids).expand(6, 2, -1)
    for column, feature in enumerate(ids):
        moved = f.clone()
        moved[:, feature] += 2.0
        sae.encode(x)
        torch.testing.assert_close((sae.decode(moved) - before) / 2, directions[:, column], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", FLAT)
def test_batches_larger_than_a_chunk(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    golden, sae = load(name), open_sae(GOLDEN / name, device="cpu")
    whole = sae.encode(golden.x)
    monkeypatch.setattr(sae_module, "_CHUNK", 64 * 5)
    torch.testing.assert_close(sae.encode(golden.x), whole, **CLOSE)
    torch.testing.assert_close(sae.decode(whole), golden.x_hat, atol=2e-2 if "bf16" in name else 1e-5, rtol=1e-2)


@pytest.mark.parametrize("name", FLAT)
def test_one_feature_needs_the_others_in_the_top_k_family_only(name: str) -> None:
    sae = open_sae(GOLDEN / name, device="cpu")
    assert sae.independent is (sae.config.activation in ("relu", "tanh_relu", "jumprelu", "gated"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_goes_in_and_float32_comes_out(dtype: torch.dtype) -> None:
    sae = make.sae()
    x = torch.randn(7, make.D).to(dtype)
    assert sae.encode(x).dtype == sae(x).dtype == torch.float32
    torch.testing.assert_close(sae.encode(x), sae.encode(x.float()), **CLOSE)


def test_computing_in_half_precision_is_a_choice() -> None:
    whole, half = make.sae(), make.sae()
    half = sae_module.SAE(make.config(), make.tensors(), dtype=torch.bfloat16)
    x = torch.randn(50, make.D)
    assert half.W_enc.dtype == torch.bfloat16
    assert half.encode(x).dtype == torch.float32
    torch.testing.assert_close(half(x), whole(x), atol=0.2, rtol=0.1)


@pytest.mark.parametrize("normalize", ["layer_norm", "constant_norm_rescale"])
def test_what_scales_each_token_decodes_only_what_it_encoded(normalize: str) -> None:
    sae = make.sae(normalize=normalize)
    f = torch.rand(3, make.M)
    with pytest.raises(UserError, match="just encoded"):
        sae.decode(f)
    sae.encode(torch.randn(2, make.D))
    with pytest.raises(UserError, match="just encoded"):
        sae.decode(f)


@pytest.mark.parametrize("normalize", ["layer_norm", "constant_norm_rescale"])
def test_a_token_of_zeros_gives_numbers(normalize: str) -> None:
    assert make.sae(normalize=normalize)(torch.zeros(1, make.D)).isfinite().all()


def test_another_width_is_refused_in_words() -> None:
    with pytest.raises(UserError, match="width 12, not 13"):
        make.sae().encode(torch.zeros(2, 13))


def test_heads_may_come_separately() -> None:
    golden = load("sae_lens/standard_hook_z")
    sae = open_sae(GOLDEN / "sae_lens/standard_hook_z", device="cpu")
    flat = golden.x.flatten(-2)
    torch.testing.assert_close(sae.encode(flat), golden.f, **CLOSE)
    torch.testing.assert_close(sae(flat), golden.x_hat.flatten(-2), **CLOSE)
    assert sae(golden.x).shape == golden.x.shape


def test_decoder_norms() -> None:
    sae = make.sae()
    expected = (sae.W_dec**2).sum(dim=1) ** 0.5
    torch.testing.assert_close(sae.decoder_norms(), expected)


def test_encoding_leaves_the_activations_as_they_were() -> None:
    x = torch.randn(4, make.D)
    kept = x.clone()
    make.sae(normalize="layer_norm", apply_b_dec_to_input=True)(x)
    assert torch.equal(x, kept)
