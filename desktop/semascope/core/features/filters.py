"""Filters as a person writes them: `density<0.01 max>=5 alive`. Words and comparisons, all of which must hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from semascope.core.errors import UserError
from semascope.core.harvest.store import Harvest

_TERM = re.compile(
    r"(?P<column>density|max|mean|count|id)\s*(?P<operator><=|>=|!=|==|=|<|>)\s*(?P<number>[-+.\d][-+.\deE_]*)(?P<percent>%?)"
    r"|(?P<negated>!|not\s+)?(?P<word>alive|dead|labelled)"
)
_BETWEEN = re.compile(r"(?:[\s,&]|\band\b)*")
_OPERATORS: Mapping[str, Callable[[NDArray, float], NDArray[np.bool_]]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "=": np.equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def where(harvest: Harvest, text: str) -> NDArray[np.bool_]:
    """Which features pass the filter `text`, bool, shape (m,); an empty one passes all.

    Terms: `density`, `max`, `mean`, `count` or `id`, compared (`<`, `<=`, `>`, `>=`, `=`, `!=`) with a number, where `1%` is
    0.01; `alive`, `dead`, `labelled`, each also with `!` or `not` in front.

    Raises:
        UserError: A term is none of these.
    """
    mask = np.ones(harvest.features, dtype=np.bool_)
    at = _skip(text, 0)
    while at < len(text):
        term = _TERM.match(text, at)
        end = _skip(text, term.end()) if term else at
        if term is None or (end == term.end() and end < len(text)):
            raise UserError(
                f"“{text[at:].split()[0]}” is not a filter.",
                "Write for instance: density<0.01 max>5 alive. There are density, max, mean, count, id; alive, dead, labelled.",
            )
        mask &= _holds(harvest, term)
        at = end
    return mask


def _skip(text: str, at: int) -> int:
    between = _BETWEEN.match(text, at)
    return between.end() if between else at


def _holds(harvest: Harvest, term: re.Match[str]) -> NDArray[np.bool_]:
    if term["word"]:
        holds = _word(harvest, term["word"])
        return ~holds if term["negated"] else holds
    try:
        number = float(term["number"]) / (100 if term["percent"] else 1)
    except ValueError as error:
        raise UserError(f"“{term['number']}” is not a number.", "Write for instance: density<0.01.") from error
    return _OPERATORS[term["operator"]](_column(harvest, term["column"]), number)


def _word(harvest: Harvest, word: str) -> NDArray[np.bool_]:
    if word == "labelled":
        mask = np.zeros(harvest.features, dtype=np.bool_)
        mask[[feature for feature, label in harvest.labels.items() if label and feature < harvest.features]] = True
        return mask
    alive: NDArray[np.bool_] = harvest.count > 0
    return alive if word == "alive" else ~alive


def _column(harvest: Harvest, name: str) -> NDArray:
    match name:
        case "density":
            return harvest.density
        case "max":
            return harvest.maximum
        case "mean":
            return harvest.mean
        case "count":
            return harvest.count
    return np.arange(harvest.features)
