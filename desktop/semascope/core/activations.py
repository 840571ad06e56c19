"""What fires on a prompt: every feature's activation on every token, and which tokens do not count.

`PromptActivations` is numpy only, so the interface can hold one and answer any question about it at once; only
`activations_of`, which runs the model, imports torch. For a whole corpus there is `core.harvest`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from semascope.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from semascope.core.models.model import LanguageModel
    from semascope.core.models.text import Tokens
    from semascope.core.saes.sae import SAE

_CHUNK = 256  # tokens encoded at once: bounds the dense (tokens, features) block that most architectures make


@dataclass(frozen=True, eq=False)
class PromptActivations:
    """The non-zero activations of T tokens, row by row (the CSR layout), in the SAE's own units.

    Attributes:
        strings: (T,) what each token shows as; joined, the text.
        special: (T,) bool, BOS and other special tokens by id.
        sink: (T,) bool, attention sinks: huge norms on which an SAE means nothing.
        starts: int64 (T+1,) token t owns entries starts[t]:starts[t+1].
        features: uint32, ascending within a token. values: float32.
        ids: The features that were asked for, or None for all of them.
    """

    strings: tuple[str, ...]
    special: np.ndarray
    sink: np.ndarray
    starts: np.ndarray
    features: np.ndarray
    values: np.ndarray
    ids: tuple[int, ...] | None = None

    @cached_property
    def counted(self) -> np.ndarray:
        """(T,) bool: the tokens that statistics and rankings are made of."""
        return ~(self.special | self.sink)

    def of(self, feature: int) -> np.ndarray:
        """float32 (T,): one feature's activation on every token, special ones and sinks included."""
        found = np.flatnonzero(self.features == feature)
        row = np.zeros(len(self.strings), np.float32)
        row[self._token_of(found)] = self.values[found]
        return row

    def top_at(self, token: int, n: int) -> list[tuple[int, float]]:
        """The n strongest features on one token: (feature, activation), strongest first."""
        entries = slice(int(self.starts[token]), int(self.starts[token + 1]))
        order = np.argsort(-self.values[entries], kind="stable")[:n]
        return [(int(self.features[entries][i]), float(self.values[entries][i])) for i in order]

    def top(self, n: int) -> list[tuple[int, float, int]]:
        """The n strongest features over the counted tokens: (feature, maximum, its position), strongest first."""
        tokens = self._token_of(np.arange(len(self.values)))
        keep = np.flatnonzero(self.counted[tokens])
        order = keep[np.lexsort((tokens[keep], self.features[keep], -self.values[keep]))]
        _, first = np.unique(self.features[order], return_index=True)
        best = order[np.sort(first)][:n]
        return [(int(self.features[i]), float(self.values[i]), int(tokens[i])) for i in best]

    def peak(self, feature: int) -> tuple[float, int | None]:
        """One feature's maximum over the counted tokens and where it is; (0.0, None) where it never fires."""
        row = np.where(self.counted, self.of(feature), 0.0)
        at = int(row.argmax()) if len(row) else 0
        return (float(row[at]), at) if len(row) and row[at] > 0 else (0.0, None)

    def _token_of(self, entries: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.starts, entries, side="right") - 1

    def report(self, ids: Iterable[int] | None, top: int) -> dict[str, Any]:
        """The JSON of `semascope activations`: the features `ids`, or the `top` strongest over the prompt."""
        ranked = [(i, *self.peak(i)) for i in ids] if ids is not None else self.top(top)
        return {
            "tokens": list(self.strings),
            "special": self.special.tolist(),
            "sink": self.sink.tolist(),
            "features": [
                {"id": feature, "activations": self.of(feature).tolist(), "max": peak, "position": position}
                for feature, peak, position in ranked
            ],
        }
