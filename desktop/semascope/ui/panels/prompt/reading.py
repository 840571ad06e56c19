"""One answer of the engine, ready to be looked at: heat of any feature, strongest features anywhere, numbers in words.

Holds no state but what it has worked out already; the presenter makes a new one for every answer and every change of
what activations are measured in. No Qt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semascope.core.activations import PromptActivations
from semascope.state.yardstick import DENSE, Yardstick
from semascope.ui.panels.prompt.strong_row import StrongRow
from semascope.ui.panels.prompt.strongest import Strong, scale_end, shares, strongest_at, strongest_overall
from semascope.ui.widgets.numbers import activation_text
from semascope.ui.widgets.token_text import list_form


class Names(Protocol):
    """Who knows what features are called and which are pinned."""

    def name(self, feature: int) -> tuple[str, bool]:
        """What to call a feature, and whether that is a label."""

    def colour(self, feature: int) -> int | None:
        """Index of its pin's colour, or None."""


@dataclass(frozen=True, eq=False)
class Heat:
    """The heatmap of one feature.

    Attributes:
        feature: Its id, or None while none is selected.
        activations: (T,) its activation on every token.
        shares: (T,) the same as 0…1 of `end`.
        end: The activation drawn at full colour.
        maximum: Its maximum in the harvest, or None: then `end` is the highest value on this prompt.
    """

    feature: int | None
    activations: NDArray[np.float32]
    shares: NDArray[np.float32]
    end: float
    maximum: float | None


class Reading:
    """See the module.

    Args:
        activations: The engine's answer.
        measure: What activations are relative to.
        names: Names and pins, asked anew every time.
    """

    def __init__(self, activations: PromptActivations, measure: Yardstick, names: Names) -> None:
        self.activations = activations
        self.measure = measure
        self._names = names
        self._overall: tuple[Strong, ...] | None = None  # ranking a long prompt takes a while
        self._heat: Heat | None = None

    def __len__(self) -> int:
        return len(self.activations.strings)

    # --- the heatmap ------------------------------------------------------------------------------------------

    def heat(self, feature: int | None) -> Heat:
        """The heatmap of a feature; nothing lights up for None."""
        if self._heat is None or self._heat.feature != feature:
            self._heat = self._make_heat(feature)
        return self._heat

    def _make_heat(self, feature: int | None) -> Heat:
        if feature is None:
            nothing = np.zeros(len(self), np.float32)
            return Heat(None, nothing, nothing, 0.0, None)
        maximum = self.measure.maximum(feature)
        activations = self.activations.of(feature)
        end = scale_end(self.activations, feature, maximum)
        return Heat(feature, activations, shares(activations, end), end, maximum)

    def scale_words(self, feature: int | None) -> str:
        """What the end of the scale is."""
        heat = self.heat(feature)
        if feature is None:
            return "Select a feature to see where it fires."
        if heat.maximum is not None:
            return "its maximum in the harvest"
        return "its highest value here" if heat.end > 0 else "It does not fire on this prompt."

    def about_token(self, token: int, feature: int | None) -> str:
        """The number behind a token's colour, in words."""
        lines = [self._place(token)]
        heat = self.heat(feature)
        if feature is not None:
            value = float(heat.activations[token])
            lines.append(f"#{feature}: {activation_text(value)}{_of_maximum(value, heat.maximum)}")
        if kind := self._kind(token):
            lines.append(f"{kind}: not counted")
        return "\n".join(lines)

    # --- the list ---------------------------------------------------------------------------------------------

    def strongest(self, token: int | None) -> tuple[Strong, ...]:
        """The strongest features of a token; of the whole prompt for None."""
        if token is not None:
            return strongest_at(self.activations, token, self.measure)
        if self._overall is None:
            self._overall = strongest_overall(self.activations, self.measure)
        return self._overall

    def rows(self, token: int | None) -> tuple[StrongRow, ...]:
        """The same as lines of the list, with a heading before the dense ones."""
        strongest = self.strongest(token)
        usual = tuple(self._row(strong, token is None) for strong in strongest if not strong.dense)
        dense = tuple(self._row(strong, token is None) for strong in strongest if strong.dense)
        heading = StrongRow(None, f"Dense: active on over {DENSE:.0%} of all tokens".replace("%", " %"))
        return (*usual, heading, *dense) if dense else usual

    def _row(self, strong: Strong, with_place: bool) -> StrongRow:
        name, labelled = self._names.name(strong.feature)
        value = activation_text(strong.activation)
        maximum = self.measure.maximum(strong.feature)
        about = f"Feature {strong.feature}, {name}: {value}{_of_maximum(strong.activation, maximum)}"
        if with_place:
            about += f"\non {self._place(strong.position)}"
        about += "\nClick shows it, P pins it"
        colour = self._names.colour(strong.feature)
        return StrongRow(strong.feature, name, labelled, colour, value, strong.share, about)

    def list_title(self, token: int | None) -> str:
        """What the list is of."""
        if token is None:
            return "Strongest features of the whole prompt"
        kind = self._kind(token)
        return f"Strongest features at {self._place(token)}{f', {kind}' if kind else ''}"

    # --- words ------------------------------------------------------------------------------------------------

    def counts(self, context: int) -> str:
        """How long the prompt is and how much of it does not count: "23 tokens · 4 greyed, not counted".

        Args:
            context: The most the model reads, said when the prompt comes near it; 0 when not known.
        """
        total = len(self)
        greyed = total - int(self.activations.counted.sum())
        of = f" of {context:,}" if context and total > context // 2 else ""
        words = f"{total:,}{of} token{'s' if total != 1 else ''}"
        return f"{words} · {greyed:,} greyed, not counted" if greyed else words

    def _place(self, token: int) -> str:
        return f"{list_form(self.activations.strings[token])}  token {token}"

    def _kind(self, token: int) -> str:
        if self.activations.special[token]:
            return "a special token"
        return "an attention sink" if self.activations.sink[token] else ""


def _of_maximum(value: float, maximum: float | None) -> str:
    return f", {value / maximum:.0%} of its maximum in the harvest".replace("%", " %") if maximum else ""
