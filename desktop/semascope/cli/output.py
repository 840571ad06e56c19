"""What commands print: one JSON document or text on stdout, a progress line on stderr."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from typing import Any, TypeVar

from semascope.core.progress import Progress, drive

T = TypeVar("T")

_EVERY_TTY, _EVERY_LOG = 0.1, 15.0  # seconds between two progress lines


def print_json(document: Any) -> None:
    """The document on stdout; numbers that JSON lacks become null, characters that a terminal obeys are escaped."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(_plain(document), ensure_ascii=not unicode, allow_nan=False)
    print("".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text))


def print_table(rows: Iterable[Sequence[object]], align: str) -> None:
    """Rows as columns on stdout, each column "<" left or ">" right by `align`."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column), default=0) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True)).rstrip())


def visible(token: str) -> str:
    """A token for a list: its spaces and line breaks shown, nothing that moves the cursor of a terminal."""
    shown = token.replace(" ", "·").replace("\n", "↵").replace("\t", "⇥")
    return "".join(c if c.isprintable() else "�" for c in shown)


def harmless(text: str) -> str:
    """A text that may come from a stranger's file or file name, on one line: nothing that moves the cursor of a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Names and values below a heading, the names ending at one column."""
    rows = [(name, harmless(str(value))) for name, value in facts]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"  {name:>{width}}: {value}")


def with_progress(job: Generator[Progress, None, T], what: str) -> T:
    """Drive a long job to its end, telling where it is on stderr; Ctrl+C closes it."""
    line = ProgressLine(what)
    try:
        return drive(job, line.show)
    finally:
        line.finish()


class ProgressLine:
    """One line that updates itself on a terminal; elsewhere a line now and then."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._tty = sys.stderr.isatty()
        self._shown = -math.inf if self._tty else time.monotonic()
        self._open = False

    def show(self, progress: Progress) -> None:
        """Print `progress`, unless another was printed just now."""
        now = time.monotonic()
        if now - self._shown < (_EVERY_TTY if self._tty else _EVERY_LOG):
            return
        self._shown = now
        text = f"{self._what}: {describe(progress)}"
        if self._tty:
            text = text[: shutil.get_terminal_size().columns - 1]
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
            self._open = True
        else:
            print(text, file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Wipe the line, so that what follows starts on a clean one."""
        if self._open:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._open = False


def describe(progress: Progress) -> str:
    """Progress in words: "62 %, 620,000 of 1,000,000 tokens, 1,940 tokens/s, 3 min left"."""
    parts = []
    if progress.fraction is not None:
        parts.append(f"{progress.fraction:.0%}".replace("%", " %"))
        parts.append(f"{progress.done:,} of {progress.total:,} {progress.unit}")
    elif progress.done:
        parts.append(f"{progress.done:,} {progress.unit}")
    if progress.rate is not None:
        parts.append(f"{progress.rate:,.{0 if progress.rate >= 10 else 1}f} {progress.unit}/s")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    parts.extend(f"{name} {value:.4g}" for name, value in progress.details.items())
    if progress.note:
        parts.append(progress.note)
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as a person says them: "40 s", "3 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def amount(size: int) -> str:
    """Bytes as a person says them: "80 MB", "1.5 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


def _plain(value: Any) -> Any:
    """`value` with nothing in it that JSON can't say."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return _plain(value.tolist())
    return value
