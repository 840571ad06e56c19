"""Dictionaries of several hook points against plain formulas, in both layouts, in memory and mapped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.layered import LayeredSAE
from semascope.core.saes.memory import parameters
from tests.core.saes.make_layers import D, L, M, config, layered, naive_decode, naive_encode, tensors

KINDS = ("transcoder_set", "cross_layer_transcoder", "crosscoder", "causal crosscoder")
CASES = [
    (kind, activation, mapped)
    for kind in KINDS
    for activation in ("relu", "jumprelu", "topk")
    for mapped in (False, True)
]


def native(kind: str, values: Tensor) -> Tensor:
    """(…, places, d) as the kind's library has it."""
    return values if "crosscoder" in kind else values.movedim(-2, 0)


@pytest.mark.parametrize(("kind", "activation", "mapped"), CASES)
def test_both_layouts_give_the_formula_s_numbers(kind: str, activation: str, mapped: bool) -> None:
    own, sae = tensors(kind, activation, skip=True), layered(kind, activation, skip=True, mapped=mapped)
    x = torch.randn(7, 2, L, D)
    f = naive_encode(own, x, activation)
    x_hat = naive_decode(own, f)
    whole = naive_decode(own, f, x)
    flat_f = torch.cat(f, dim=-1)
    ours = sae.encode(x.flatten(-2))
    torch.testing.assert_close(ours, flat_f, atol=1e-5, rtol=1e-5)
    assert torch.equal(ours > 0, flat_f > 0)
    torch.testing.assert_close(sae.decode(ours), x_hat.flatten(-2), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x.flatten(-2)), whole.flatten(-2), atol=1e-5, rtol=1e-5)
    theirs = sae.encode(native(kind, x))
    expected = f[0] if kind == "crosscoder" else native(kind, torch.stack(f, dim=-2))
    torch.testing.assert_close(theirs, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae.decode(theirs), native(kind, x_hat), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(native(kind, x)), native(kind, whole), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("kind", "activation", "mapped"), CASES)
