"""Typed access to settings that someone else wrote: a wrong type is a sentence, not a crash three modules later."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from semascope.core.errors import UserError


class Fields:
    """The fields of one JSON object. A field that is absent or null counts as absent.

    Attributes:
        content: The object itself.
        source: Its file, for the sentences.
    """

    def __init__(self, content: Mapping[str, Any], source: str) -> None:
        self.content = content
        self.source = source

    def __contains__(self, name: str) -> bool:
        return self.content.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """A string."""
        value = self.content.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > 4096:
            raise self._wrong(name, "a short text")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.content.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def maybe_flag(self, name: str) -> bool | None:
        """True, false, or None when it isn't said."""
        return self.flag(name, False) if name in self else None

    def number(self, name: str, default: float) -> float:
        """A finite number."""
        value = self.content.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300 or math.isnan(value):
            raise self._wrong(name, "a number")
        return float(value)

    def whole(self, name: str) -> int | None:
        """A whole number (8.0 counts), or None."""
        if name not in self:
            return None
        value = self.number(name, 0.0)
        if value != int(value):
            raise self._wrong(name, "a whole number")
        return int(value)

    def section(self, name: str) -> Fields:
        """An object within the object; empty when absent."""
        value = self.content.get(name)
        if value is None:
            return Fields({}, f"{self.source}: {name}")
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return Fields(value, f"{self.source}: {name}")

    def _wrong(self, name: str, wanted: str) -> UserError:
        shown = repr(self.content.get(name))[:60]
        return UserError(
            f"{self.source} says {name} is {shown}, where {wanted} belongs.", "Copy the whole folder again."
        )
