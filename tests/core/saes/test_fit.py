"""Whether an SAE fits a model, in sentences."""

from __future__ import annotations

from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.fit import fits
from tests.core.saes import make


def test_what_fits_says_nothing() -> None:
    assert fits(make.config(), layers=4, width=make.D) == []


def test_another_width() -> None:
    problems = fits(make.config(d_in=2304, d_out=2304), 30, 576, "SmolLM2-135M-Instruct")
    assert problems == ["This SAE reads activations of width 2304; SmolLM2-135M-Instruct has 576."]


def test_a_layer_that_is_not_there() -> None:
    assert fits(make.config(), 3, make.D, "gpt2") == ["This SAE belongs to layer 3; the layers of gpt2 are 0 to 2."]


def test_a_transcoder_s_output() -> None:
    transcoder = make.config(architecture="transcoder", d_out=20, hook_out=HookPoint("mlp_out", 3))
    assert fits(transcoder, 4, make.D, out_width=20) == []
    assert fits(transcoder, 4, make.D) == ["This SAE gives activations of width 20; this model has 12."]


def test_no_hook_point_is_a_problem_of_its_own() -> None:
    assert "does not say which layer" in fits(make.config(hook_point=None, hook_out=None), 4, make.D)[0]
    assert fits(make.config(hook_point=None, problems=("It reads X.",)), 4, make.D) == ["It reads X."]
