"""Settings that are looked at rather than needed: what makes no sense counts as not said, and is no reason to refuse an SAE.

Anyone's training loop writes such settings, and some leave texts where numbers belong.
"""

from __future__ import annotations

from semascope.core.foreign.fields import Fields


def said_text(fields: Fields, name: str) -> str:
    """A short text, or ""."""
    value = fields.content.get(name)
    return value if isinstance(value, str) and len(value) < 500 else ""


def said_number(fields: Fields, name: str) -> float | None:
    """A number, or None."""
    value = fields.content.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e18 else None


def said_whole(fields: Fields, name: str) -> int | None:
    """A whole number from 0 that a list could be as long as, or None."""
    value = fields.content.get(name)
    return value if type(value) is int and 0 <= value < 1 << 31 else None


def said_flag(fields: Fields, name: str) -> bool | None:
    """True, false, or None."""
    value = fields.content.get(name)
    return value if isinstance(value, bool) else None


def said_section(fields: Fields, name: str) -> Fields:
    """An object within the object, or an empty one."""
    value = fields.content.get(name)
    return Fields(value if isinstance(value, dict) else {}, f"{fields.source}: {name}")
