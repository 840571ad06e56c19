"""A way of reading an SAE that a person chose, and the self-check it was chosen by. Imports no torch.

Filed under the SAE's fingerprint, in the session and for the whole computer (`state.readings`), so that the next opening
of that SAE, wherever it lies, is by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from semascope.core.errors import UserError
from semascope.core.saes.checked import Check
from semascope.core.saes.reading import Reading

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class KeptReading:
    """See the module.

    Attributes:
        reading: How the SAE is read; an empty one says "as its files say", and that somebody chose so.
        check: The self-check of the SAE as it is read so, or before it was; None when there was none.
        made: The day it was chosen, "2026-11-22", or "".
    """

    reading: Reading = field(default_factory=Reading)
    check: Check | None = None
    made: str = ""

    @property
    def note(self) -> str:
        """What to tell about an SAE that is read so; "" for one that is read as its files say."""
        if not self.reading:
            return ""
        words = f"Read {self.reading}, as chosen on {self.made}" if self.made else f"Read {self.reading}, as chosen"
        return f"{words}: its files say otherwise or nothing."

    def to_json(self) -> dict[str, Any]:
        """What is kept."""
        return {
            "reading": self.reading.to_json(),
            "check": None if self.check is None else self.check.to_json(),
            "made": self.made,
        }

    @classmethod
    def from_json(cls, record: Any) -> KeptReading:
        """What `to_json` wrote.

        Raises:
            UserError: It is no such thing.
        """
        reading, check, made = (
            (record.get("reading"), record.get("check"), record.get("made"))
            if isinstance(record, Mapping)
            else (None, None, None)
        )
        if not isinstance(reading, Mapping) or not (check is None or isinstance(check, Mapping)):
            raise UserError("This is not a way of reading an SAE.")
        day = made if isinstance(made, str) and (made == "" or _DAY.fullmatch(made)) else ""
        return cls(Reading.from_json(reading), None if check is None else Check.from_json(check), day)
