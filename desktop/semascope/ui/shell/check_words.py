"""What a self-check comes to, in the words of the chip, the bar and the card. No Qt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from semascope.core.saes.checked import Alternative, Check
from semascope.core.saes.reading import Reading
from semascope.jobs.infos import SAEInfo
from semascope.state.checking import CheckState

if TYPE_CHECKING:
    from semascope.ui.widgets.verdict_mark import Sign

_SIGNS: dict[str, Sign] = {"plausible": "good", "doubtful": "doubt", "implausible": "error"}
_VERDICTS = {
    "plausible": "Read correctly",
    "doubtful": "Doubtful whether it is read correctly",
    "implausible": "It does not seem to be read correctly",
}
_CHIP = {"plausible": "read correctly", "doubtful": "check: doubtful", "implausible": "check: implausible"}


def sign(state: CheckState) -> Sign:
    """The sign that goes with a state."""
    if state.stage == "running":
        return "waiting"
    return _SIGNS[state.check.verdict] if state.check is not None else "doubt" if state.stage == "failed" else ""


def chip_word(state: CheckState, has_model: bool) -> str:
    """A word or two for the chip of the top bar; "" where there is nothing to say."""
    if state.stage == "running":
        return "checking…"
    if state.check is not None:
        return _CHIP[state.check.verdict]
    return "check failed" if state.stage == "failed" else "not checked" if has_model else ""


def verdict(state: CheckState, has_model: bool, knows_place: bool) -> str:
    """The heading of the card."""
    if state.check is not None:
        return _VERDICTS[state.check.verdict] if knows_place else _searched(state.check)
    if state.stage == "running":
        what = "Checking how it is read" if knows_place else "Looking for where it reads"
        return what + ("" if state.fraction is None else f", {percent(state.fraction)}")
    if state.stage == "failed":
        return "It could not be checked"
    return "Not checked yet" if has_model else "Not checked yet: open its model"


def _searched(check: Check) -> str:
    found = check.recommended is not None
    return "Its files don't say where it reads: found by trying" if found else "Where it reads was not found"


def basis(check: Check) -> str:
    """What was measured on what."""
    on = f" of {check.corpus}" if check.corpus else ""
    return f"Measured on {check.tokens:,} tokens{on}" + (f" with {check.model}" if check.model else "") + "."


def share(value: float) -> str:
    """A share as people write it: "0.83"; "–" where there is no number."""
    if not math.isfinite(value):
        return "–"
    return (f"{value:.2f}" if value > -9.995 else f"{value:,.0f}").replace("-", "−")


def percent(value: float) -> str:
    """A share of features: "12 %", "0.4 %"."""
    if not math.isfinite(value):
        return "–"
    return f"{100 * value:.0f} %" if value >= 0.0095 or value == 0 else f"{100 * value:.1f} %"


def amount(value: float) -> str:
    """A mean number of features: "54.2", "3,410"."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def alternative_name(each: Alternative) -> str:
    """One row of the table."""
    return _capital(each.words or str(each.reading) or "as its files say")


def reading_name(reading: Reading) -> str:
    """A reading as a row of a table names it: "As its files say", "At resid_pre.8, centred"."""
    return _capital(str(reading)) or "As its files say"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def summary(info: SAEInfo, check: Check) -> str:
    """The sentence of the bar over the panels."""
    if not info.reads:
        found = f"It reads {check.recommended}, by what was tried." if check.recommended else "No place was found."
        return f"The files of {info.name} don't say where it reads. {found}"
    where = info.hook_point
    first = check.sentences[0] if check.sentences else f"It explains {share(check.explained)} of the variance."
    doubt = "may be read wrongly" if check.verdict == "doubtful" else "seems to be read wrongly"
    return f"The SAE at {where} {doubt}. {first}"
