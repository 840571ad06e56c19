"""What the self-check concludes from what it measured: the verdict, a recommendation, and all of it in words. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from semascope.core.saes.alternatives import changes, merged, words
from semascope.core.saes.checked import (
    VERDICTS,
    Alternative,
    Check,
    Measured,
    Stated,
    Verdict,
    clearly_better,
    judge,
)
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.reading import Reading

_AS_GOOD = 0.01  # explained variance; chance moves it as much
_REPORTED = 24


@dataclass(frozen=True)
class Tried:
    """One way of reading: what it changes, and what it gave."""

    change: Reading
    found: Measured
    verdict: Verdict

    @property
    def rank(self) -> tuple[int, float]:
        """The better, the larger."""
        explained = self.found.explained
        return -VERDICTS.index(self.verdict), explained if explained > -math.inf else -1e9

    def better_than(self, first: Tried, stated: Stated) -> bool:
        """Whether it is clearly better, see `checked.clearly_better`."""
        return clearly_better(self.found, self.verdict, first.found, first.verdict, stated)


@dataclass(frozen=True)
class Basis:
    """What was checked, on what.

    Attributes:
        config: The SAE as it was read.
        stated: What was known of it beforehand.
        reading: What it was opened with, on top of what its files say.
        model, corpus: Their names.
        contexts: How many were run.
    """

    config: SAEConfig
    stated: Stated
    reading: Reading
    model: str
    corpus: str
    contexts: int


def conclude(basis: Basis, first: Tried | None, tried: Iterable[Tried]) -> Check:
    """What comes out of it.

    Args:
        basis: What was checked.
        first: The SAE as it is read; None where its files don't say where.
        tried: Other ways, in the order of trying; of one that was measured twice the last measurement counts.
    """
    latest = {each.change: each for each in tried}.values()
    ranked = sorted(latest, key=lambda each: each.rank, reverse=True)
    if first is None:
        best = _simplest([each for each in ranked if each.verdict != "implausible"])
    else:
        best = _simplest([each for each in ranked if each.better_than(first, basis.stated)])
    said = _placed(basis, best, len(ranked)) if first is None else _judged(basis, first, best, len(ranked))
    as_is = first or Tried(Reading(), Measured(math.nan, math.nan, math.nan, math.nan, 0), "implausible")
    return Check(
        tokens=as_is.found.tokens,
        contexts=basis.contexts,
        explained=as_is.found.explained,
        l0=as_is.found.l0,
        l0_stated=basis.config.l0,
        dead_share=as_is.found.dead_share,
        norm=as_is.found.norm,
        verdict="doubtful" if best is not None and as_is.verdict == "plausible" else as_is.verdict,
        sentences=tuple(said),
        alternatives=tuple(
            Alternative(merged(basis.reading, each.change), each.found.explained, each.found.l0, words(each.change))
            for each in ranked[:_REPORTED]
        ),
        recommended=None if best is None else merged(basis.reading, best.change),
        corpus=basis.corpus,
        model=basis.model,
        reading=basis.reading,
    )


def _simplest(ranked: Sequence[Tried]) -> Tried | None:
    """The best of those to choose from; of those that are as good, the one that changes least."""
    as_good = [
        each
        for each in ranked
        if each.verdict == ranked[0].verdict and each.found.explained >= ranked[0].found.explained - _AS_GOOD
    ]
    return min(as_good, key=lambda each: changes(each.change), default=ranked[0] if ranked else None)


def _placed(basis: Basis, best: Tried | None, tried: int) -> Iterator[str]:
    """What is said of an SAE whose files name no hook point."""
    if basis.config.places > 1:
        yield "Its files don't say which hook points it reads, and it reads several at once: say where."
    elif not tried:
        width = f"the width {basis.config.d_in}"
        yield f"Its files don't say where it reads, and {basis.model} has no hook point of {width}."
    elif best is None:
        yield (
            f"Its files don't say where it reads, and nowhere in {basis.model} does it explain what it should: "
            f"{tried} ways were tried."
        )
    else:
        found = f"explained variance {_share(best.found.explained)} {words(best.change)}"
        yield f"Its files don't say where it reads; {found}, the most of {tried} ways that were tried."


def _judged(basis: Basis, first: Tried, better: Tried | None, tried: int) -> Iterator[str]:
    """What is said of one that was measured as it is read."""
    now = "as it is read now" if basis.reading else "as its files say"
    found = f"Explained variance {_share(first.found.explained)} {now}"
    yield f"{found}; {_share(better.found.explained)} {words(better.change)}." if better else f"{found}."
    yield from judge(first.found, basis.stated)[1]
    if basis.config.l0 and not basis.stated.fixed:
        yield f"{first.found.l0:,.1f} features are active on a token; its makers state {basis.config.l0:g}."
    if better is None and tried and first.verdict != "plausible":
        yield (
            f"None of {tried} other ways of reading it is clearly better: it may belong to another model, "
            "or to text unlike this."
        )


def _share(explained: float) -> str:
    return (f"{explained:.2f}" if explained > -10 else f"{explained:,.0f}").replace("-", "−")
