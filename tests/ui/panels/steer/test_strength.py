"""Strengths: what a slider says, what a typed value means, what the engine is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semascope.core.session.document import MODES, Pin
from semascope.core.steering.edits import Edit
from semascope.ui.panels.steer.strength import (
    MODE_TITLES,
    TYPED_LIMIT,
    edits_of,
    explain,
    format_strength,
    is_active,
    number,
    parse_strength,
)

MAXIMA = {1: 14.3, 2: None, 3: 2.0}


@pytest.mark.parametrize(
    ("pin", "maximum", "text"),
    [
        (Pin(1, 4.0), 14.3, "+4.0 ×"),
        (Pin(1, -1.5), 14.3, "−1.5 ×"),
        (Pin(1, 0.35), 14.3, "+0.35 ×"),
        (Pin(1, 0.0), 14.3, "off"),
        (Pin(1, 0.0, "add"), 14.3, "off"),
        (Pin(1, 4.0, "add"), 14.3, "add +4.0 ×"),
        (Pin(1, 4.0, "scale"), 14.3, "scale ×5.0"),
        (Pin(1, -1.0, "scale"), 14.3, "scale ×0.0"),
        (Pin(1, 4.0, "ablate"), 14.3, "ablate"),
        (Pin(1, 4.0, "ablate", enabled=False), 14.3, "off"),
        (Pin(1, 4.0), None, "+4.0"),
    ],
)
def test_a_strength_in_words(pin: Pin, maximum: float | None, text: str) -> None:
    assert format_strength(pin, maximum) == text


@given(st.sampled_from([mode for mode in MODES if mode != "ablate"]), st.integers(-1000, 1000))
def test_what_is_shown_can_be_typed(mode: str, hundredths: int) -> None:
    pin = Pin(1, hundredths / 100, mode)  # type: ignore[arg-type]
    assert parse_strength(format_strength(pin, 14.3), mode) == pytest.approx(pin.strength, abs=0.051)


@pytest.mark.parametrize(
    ("text", "mode", "strength"),
    [
        ("4", "clamp", 4.0),
        ("-1,5 x", "clamp", -1.5),
        ("−2", "add", -2.0),
        (" off ", "clamp", 0.0),
        ("", "clamp", 0.0),
        ("×5", "scale", 4.0),
        ("1", "scale", 0.0),
        ("25", "clamp", 25.0),
    ],
)
def test_typed_values(text: str, mode: str, strength: float) -> None:
    assert parse_strength(text, mode) == strength


@pytest.mark.parametrize("text", ["four", "1e999", "nan", "inf", "--2", "1.2.3", str(TYPED_LIMIT * 2), "<b>4</b>"])
def test_what_is_no_strength_is_refused(text: str) -> None:
    assert parse_strength(text, "clamp") is None


def test_the_engine_is_asked_in_raw_activations() -> None:
    pins = [Pin(1, 4.0), Pin(2, 4.0, "add"), Pin(3, 0.5, "scale"), Pin(4, 9.0, "ablate")]
    assert edits_of(pins, MAXIMA.get) == (
        Edit(1, "clamp", pytest.approx(57.2)),  # type: ignore[arg-type]
        Edit(2, "add", 4.0),
        Edit(3, "scale", 1.5),
        Edit(4, "ablate", 0.0),
    )


def test_what_is_off_or_muted_asks_for_nothing() -> None:
    idle = [Pin(1), Pin(1, 0.0, "scale"), Pin(1, 0.0, "add"), Pin(1, 4.0, enabled=False), Pin(1, 0, "ablate", False)]
    assert not any(is_active(pin) for pin in idle)
    assert edits_of(idle, MAXIMA.get) == ()


def test_the_explanation_gives_the_raw_value() -> None:
    assert explain(Pin(1, 4.0), 14.3) == "Clamp to 57.2: 4.0 times its maximum of 14.3."
    assert "in raw activation" in explain(Pin(2, 4.0), None)
    assert "Muted" in explain(Pin(1, 4.0, enabled=False), 14.3)
    assert set(MODE_TITLES) == set(MODES)


def test_numbers_are_short_and_have_a_true_minus() -> None:
    assert [number(x) for x in (0, 4, 0.354, 57.21, -1.5, 1234.5)] == ["0.0", "4.0", "0.35", "57.2", "−1.5", "1,234"]
