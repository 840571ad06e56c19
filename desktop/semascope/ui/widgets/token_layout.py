"""Where each token of a text is drawn: one pass over the tokens, kept as numpy arrays.

Painting, hit testing and caret movement only search these arrays, so they cost what is visible and not what is there.
It paints nothing: that is `token_paint`.

How it is done:
1. Tokens are cut at newlines into pieces; pieces that no blank parts form a *word*, the unit that is shaped and drawn
   at once, so that ligatures, combining marks and joined scripts come out right across tokens.
2. A word's inner positions are sums of cached advances, or those of a QTextLayout for scripts that join or combine.
3. Lines break before words, and inside a word only where it is wider than the line or its script has no blanks.
4. On a line, right-to-left words that follow one another are put in right-to-left order.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from semascope.ui.widgets.token_metrics import Piece, TokenMetrics
from semascope.ui.widgets.token_text import NEWLINE_MARK, TokenText

_NO_BLANKS_FROM = "\u2e80"  # CJK, kana, hangul, emoji: lines may break anywhere
_LONGEST_WORD = 64  # tokens; what goes on without a blank for longer is no word, and shaping it whole would take long
_JOINERS = "\u200d\ufe0e\ufe0f"


@dataclass(slots=True)
class Run:
    """The part of a word that is on one line, drawn as one string."""

    first: int
    """first fragment"""
    stop: int
    """one past the last fragment"""
    x: float
    """left edge of its ink, pixels"""
    text: str


@dataclass(slots=True)
class TokenLayout:
    """Fragments (a token's part on one line) in reading order; pixels from the text's top left corner."""

    token: np.ndarray
    """(F,) int32: the token that each fragment belongs to"""
    x: np.ndarray
    """(F,) float32: left edge of its box, leading blanks included"""
    width: np.ndarray
    """(F,) float32"""
    blanks: np.ndarray
    """(F,) int32: leading blanks in the box"""
    line: np.ndarray
    """(F,) int32"""
    first_fragment: np.ndarray
    """(T + 1,) int32: token t has fragments first_fragment[t] … first_fragment[t + 1]"""
    line_fragment: np.ndarray
    """(L + 1,) int32: first fragment of each line"""
    line_run: np.ndarray
    """(L + 1,) int32: first run of each line"""
    runs: list[Run]
    line_height: float
    extent: float
    """right edge of the widest line"""

    @property
    def lines(self) -> int:
        return len(self.line_fragment) - 1

    @property
    def height(self) -> float:
        return self.lines * self.line_height

    def fragments_of(self, token: int) -> range:
        """The fragments of a token; empty for a piece of a character that another token carries."""
        return range(int(self.first_fragment[token]), int(self.first_fragment[token + 1]))

    def line_of(self, token: int) -> int:
        """The line on which a token starts."""
        fragment = int(self.first_fragment[token])
        return int(self.line[fragment]) if fragment < len(self.line) else max(self.lines - 1, 0)

    def token_at(self, x: float, y: float, nearest: bool = False) -> int:
        """The token under a point, or −1; with `nearest` the closest one of the closest line that has any."""
        line = int(y // self.line_height)
        if not nearest and not 0 <= line < self.lines:
            return -1
        line = min(max(line, 0), self.lines - 1)
        start, stop = int(self.line_fragment[line]), int(self.line_fragment[line + 1])
        if start == stop:
            return -1
        left, width = self.x[start:stop], self.width[start:stop]
        distance = np.maximum(np.maximum(left - x, x - left - width), 0.0)
        closest = int(np.argmin(distance))
        return int(self.token[start + closest]) if nearest or distance[closest] == 0.0 else -1


def lay_out(text: TokenText, metrics: TokenMetrics, width: float | None) -> TokenLayout:
    """Place every token in lines of `width` pixels. With None all stand on one line, newlines being marks only."""
    return _Pass(metrics, width).run(text)


class _Pass:
    """The state of one layout pass: the word being gathered, the line being filled, the fragments so far."""

    def __init__(self, metrics: TokenMetrics, width: float | None) -> None:
        self.metrics = metrics
        self.one_line = width is None
        self.limit = float("inf") if width is None else max(width, 40.0)
        self.word: list[Piece] = []
        self.blanks = 0  # before the word
        self.pen = 0.0
        self.wrapped = False  # the line follows a soft break, so it does not start with a blank
        self.line_rtl = False
        self.token: list[int] = []
        self.x: list[float] = []
        self.width: list[float] = []
        self.lead: list[int] = []
        self.runs: list[Run] = []
        self.rtl: list[bool] = []
        self.line_fragment = [0]
        self.line_run = [0]

    def run(self, text: TokenText) -> TokenLayout:
        for index, shown in enumerate(text.shown):
            if not shown:
                continue
            if text.special[index]:
                self._end_word()
                self._put(0, [(index, shown.replace("\n", NEWLINE_MARK))])
            elif "\n" in shown:
                self._add_broken(index, shown)
            else:
                self._add(index, shown)
        self._end_word()
        self._end_line(wrapped=False)
        return self._result(len(text))

    def _add_broken(self, index: int, shown: str) -> None:
        *heads, tail = shown.split("\n")
        for head in heads:
            if head:
                self._add(index, head)
            self._end_word()
            self._put(0, [(index, NEWLINE_MARK)])
            if not self.one_line:
                self._end_line(wrapped=False)
        if tail:
            self._add(index, tail)

    def _add(self, index: int, piece: str) -> None:
        """Gather a piece into the current word, or start a word with it."""
        starts = piece[0] == " " or not self.word or len(self.word) >= _LONGEST_WORD
        if starts or (self.word[-1][1] and _parts(self.word[-1][1][-1], piece[0])):
            self._end_word()
            ink = piece.lstrip(" ")
            self.blanks = len(piece) - len(ink)
            piece = ink
        self.word.append((index, piece))

    def _end_word(self) -> None:
        if self.word:
            word, self.word = self.word, []
            self._put(self.blanks, word)

    def _put(self, blanks: int, word: list[Piece]) -> None:
        """Place a word on this line or the next; one that is wider than a line is cut between tokens."""
        boxes = [(0.0, self.metrics.advance(word[0][1]))] if len(word) == 1 else self.metrics.boxes(word)
        total = boxes[0][1] if len(word) == 1 else max(left + width for left, width in boxes)
        if total > self.limit:
            if len(word) > 1:
                for chunk in self._cut(blanks, word, [width for _, width in boxes]):
                    self._put(blanks, chunk)
                    blanks = 0
                return
            word = [(word[0][0], self.metrics.elided(word[0][1], self.limit))]
            boxes = [(0.0, self.limit)]
            total = self.limit
        if self.pen > 0.0 and self.pen + blanks * self.metrics.blank + total > self.limit:
            self._end_line(wrapped=True)
        if self.wrapped and word[0][1]:
            blanks, self.wrapped = 0, False
        self._place(blanks, word, boxes, total)

    def _cut(self, blanks: int, word: list[Piece], widths: list[float]) -> Iterator[list[Piece]]:
        """Parts of a word that fit: the first into what is left of this line, the others into whole lines."""
        room = self.limit - self.pen - blanks * self.metrics.blank
        start, used = 0, 0.0
        for index, ((_, ink), width) in enumerate(zip(word, widths, strict=True)):
            if index > start and used + width > room and not _clings(ink[:1]):
                yield word[start:index]
                start, used, room = index, 0.0, self.limit
            used += width
        if start == 0:  # one cluster, wider than the line: nothing to gain by keeping it whole
            yield from ([piece] for piece in word)
        else:
            yield word[start:]

    def _place(self, blanks: int, word: list[Piece], boxes: list[tuple[float, float]], total: float) -> None:
        space = blanks * self.metrics.blank
        ink = word[0][1] if len(word) == 1 else "".join(piece for _, piece in word)
        rtl = not ink.isascii() and _has_direction(ink, ("R", "AL"))
        first = len(self.token)
        self.runs.append(Run(first, first + len(word), self.pen if rtl else self.pen + space, ink))
        self.rtl.append(rtl)
        self.line_rtl |= rtl
        if len(word) == 1:  # most words, hence worth a short way
            self.token.append(word[0][0])
            self.x.append(self.pen)
            self.width.append(space + total)
            self.lead.append(blanks)
        else:
            self._place_boxes(blanks, word, boxes, rtl)
        self.pen += space + total

    def _place_boxes(self, blanks: int, word: list[Piece], boxes: list[tuple[float, float]], rtl: bool) -> None:
        space = blanks * self.metrics.blank
        # The blank stands before the word: left of its first box, or right of the rightmost one in Arabic or Hebrew.
        holder = max(range(len(boxes)), key=boxes.__getitem__) if rtl else 0
        shift = self.pen if rtl else self.pen + space
        for position, ((token, _), (left, width)) in enumerate(zip(word, boxes, strict=True)):
            holds = position == holder
            self.token.append(token)
            self.x.append(shift + left - (space if holds and not rtl else 0.0))
            self.width.append(width + (space if holds else 0.0))
            self.lead.append(blanks if holds else 0)

    def _end_line(self, wrapped: bool) -> None:
        if self.line_rtl:
            self._reorder(self.line_run[-1])
        self.line_fragment.append(len(self.token))
        self.line_run.append(len(self.runs))
        self.pen, self.wrapped, self.line_rtl = 0.0, wrapped, False

    def _reorder(self, first: int) -> None:
        """Mirror each stretch from a right-to-left word to the last one before a left-to-right word."""
        at = first
        while at < len(self.runs):
            stop = at + 1
            if self.rtl[at]:
                end = at + 1
                while end < len(self.runs) and not _has_direction(self.runs[end].text, ("L",)):
                    end += 1
                    stop = end if self.rtl[end - 1] else stop
                self._mirror(at, stop)
            at = stop

    def _mirror(self, start: int, stop: int) -> None:
        spans = [self._span(run) for run in self.runs[start:stop]]
        edges = spans[0][0] + spans[-1][1]
        for run, rtl, (left, right) in zip(self.runs[start:stop], self.rtl[start:stop], spans, strict=True):
            shift = edges - left - right
            for fragment in range(run.first, run.stop):
                self.x[fragment] += shift
            # A number's blank was on its left and is on its right here.
            run.x += shift if rtl else shift - (run.x - left)

    def _span(self, run: Run) -> tuple[float, float]:
        fragments = range(run.first, run.stop)
        return min(self.x[i] for i in fragments), max(self.x[i] + self.width[i] for i in fragments)

    def _result(self, count: int) -> TokenLayout:
        token = np.asarray(self.token, np.int32)
        x = np.asarray(self.x, np.float32)
        width = np.asarray(self.width, np.float32)
        starts = np.asarray(self.line_fragment, np.int32)
        return TokenLayout(
            token=token,
            x=x,
            width=width,
            blanks=np.asarray(self.lead, np.int32),
            line=np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts)),
            first_fragment=np.searchsorted(token, np.arange(count + 1)).astype(np.int32),
            line_fragment=starts,
            line_run=np.asarray(self.line_run, np.int32),
            runs=self.runs,
            line_height=self.metrics.line_height,
            extent=float((x + width).max()) if len(x) else 0.0,
        )


def _has_direction(text: str, wanted: tuple[str, ...]) -> bool:
    return any(unicodedata.bidirectional(character) in wanted for character in text)


def _clings(character: str) -> bool:
    """Does this character modify the one before it?"""
    return bool(character) and (
        unicodedata.combining(character) != 0
        or unicodedata.category(character) in ("Mn", "Mc", "Me")
        or character in _JOINERS
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
    )


def _parts(before: str, after: str) -> bool:
    """May a word end between these two characters, though no blank starts the second?"""
    if before == " ":
        return True
    if before < _NO_BLANKS_FROM and after < _NO_BLANKS_FROM:
        return False
    return before != "\u200d" and not _clings(after)
