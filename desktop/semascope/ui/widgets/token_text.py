"""A tokenised text as it is shown: what each token looks like, and which tokens share one character.

No geometry and no Qt: `token_layout` places these tokens, `token_view` and `example_list` paint them.

A token is never altered in `strings`; `shown` is what is drawn for it. A character whose bytes are spread over several
tokens is carried by the token that completes it, the earlier ones being "" (see `core.models.text`). `carrier` says,
for each token, on which one it is seen, so a value on any of the bytes is seen on the character.
"""

import re
from collections.abc import Sequence

import numpy as np

NEWLINE_MARK = "↵"
TAB_WIDTH = 4

_CONTROL = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"}
# Marks that would reorder, break or hide what follows them are shown as a replacement instead of being obeyed.
_INVISIBLE = (0x7F, 0x85, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0xFEFF)
_SHOWN = {**_CONTROL, **dict.fromkeys(_INVISIBLE, "\N{WHITE SQUARE}"), ord("\t"): " " * TAB_WIDTH}
_NEEDS_CARE = re.compile("[" + re.escape("".join(map(chr, [*_CONTROL, *_INVISIBLE, ord("\t")]))) + "]")


def shown_form(token: str) -> str:
    """`token` with tabs as spaces and control characters as visible pictures; newlines are kept."""
    return token.translate(_SHOWN) if _NEEDS_CARE.search(token) else token


def list_form(token: str) -> str:
    """A token for a list of tokens: leading and inner spaces as ·, newlines as ↵, nothing invisible."""
    shown = token.replace("\t", "→").replace("\n", NEWLINE_MARK).translate(_SHOWN).replace(" ", "·")
    return shown or "∅"


def stand_in(tokens: Sequence[str], most: int) -> str:
    """What stands for a feature without a label: its distinct top tokens, without their blanks."""
    words = (token.strip() or token for token in tokens)
    return ", ".join(list_form(word) for word in list(dict.fromkeys(words))[:most])


class TokenText:
    """The tokens of one text.

    Attributes:
        strings: the tokens as they are; "".join of the non-special ones is the text.
        shown: what is drawn for each.
        grey: (T,) bool, special and sink tokens, whose activation is not to be read.
        carrier: (T,) int32, the token on which each token is seen (itself, but for pieces of a split character).
    """

    def __init__(
        self,
        strings: Sequence[str],
        special: Sequence[bool] | np.ndarray | None = None,
        sink: Sequence[bool] | np.ndarray | None = None,
    ) -> None:
        self.strings = tuple(strings)
        self.shown = [shown_form(token) for token in self.strings]
        self.special = _mask(special, len(self.strings))
        self.grey = self.special | _mask(sink, len(self.strings))
        self.carrier = _carriers(self.strings, self.special)
        self._group_starts = np.flatnonzero(np.diff(self.carrier, prepend=-1))

    def __len__(self) -> int:
        return len(self.strings)

    def levels(self, values: np.ndarray | None) -> np.ndarray:
        """Steps 0…255 of the activation ramp for values (T,) in 0…1: zero only for what does not fire or is grey."""
        count = len(self)
        levels = np.zeros(count, np.uint8)
        if values is None or count == 0:
            return levels
        seen = np.nan_to_num(np.asarray(values, np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        if seen.shape != (count,):
            raise ValueError(f"{count} tokens need {count} values, not {seen.shape}")
        if len(self._group_starts) < count:
            strongest = np.maximum.reduceat(seen, self._group_starts)
            seen = np.zeros(count, np.float32)
            seen[self.carrier[self._group_starts]] = strongest
        levels[:] = np.ceil(np.clip(seen, 0.0, 1.0) * 255.0)
        levels[self.grey] = 0
        return levels

    def text(self, start: int = 0, stop: int | None = None) -> str:
        """The tokens start…stop as plain text."""
        return "".join(self.strings[start:stop])

    def find(self, needle: str, start: int = 0, backwards: bool = False) -> tuple[int, int] | None:
        """The tokens [a, b) that hold the next occurrence of `needle` (any case) from token `start`; wraps around."""
        if not needle or not self.strings:
            return None
        text = self.text().casefold()
        # Folding may change lengths, so ends are counted on folded tokens.
        ends = np.cumsum([len(token.casefold()) for token in self.strings])
        start = min(max(start, 0), len(self))
        at = int(ends[start - 1]) if start else 0
        wanted = needle.casefold()
        if backwards:
            found = text.rfind(wanted, 0, at)
            found = text.rfind(wanted) if found < 0 else found
        else:
            found = text.find(wanted, at)
            found = text.find(wanted) if found < 0 else found
        if found < 0:
            return None
        first = int(np.searchsorted(ends, found, side="right"))
        last = int(np.searchsorted(ends, found + len(wanted) - 1, side="right"))
        return first, last + 1


def _mask(flags: Sequence[bool] | np.ndarray | None, count: int) -> np.ndarray:
    if flags is None:
        return np.zeros(count, bool)
    mask = np.asarray(flags, bool)
    if mask.shape != (count,):
        raise ValueError(f"{count} tokens need {count} flags, not {mask.shape}")
    return mask


def _carriers(strings: tuple[str, ...], special: np.ndarray) -> np.ndarray:
    """(T,) the next token with text, unless a special token or the end comes first."""
    carrier = np.arange(len(strings), dtype=np.int32)
    for index in range(len(strings) - 2, -1, -1):
        if not strings[index] and not special[index] and strings[carrier[index + 1]] and not special[index + 1]:
            carrier[index] = carrier[index + 1]
    return carrier
