"""Colours that can be read, in both themes, and a style sheet without a black spot."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication

from semascope.ui.theme import Theme, ramps, theme, themes, tokens
from semascope.ui.theme.palettes import palette
from semascope.ui.theme.stylesheet import stylesheet

BOTH = pytest.mark.parametrize("source", [tokens.LIGHT, tokens.DARK], ids=["light", "dark"])


def rgb_of(packed: np.uint32) -> tuple[int, int, int]:
    return (int(packed) >> 16 & 255, int(packed) >> 8 & 255, int(packed) & 255)


@BOTH
@pytest.mark.parametrize("ramp", ["activation", "signed"])
def test_text_is_legible_on_every_step_of_a_ramp(source: tokens.Tokens, ramp: str) -> None:
    look = Theme(source)
    lut, inks = getattr(look, f"{ramp}_lut"), getattr(look, f"text_on_{ramp}")
    assert lut.shape == (256, 4)
    assert (lut[:, 3] == 255).all()
    for colour, ink in zip(lut, inks, strict=True):
        ground = (int(colour[0]), int(colour[1]), int(colour[2]))
        assert ramps.contrast(ground, rgb_of(ink)) >= ramps.LEAST_CONTRAST


@BOTH
def test_the_activation_ramp_goes_from_the_pane_to_amber(source: tokens.Tokens) -> None:
    lut = Theme(source).activation_lut
    assert tuple(lut[0, :3]) == ramps.rgb(source.pane)
    assert tuple(lut[255, :3]) == source.activation
    distance = np.abs(lut[:, :3].astype(int) - lut[0, :3].astype(int)).sum(axis=1)
    assert (np.diff(distance) >= 0).all(), "stronger must look stronger"


@BOTH
def test_nought_is_the_pane_in_the_signed_ramp(source: tokens.Tokens) -> None:
    assert tuple(Theme(source).signed_lut[128, :3]) == ramps.rgb(source.pane)


@BOTH
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("text", "background"),
        ("text", "pane"),
        ("text", "soft"),
        ("text", "selection"),
        ("quiet", "background"),
        ("quiet", "pane"),
        ("on_accent", "accent"),
        ("error", "pane"),
        ("doubt", "pane"),
        ("doubt", "soft"),
        ("good", "pane"),
        ("good", "background"),
        ("error", "background"),
    ],
)
def test_words_are_legible(source: tokens.Tokens, ink: str, ground: str) -> None:
    assert ramps.contrast(ramps.rgb(getattr(source, ink)), ramps.rgb(getattr(source, ground))) >= 4.5


def test_contrast_is_that_of_wcag() -> None:
    assert ramps.contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21.0)
    assert ramps.contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


def test_steps_clip_and_take_nan_for_nought() -> None:
    assert ramps.steps(np.array([-1.0, 0.0, 0.5, 1.0, 7.0, np.nan])).tolist() == [0, 0, 128, 255, 255, 0]


@BOTH
def test_the_palette_has_every_role(source: tokens.Tokens) -> None:
    made = palette(source)
    colours = {made.color(QPalette.ColorRole(role)).name() for role in range(QPalette.ColorRole.NColorRoles.value)}
    known = {value.lower() for value in vars(source).values() if isinstance(value, str) and value.startswith("#")}
    assert made.color(QPalette.ColorRole.Window).name() == source.background.lower()
    assert colours & known >= {source.text.lower(), source.pane.lower(), source.selection.lower()}


@BOTH
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_style_sheet_is_filled_in_whole(source: tokens.Tokens, scale: float) -> None:
    rules = stylesheet(source, scale)
    assert "$" not in rules
    found = {colour.upper() for colour in re.findall(r"#[0-9a-fA-F]{6}\b", rules)}
    assert found <= {v.upper() for v in vars(source).values() if isinstance(v, str)}


def test_a_change_of_theme_reaches_the_application(qapp: QApplication) -> None:
    heard: list[str] = []
    themes().changed.connect(lambda: heard.append(theme().name))
    themes().set("dark", 1.5)
    assert theme().dark
    assert qapp.palette().color(QPalette.ColorRole.Window).name() == tokens.DARK.background.lower()
    assert qapp.font().pixelSize() == round(13 * 1.5)
    themes().set("light")
    assert heard == ["dark", "light"]
    assert qapp.font().pixelSize() == 13
    assert theme().row == 26


def test_pinned_features_wear_six_colours_in_turn() -> None:
    look = theme()
    assert look.feature_colour(0) == look.feature_colour(6)
    assert len({colour.name() for colour in look.feature_colours}) == 6
