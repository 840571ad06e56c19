"""A job's progress in words, the same in the status strip and in the Jobs panel. No Qt."""

from __future__ import annotations

from semascope.core.progress import Progress


def progress_words(now: Progress) -> str:
    """ "62 % · 1,940 tokens/s · 3 min left", as far as it is known."""
    parts = []
    if now.fraction is not None:
        parts.append(f"{now.fraction * 100:.0f} %")
    elif now.done:
        parts.append(f"{now.done:,} {now.unit}".strip())
    if now.rate:
        parts.append(f"{now.rate:,.0f} {now.unit}/s" if now.rate >= 10 else f"{now.rate:.1f} {now.unit}/s")
    if now.seconds_left is not None:
        parts.append(time_left(now.seconds_left))
    if now.note:
        parts.append(now.note)
    return " · ".join(parts)


def time_left(seconds: float) -> str:
    """Rounded to what one can know."""
    if seconds < 10:
        return "a few seconds left"
    if seconds < 90:
        return f"{round(seconds / 5) * 5} s left"
    if seconds < 5400:
        return f"{round(seconds / 60)} min left"
    return f"{seconds / 3600:.1f} h left"
