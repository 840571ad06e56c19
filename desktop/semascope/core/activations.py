"""What fires on a prompt: every feature's activation on every token, and which tokens do not count.

`PromptActivations` is numpy only, so the interface can hold one and answer any question about it at once; only
`activations_of`, which runs the model, imports torch. For a whole corpus there is `core.harvest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from semascope.core.errors import UserError
from semascope.core.fit import fit
from semascope.core.harvest.sinks import MULTIPLE, SinkRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from semascope.core.models.model import LanguageModel
    from semascope.core.models.text import Tokens
    from semascope.core.saes.sae import SAE

_CHUNK = 256  # tokens encoded at once: bounds the dense (tokens, features) block that most architectures make
_DENSE = 1 << 28  # and the most values of such a block: a cross-layer transcoder has millions of features


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
        left_out: np.ndarray = self.special | self.sink
        return ~left_out

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


def activations_of(
    model: LanguageModel, sae: SAE, tokens: Tokens, ids: Sequence[int] | None = None, *, median: float | None = None
) -> PromptActivations:
    """Run `tokens` through the model as far as the SAE's hook point, and encode.

    Args:
        model, sae: A pair that fits (`core.fit`), on one device.
        tokens: The prompt, see `core.prompt`.
        ids: Only these features, or None for all.
        median: The running median of the norms at this hook point, from a harvest, to tell sinks by. Otherwise that
            which the SAE carries in its metadata, otherwise the prompt's own.

    Raises:
        UserError: The SAE doesn't fit the model, or an id is not one of its features.
    """
    import torch  # here, since whoever only holds the result must not pay for it

    fitted = fit(model, sae)
    wrong = [i for i in ids or () if not 0 <= i < sae.config.features]
    if wrong:
        raise UserError(f"There is no feature {wrong[0]}: the SAE has {sae.config.features:,}, numbered from 0.")
    asked = None if ids is None else tuple(sorted(set(ids)))
    with torch.inference_mode():
        x = model.run_to(fitted.hooks, torch.tensor([tokens.ids]))[0]
        norms = x.float().norm(dim=-1).cpu().numpy()
        rows, features, values = [], [], []
        some = None if asked is None else torch.tensor(asked, device=sae.device, dtype=torch.long)
        step = len(x) if fitted.sequential else max(1, min(_CHUNK, _DENSE // sae.config.features))
        for start in range(0, len(x), step):
            part = x[start : start + step]
            f = fitted.encode(part) if some is None else fitted.encode_some(part, some)
            row, column = f.nonzero(as_tuple=True)  # row by row, ascending within a row
            rows.append((row + start).cpu().numpy())
            features.append((column if some is None else some[column]).cpu().numpy())
            values.append(f[row, column].float().cpu().numpy())
    special = np.array(tokens.special, bool)
    return PromptActivations(
        tokens.strings,
        special,
        _sink_rule(norms[~special], median or known_median(sae)).mask(norms),
        np.searchsorted(np.concatenate(rows), np.arange(len(x) + 1)),
        np.concatenate(features).astype(np.uint32),
        np.concatenate(values),
        asked,
    )


def known_median(sae: SAE) -> float | None:
    """The median norm at the SAE's hook point, where whoever trained it wrote it down."""
    facts = sae.config.metadata.get("semascope")
    value = facts.get("median_norm") if isinstance(facts, Mapping) else None
    return float(value) if isinstance(value, (int, float)) and value > 0 else None


def _sink_rule(norms: np.ndarray, median: float | None) -> SinkRule:
    """The rule with a known median, or with that of the tokens at hand."""
    if median is not None:
        return SinkRule(MULTIPLE, median)
    return SinkRule.estimate(norms) if np.isfinite(norms).any() else SinkRule(MULTIPLE, np.inf)
