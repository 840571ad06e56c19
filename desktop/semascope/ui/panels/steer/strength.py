"""Strengths in words and numbers: what a pin's slider says, what a typed value means, what the engine is asked for.

A pin's `strength` is what the slider shows, 0 in the middle, where the pin does nothing. What it stands for depends on
the mode (f is the feature's own activation on a token, M its maximum in the harvest):

    clamp   f := strength · M          add     f := f + strength · M
    scale   f := (1 + strength) · f    ablate  f := 0, whatever the slider says

So 0 is "off" in every mode but the last, and a scale of −1 is an ablation. Without a maximum to measure in (no
harvest, or a feature that never fired in it) M is 1: strengths are raw activations then, and every text says so.
Pure functions; the widgets are in `semascope.ui.widgets`, the engine's side in `semascope.core.steering`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

from semascope.core.session.document import Pin
from semascope.core.steering.edits import Edit

MODES: tuple[str, ...] = ("clamp", "scale", "add", "ablate")
MODE_TITLES = {
    "clamp": "Clamp to a value",
    "scale": "Scale its own activation",
    "add": "Add to its activation",
    "ablate": "Ablate (set to zero)",
}
TYPED_LIMIT = 1000.0
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"

_NUMBER = re.compile(r"^[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?$", re.IGNORECASE)


def is_active(pin: Pin) -> bool:
    """Whether the pin changes the model at all."""
    return pin.enabled and (pin.mode == "ablate" or pin.strength != 0.0)


def number(value: float, *, signed: bool = False) -> str:
    """A short decimal with a true minus sign: 4 → "4.0", 0.35 → "0.35", 57.21 → "57.2", 1234.5 → "1,234"."""
    size = abs(value)
    if size >= 1000:
        digits = f"{size:,.0f}"
    elif size >= 10 or math.isclose(size, round(size, 1), abs_tol=1e-9):
        digits = f"{size:.1f}"
    else:
        digits = f"{size:.2f}"
    sign = MINUS if value < 0 else "+" if signed and value > 0 else ""
    return sign + digits


def format_strength(pin: Pin, maximum: float | None) -> str:
    """What stands at the right of the pin's row: "+4.0 ×", "add +4.0 ×", "scale ×5.0", "ablate" or "off"."""
    if pin.mode == "ablate":
        return "ablate" if pin.enabled else "off"
    if pin.strength == 0.0:
        return "off"
    if pin.mode == "scale":
        return f"scale {TIMES}{number(1.0 + pin.strength)}"
    text = number(pin.strength, signed=True) + (f" {TIMES}" if maximum else "")
    return f"add {text}" if pin.mode == "add" else text


def parse_strength(text: str, mode: str) -> float | None:
    """The strength a person typed, or None when it cannot be read.

    Accepts what `format_strength` writes, a bare number, "off", a decimal comma and either minus sign. In mode
    "scale" the number is the factor ("×5" is a strength of 4).
    """
    cleaned = text.strip().casefold().replace(MINUS, "-").replace(TIMES, "")
    for word in ("clamp", "scale", "add", "x"):
        cleaned = cleaned.removeprefix(word).removesuffix(word).strip()
    cleaned = cleaned.replace(" ", "")
    if cleaned in ("off", ""):
        return 0.0
    if not _NUMBER.match(cleaned):
        return None
    value = float(cleaned.replace(",", "."))
    strength = value - 1.0 if mode == "scale" else value
    return strength if math.isfinite(strength) and abs(strength) <= TYPED_LIMIT else None


def explain(pin: Pin, maximum: float | None) -> str:
    """The pin's effect in a sentence with its raw value, for the tooltip and for screen readers."""
    if not pin.enabled:
        return "Muted: the model runs without this edit."
    if pin.mode == "ablate":
        return "Ablate: its activation is set to 0 on every token."
    if pin.strength == 0.0:
        return "Off: the model runs without this edit."
    if pin.mode == "scale":
        factor = number(1.0 + pin.strength)
        return f"Scale: its own activation is multiplied by {factor}; where it is silent nothing changes."
    value = number(pin.strength * (maximum or 1.0), signed=pin.mode == "add")
    doing = f"Add {value} to its activation" if pin.mode == "add" else f"Clamp to {value}"
    if not maximum:
        return f"{doing}, in raw activation: no maximum is known for this feature."
    return f"{doing}: {number(pin.strength)} times its maximum of {number(maximum)}."


def edits_of(pins: Iterable[Pin], maximum_of: Callable[[int], float | None]) -> tuple[Edit, ...]:
    """What the engine does for these pins, in raw activations; pins that are off or muted ask for nothing.

    Args:
        pins: The session's pins.
        maximum_of: A feature's maximum in the harvest, or None (or 0) where it has none.
    """
    edits = []
    for pin in pins:
        if not is_active(pin):
            continue
        if pin.mode == "ablate":
            value = 0.0
        elif pin.mode == "scale":
            value = 1.0 + pin.strength
        else:
            value = pin.strength * (maximum_of(pin.feature) or 1.0)
        edits.append(Edit(pin.feature, pin.mode, value))
    return tuple(edits)
