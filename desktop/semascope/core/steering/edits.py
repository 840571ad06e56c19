"""What a person asks of one feature: clamp, scale, ablate or add. Plain values; the arithmetic is in `apply`.

Torch-free, so that sessions, sliders and the command line can speak of edits without loading it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from semascope.core.errors import UserError

Mode = Literal["clamp", "scale", "ablate", "add"]
Positions = Literal["all", "prompt", "generated"]
MODES: tuple[str, ...] = get_args(Mode)


@dataclass(frozen=True)
class Edit:
    """One feature and what is done to its activation f on every steered token.

    Attributes:
        feature: The feature's id.
        mode: "clamp": f becomes `value`, whether or not the feature fires there. "scale": f becomes `value`·f.
            "ablate": f becomes 0. "add": f becomes f + `value`.
        value: In the SAE's own units of activation; a factor for "scale"; unused for "ablate". May be negative,
            although no encoder produces negative activations.
    """

    feature: int
    mode: Mode
    value: float = 0.0

    @property
    def active(self) -> bool:
        """False when the edit changes nothing whatever the activation is: then no hook is needed for it."""
        return not ((self.mode == "scale" and self.value == 1.0) or (self.mode == "add" and self.value == 0.0))


def parse_edit(text: str, mode: Mode) -> Edit:
    """Read "ID=VALUE" ("ID" alone for "ablate"), as written on the command line.

    Raises:
        UserError: Not of that form.
    """
    feature, equals, value = text.partition("=")
    wanted = "ID" if mode == "ablate" else "ID=VALUE"
    try:
        if bool(equals) is (mode == "ablate"):
            raise ValueError
        return Edit(int(feature), mode, float(value) if equals else 0.0)
    except ValueError:
        raise UserError(f"“{text}” is not an edit.", f"Write --{mode} {wanted}, for example 12=8.5.") from None


def checked(edits: Iterable[Edit], features: int) -> tuple[Edit, ...]:
    """The edits that change anything, made sure of for an SAE of `features` features.

    Raises:
        UserError: An unknown mode, a feature that the SAE lacks or that is named twice, a value that is no number.
    """
    edits = tuple(edits)
    for edit in edits:
        if edit.mode not in MODES:
            raise UserError(f"“{edit.mode}” is not a way to steer.", f"Choose one of {', '.join(MODES)}.")
        if not 0 <= edit.feature < features:
            raise UserError(f"There is no feature {edit.feature}: the SAE has {features:,} features, numbered from 0.")
        if not math.isfinite(edit.value):
            raise UserError(f"The value for feature {edit.feature} is not a finite number.")
    named = [edit.feature for edit in edits]
    twice = next((feature for feature in named if named.count(feature) > 1), None)
    if twice is not None:
        raise UserError(f"Feature {twice} is edited twice.", "Give each feature one edit.")
    return tuple(edit for edit in edits if edit.active)
