"""How a few typed letters find a command: every word typed must begin a word of the title, or be found in it letter by letter.

No Qt. Scores are only for ordering: smaller is better, None is no match.
"""

from __future__ import annotations

import re
import unicodedata


def score(query: str, title: str, more: str = "") -> float | None:
    """How well `query` fits `title` (and, less, the words of `more`); None when it doesn't fit at all."""
    words, extra = _words(title), _words(more)
    total = 0.0
    for typed in _words(query):
        best = min((_fit(typed, word) + place / 20 for place, word in enumerate(words)), default=9.0)
        aside = min((_fit(typed, word) + 3 for word in extra), default=9.0)
        cost = min(best, aside, _scattered(typed, "".join(words)))
        if cost >= 9:
            return None
        total += cost
    return total


def _fit(typed: str, word: str) -> float:
    if word == typed:
        return 0.0
    if word.startswith(typed):
        return 0.5
    return 2.0 if len(typed) > 2 and typed in word else 9.0


def _scattered(typed: str, text: str) -> float:
    """Letters in order with gaps ("opmod" in "openmodel"): only for three letters or more."""
    if len(typed) < 3:
        return 9.0
    at, gaps = -1, 0
    for letter in typed:
        found = text.find(letter, at + 1)
        if found < 0:
            return 9.0
        gaps += found - at - 1
        at = found
    return 4.0 + gaps / 10 if gaps <= 2 * len(typed) + 4 else 9.0


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c)))
