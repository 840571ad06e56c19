"""What a self-check found: whether an SAE is read rightly, and how else it might be. Imports no torch.

`check` measures; here are the figures, what is made of them and the limits that decide it, in one place. Shown as a card,
printed by `semascope identify`, kept with the SAE in a session.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.saes.reading import Reading

Verdict = Literal["plausible", "doubtful", "implausible"]
VERDICTS: tuple[Verdict, ...] = ("plausible", "doubtful", "implausible")

ENOUGH_EXPLAINED = 0.5
"""Published SAEs explain 0.6 to 0.95 of the variance of their own corpus, some points less of another."""
LITTLE_EXPLAINED = 0.2
"""Less than this, an SAE read rightly never explains; most read wrongly do."""
ENOUGH_PREDICTED, LITTLE_PREDICTED = 0.3, 0.05
"""The same for one that predicts another place (transcoders), which is harder, or several places at once."""
L0_FACTOR, FAR_L0_FACTOR = 3.0, 10.0
"""How far L0 may be from what the makers state: on other text it is half or twice as much, not a tenth or tenfold."""
CROWDED, MANY_ON = 1024, 0.2
"""Of so many features or more, a larger share than this on one token is no longer sparse."""
MOST_ON = 0.5
"""More features on than this is sparse with no number of features."""
FEW_USED = 0.01
"""A smaller share than this of the features that could have fired on so few tokens: the same few fire everywhere."""

LESS_UNEXPLAINED, MORE_EXPLAINED = 2 / 3, 0.05
"""Another reading is recommended if it leaves at most this share of the variance unexplained that the first one did, and
explains at least so much more: chance and other text move it by a hundredth or two."""

EXPLAINED_WELL = 0.9
"""One that explains so much is read rightly; below, the likeliest misreadings are looked at even where it is plausible."""
NOT_MANY_MORE = 1.5
"""Numbers of active features within this factor are alike."""

_MOST = 64  # alternatives and sentences of a record that someone else may have written
_LONGEST = 2000


@dataclass(frozen=True)
class Measured:
    """What one way of reading an SAE gave.

    Attributes:
        explained: 1 − Σ‖x − x̂‖² / Σ‖x − mean‖² of what it reconstructs, over all its places; NaN where it gives no numbers.
        l0: Mean number of active features a token; of each layer, where it has an encoder for each.
        dead_share: Share of features never active.
        norm: Median norm of the activations it reads, in the model's units.
        tokens: Counted tokens.
    """

    explained: float
    l0: float
    dead_share: float
    norm: float
    tokens: int


@dataclass(frozen=True)
class Alternative:
    """Another way of reading, as measured.

    Attributes:
        reading: What it changes about what the SAE's files say; not on top of the reading that was checked.
        explained, l0: See `Measured`.
        words: The reading for people, "with activations mean-centred".
    """

    reading: Reading
    explained: float
    l0: float
    words: str = ""


@dataclass(frozen=True)
class Check:
    """A self-check of an SAE on a model.

    Attributes:
        tokens: Counted tokens: no special ones, no sinks, none that its makers left out.
        contexts: Contexts they are from.
        explained, l0, dead_share, norm: See `Measured`; as it is read.
        l0_stated: What its makers state, or None.
        verdict: Whether it is read rightly.
        sentences: What was found, in words, the most important first.
        alternatives: Other readings that were tried, best first; () when none were.
        recommended: The reading to use instead, or None when none is clearly better.
        corpus, model: Names of what it was measured on.
        reading: How it was read, on top of what its files say.
    """

    tokens: int
    contexts: int
    explained: float
    l0: float
    l0_stated: float | None
    dead_share: float
    norm: float
    verdict: Verdict
    sentences: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    recommended: Reading | None = None
    corpus: str = ""
    model: str = ""
    reading: Reading = field(default_factory=Reading)

    def to_json(self) -> dict[str, Any]:
        """What a session keeps and `identify` prints; numbers that JSON lacks are null."""
        return {
            "verdict": self.verdict,
            "tokens": self.tokens,
            "contexts": self.contexts,
            "explained": _plain(self.explained),
            "l0": _plain(self.l0),
            "l0_stated": self.l0_stated,
            "dead_share": _plain(self.dead_share),
            "norm": _plain(self.norm),
            "sentences": list(self.sentences),
            "alternatives": [
                {
                    "reading": each.reading.to_json(),
                    "words": each.words,
                    "explained": _plain(each.explained),
                    "l0": _plain(each.l0),
                }
                for each in self.alternatives
            ],
            "recommended": None if self.recommended is None else self.recommended.to_json(),
            "corpus": self.corpus,
            "model": self.model,
            "reading": self.reading.to_json(),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Check:
        """The check that `to_json` wrote.

        Raises:
            UserError: The record holds no such check.
        """
        about = Fields(record, "the self-check")
        verdict = next((known for known in VERDICTS if known == record.get("verdict")), None)
        alternatives, sentences = record.get("alternatives"), record.get("sentences")
        recommended = record.get("recommended")
        if verdict is None or not isinstance(alternatives, list) or not isinstance(sentences, list):
            raise UserError("This is not a self-check.")
        return cls(
            tokens=about.whole("tokens") or 0,
            contexts=about.whole("contexts") or 0,
            explained=about.number("explained", math.nan),
            l0=about.number("l0", math.nan),
            l0_stated=about.number("l0_stated", 0.0) if "l0_stated" in about else None,
            dead_share=about.number("dead_share", math.nan),
            norm=about.number("norm", math.nan),
            verdict=verdict,
            sentences=tuple(text[:_LONGEST] for text in sentences[:_MOST] if isinstance(text, str)),
            alternatives=tuple(_alternative(each) for each in alternatives[:_MOST]),
            recommended=None if recommended is None else _reading(recommended),
            corpus=about.text("corpus"),
            model=about.text("model"),
            reading=_reading(record.get("reading")),
        )


def _alternative(record: Any) -> Alternative:
    about = Fields(record if isinstance(record, dict) else {}, "the self-check")
    return Alternative(
        _reading(about.content.get("reading")),
        about.number("explained", math.nan),
        about.number("l0", math.nan),
        about.text("words"),
    )


def _reading(record: Any) -> Reading:
    if not isinstance(record, dict):
        raise UserError("This is not a self-check.")
    return Reading.from_json(record)


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Stated:
    """What is known of an SAE beforehand, to judge by.

    Attributes:
        features: How many features each of its encoders has.
        l0: The mean number of active features its makers state, or None.
        fixed: Whether its activation function fixes the number (top-k), so that it is no evidence.
        predicts: Whether it predicts another place than it reads, or several at once.
    """

    features: int
    l0: float | None
    fixed: bool
    predicts: bool

    @property
    def limits(self) -> tuple[float, float]:
        """The explained variance that is enough, and that which is little."""
        return (ENOUGH_PREDICTED, LITTLE_PREDICTED) if self.predicts else (ENOUGH_EXPLAINED, LITTLE_EXPLAINED)


def judge(found: Measured, stated: Stated) -> tuple[Verdict, list[str]]:
    """Whether such figures can be those of an SAE read rightly, and a sentence on each that counts against it."""
    judged = [*_explained(found, stated), *_active(found, stated), *_used(found, stated)]
    worst = max((VERDICTS.index(verdict) for verdict, _ in judged), default=0)
    return VERDICTS[worst], [sentence for _, sentence in judged]


Judged = list[tuple[Verdict, str]]


def _explained(found: Measured, stated: Stated) -> Judged:
    enough, little = stated.limits
    what = "predicts what it was made for" if stated.predicts else "is read rightly"
    if not math.isfinite(found.explained):
        return [("implausible", "It gives values that are no numbers.")]
    if found.explained < little:
        return [("implausible", f"One that {what} explains far more: {enough:g} or above.")]
    if found.explained < enough:
        return [("doubtful", f"One that {what} mostly explains {enough:g} or above.")]
    return []


def _active(found: Measured, stated: Stated) -> Judged:
    l0, said = found.l0, stated.l0
    if stated.fixed or not math.isfinite(l0):
        return []
    if l0 < 0.5:
        return [("implausible", "Hardly any feature fires at all.")]
    share = l0 / stated.features
    if share > MOST_ON:
        return [("implausible", f"On the average token {share:.0%} of its features fire, which is not sparse.")]
    if said and not 1 / L0_FACTOR <= l0 / said <= L0_FACTOR:
        far = not 1 / FAR_L0_FACTOR <= l0 / said <= FAR_L0_FACTOR
        times = f"{l0 / said:.3g} times" if l0 > said else f"1/{said / l0:.3g} of"
        return [
            ("implausible" if far else "doubtful", f"{l0:,.1f} features fire on a token, {times} the stated {said:g}.")
        ]
    if not said and stated.features >= CROWDED and share > MANY_ON:
        return [("doubtful", f"On the average token {share:.0%} of its features fire, which is hardly sparse.")]
    return []


def _used(found: Measured, stated: Stated) -> Judged:
    could = min(stated.features, found.tokens * found.l0)
    used = (1 - found.dead_share) * stated.features
    if math.isfinite(could) and could >= 100 and used < FEW_USED * could:
        return [("implausible", f"The same {used:,.0f} features fire everywhere, and no others.")]
    return []


def clearly_better(other: Measured, verdict: Verdict, first: Measured, first_verdict: Verdict, stated: Stated) -> bool:
    """Whether another reading is to be recommended: one that is plausible itself, and leaves far less unexplained.

    Where both explain as much, but only the other has a plausible number of active features, it is better too. Where the
    first is plausible already, more features must not be the price: any SAE explains more with more of them.
    """
    if verdict != "plausible":
        return False
    before = first.explained if math.isfinite(first.explained) else -math.inf
    gained = other.explained - before
    if gained >= MORE_EXPLAINED and 1 - other.explained <= LESS_UNEXPLAINED * (1 - before):
        return first_verdict != "plausible" or stated.fixed or _as_sparse(other.l0, first.l0, stated.l0)
    return first_verdict != "plausible" and gained >= -MORE_EXPLAINED


def _as_sparse(l0: float, before: float, stated: float | None) -> bool:
    """Whether a number of active features is as near to the stated one as another; without one, not many more."""
    if not stated:
        return l0 <= NOT_MANY_MORE * before
    off, was_off = (abs(math.log(max(count, 1e-9) / stated)) for count in (l0, before))
    return off <= max(was_off, math.log(NOT_MANY_MORE))
