"""Whether an SAE fits a model, in sentences."""

from __future__ import annotations

from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.fit import fits
from tests.core.saes import make
from tests.core.saes import make_layers as layers


def narrow(_hook: HookPoint) -> int:
    """A model as wide everywhere as the SAEs of these tests."""
    return make.D


def test_what_fits_says_nothing() -> None:
    assert fits(make.config(), 4, narrow) == []


def test_another_width() -> None:
    problems = fits(make.config(d_in=2304, d_out=2304), 30, lambda _: 576, "SmolLM2-135M-Instruct")
    assert problems == [
        "This SAE reads activations of width 2304; SmolLM2-135M-Instruct has 576 at resid_post.3.",
    ]


def test_a_layer_that_is_not_there() -> None:
    assert fits(make.config(), 3, narrow, "gpt2") == ["This SAE belongs to layer 3; the layers of gpt2 are 0 to 2."]


def test_a_transcoder_s_output() -> None:
    given = HookPoint("mlp_out", 3)
    transcoder = make.config(architecture="transcoder", kind="transcoder", d_out=20, writes=(given,))
    assert fits(transcoder, 4, lambda hook: 20 if hook == given else make.D) == []
    assert fits(transcoder, 4, narrow) == ["This SAE gives activations of width 20; this model has 12 at mlp_out.3."]


def test_several_hook_points() -> None:
    assert fits(layers.config("cross_layer_transcoder"), 3, narrow) == []
    assert fits(layers.config("cross_layer_transcoder", writes=()), 3, narrow) == []
    assert fits(layers.config("cross_layer_transcoder"), 2, narrow, "gpt2") == [
        "This SAE belongs to layer 2; the layers of gpt2 are 0 to 1."
    ]
    two = (HookPoint("resid_post", 0), HookPoint("resid_post", 1))
    assert fits(layers.config("crosscoder", reads=two), 3, narrow) == ["This SAE reads 3 hook points, not 2."]
    assert fits(layers.config("crosscoder", writes=two), 3, narrow) == ["This SAE writes to 3 hook points, not 2."]


def test_an_image_tower() -> None:
    seeing = make.config(reads=(HookPoint("resid_post", 3, "vision"),))
    assert fits(seeing, 30, narrow, "gpt2") == ["This SAE belongs to an image tower; gpt2 has none."]
    assert fits(seeing, 1, narrow, images=4) == []
    assert "the image tower of" in fits(seeing, 30, narrow, images=2)[0]


def test_no_hook_point_is_a_problem_of_its_own() -> None:
    assert "does not say which layer" in fits(make.config(reads=(), writes=()), 4, narrow)[0]
    assert fits(make.config(reads=(), problems=("It reads X.",)), 4, narrow) == ["It reads X."]