def test_some_features_are_those_of_all(kind: str, activation: str, mapped: bool) -> None:
    sae = layered(kind, activation, mapped=mapped)
    x = torch.randn(9, L * D)
    ids = torch.tensor([sae.config.features - 1, 0, 17, sae.config.features // 2])
    torch.testing.assert_close(sae.encode_some(x, ids), sae.encode(x)[:, ids], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mapped", [False, True])
def test_directions_and_norms_are_what_decoding_adds(kind: str, mapped: bool) -> None:
    sae = layered(kind, mapped=mapped)
    ids = torch.arange(sae.config.features)
    sae.encode(torch.zeros(1, L * D))
    rows = sae.decode(torch.eye(len(ids))) - sae.decode(torch.zeros(len(ids), len(ids)))
    torch.testing.assert_close(sae.directions(torch.zeros(1, L * D), ids)[0], rows, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae.decoder_norms(), rows.norm(dim=-1), atol=1e-5, rtol=1e-5)
    by_place = rows.view(-1, L, D)
    stream = by_place[:, -1] if "crosscoder" in kind else by_place.sum(dim=1)
    torch.testing.assert_close(sae.written(), stream, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mapped", [False, True])
def test_encoders_of_different_size_are_filled_up_with_silent_features(mapped: bool) -> None:
    sizes = (40, 24, 31)
    own = tensors("cross_layer_transcoder", sizes=sizes)
    sae = layered("cross_layer_transcoder", sizes=sizes, mapped=mapped)
    x = torch.randn(8, L, D)
    f = naive_encode(own, x)
    ours = sae.encode(x.movedim(1, 0))
    assert ours.shape == (L, 8, 40)
    assert sae.config.features == 120
    for e, size in enumerate(sizes):
        torch.testing.assert_close(ours[e, :, :size], f[e], atol=1e-5, rtol=1e-5)
        assert not ours[e, :, size:].any()
    torch.testing.assert_close(sae.decode(ours), naive_decode(own, f).movedim(1, 0), atol=1e-5, rtol=1e-5)
    ids = torch.tensor([40 + 24, 79, 80, 119, 64 - 1])  # first and last of the missing ones among them
    torch.testing.assert_close(
        sae.encode_some(x.flatten(-2), ids), sae.encode(x.flatten(-2))[:, ids], atol=1e-5, rtol=1e-5
    )
    assert not sae.directions(x.flatten(-2), torch.tensor([79]))[0].any()
    assert sae.decoder_norms()[79] == 0


def test_the_axis_of_places_may_be_the_first_or_the_last_but_one() -> None:
    sae = layered("cross_layer_transcoder")
    x = torch.randn(8, L, D)
    first = sae.encode(x.movedim(1, 0))
    assert torch.equal(sae.encode(x), first.movedim(0, 1))
    assert torch.equal(sae.decode(sae.encode(x)), sae.decode(first).movedim(0, 1))


@pytest.mark.parametrize("shape", [(5, D), (5, L + 1, D), (L, 5, D + 1), (5, L * D + 1), (D,), ()])
def test_other_shapes_are_refused_in_a_sentence(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="of 3 places with 12 values each"):
        layered("cross_layer_transcoder").encode(torch.zeros(shape) if shape else torch.zeros(1))


def test_an_encoder_by_itself_is_the_same_one() -> None:
    own, sae = tensors("cross_layer_transcoder", skip=True), layered("cross_layer_transcoder", skip=True)
    one = sae.one_encoder(1)
    x = torch.randn(6, L, D)
    assert torch.equal(one.encode(x[:, 1]), sae.encode(x.flatten(-2))[:, M : 2 * M])
    assert (one.config.reads, one.config.writes) == (sae.config.reads[1:2], sae.config.writes[1:])
    f = naive_encode(own, x)[1]
    expected = torch.cat([f @ own["W_dec.1.1"] + own["b_dec.1"], f @ own["W_dec.1.2"] + own["b_dec.2"]], dim=-1)
    torch.testing.assert_close(one.decode(one.encode(x[:, 1])), expected, atol=1e-5, rtol=1e-5)
    expected[:, :D] += x[:, 1] @ own["W_skip.1"]
    torch.testing.assert_close(one(x[:, 1]), expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="all places"):
        layered("crosscoder").one_encoder(0)


def test_encoders_that_read_the_same_share_one_matrix() -> None:
    own = tensors("crosscoder")
    for e in range(L):
        own[f"b_enc.{e}"], own[f"threshold.{e}"] = own["b_enc.0"], torch.full((M,), 0.2 * e)
        own[f"W_dec.{e}.{e}"] = own.pop(f"W_dec.0.{e}") if e else own["W_dec.0.0"]
    sae = LayeredSAE(config("crosscoder", "jumprelu", encoders=L), own)
    assert len({encoder.weight.data_ptr() for encoder in sae.encoders}) == 1
    x = torch.randn(4, L, D)
    p = x.flatten(-2) @ own["W_enc.0"] + own["b_enc.0"]
    expected = torch.stack([p * (p > 0.2 * e) * (p > 0) for e in range(L)], dim=-2)
    f = sae.encode(x)
    torch.testing.assert_close(f, expected, atol=1e-5, rtol=1e-5)
    decoded = torch.stack([expected[:, e] @ own[f"W_dec.{e}.{e}"] + own[f"b_dec.{e}"] for e in range(L)], dim=-2)
    torch.testing.assert_close(sae.decode(f), decoded, atol=1e-5, rtol=1e-5)


def test_a_centre_is_taken_off_first() -> None:
    own = tensors("crosscoder")
    centre = torch.randn(L * D)
    plain, centred = LayeredSAE(config("crosscoder"), own), LayeredSAE(config("crosscoder"), own | {"centre": centre})
    x = torch.randn(5, L * D)
    assert torch.equal(centred.encode(x), plain.encode(x - centre))


def test_mapped_matrices_stay_where_they_are() -> None:
    own = tensors("cross_layer_transcoder")
    stored = {name: tensor.bfloat16() if name.startswith("W_") else tensor for name, tensor in own.items()}
    sae = LayeredSAE(config("cross_layer_transcoder"), stored, mapped=True)
    assert sae.decoders[0][2].data_ptr() == stored["W_dec.0.2"].data_ptr()
    assert sae.encoders[1].weight.data_ptr() == stored["W_enc.1"].data_ptr()
    x = torch.randn(5, L * D)
    rounded = LayeredSAE(config("cross_layer_transcoder"), {name: tensor.float() for name, tensor in stored.items()})
    torch.testing.assert_close(sae(x), rounded(x), atol=1e-5, rtol=1e-5)


def test_half_precision_computes_in_itself_and_gives_float32() -> None:
    half = LayeredSAE(config("transcoder_set"), tensors("transcoder_set"), dtype=torch.bfloat16)
    x = torch.randn(4, L * D)
    f = half.encode(x)
    assert f.dtype == half.decode(f).dtype == half.directions(x, torch.tensor([3])).dtype == torch.float32
    torch.testing.assert_close(f, layered("transcoder_set").encode(x), atol=5e-2, rtol=5e-2)


def test_it_is_read_as_a_person_says() -> None:
    sae = layered("crosscoder")
    moved = sae.reread(replace(sae.config, reads=tuple(HookPoint("resid_post", at) for at in (4, 5, 6))))
    assert moved.config.reads[0].layer == 4
    assert sae.config.reads[0].layer == 0
    assert moved.decoders is sae.decoders
    with pytest.raises(UserError, match="scaled by its own norm"):
        sae.reread(replace(sae.config, normalize="layer_norm"))


@pytest.mark.parametrize("kind", KINDS)
def test_its_parameters_are_counted(kind: str) -> None:
    own: dict[str, Any] = tensors(kind)
    counted = sum(tensor.numel() for name, tensor in own.items() if name.startswith("W_"))
    stated = parameters(config(kind))
    assert counted <= stated <= 1.5 * counted + 3 * M * L
