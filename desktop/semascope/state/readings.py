"""How SAEs are read on this computer where a person chose it: one small JSON file by fingerprint. No Qt.

The next opening of such an SAE, from wherever it lies and in whatever session, is by what was chosen. A file that can't be
read, and an entry in it that makes no sense, count as nothing chosen.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from semascope import paths
from semascope.core.atomic import atomic_file
from semascope.core.errors import UserError
from semascope.core.saes.kept import KeptReading

VERSION = 1
MOST = 500
"""SAEs remembered; beyond that the ones chosen first are forgotten."""
_LARGEST = 16 << 20  # bytes


class ReadingStore:
    """The chosen readings and their file. `keep` belongs to one thread, `save` may run on another."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or paths.data_dir() / "readings.json"
        self._kept = _read(self.path)
        self._changed: dict[str, KeptReading | None] = {}
        self._lock = threading.Lock()

    @property
    def kept(self) -> Mapping[str, KeptReading]:
        """By fingerprint; a view that nobody changes."""
        return MappingProxyType(self._kept)

    def keep(self, fingerprint: str, kept: KeptReading | None) -> None:
        """Remember how an SAE is read, or (None, or a reading that changes nothing) forget it; `save` writes it down."""
        kept = kept if kept is not None and kept.reading else None
        with self._lock:
            self._changed = {**self._changed, fingerprint: kept}
            self._kept = _with(self._kept, {fingerprint: kept})

    def save(self) -> None:
        """Write down what changed, beside what other windows wrote.

        That it can't be written is no reason to stop anybody: it holds until the program ends, and in the session.
        """
        with self._lock:
            record = {
                "version": VERSION,
                "readings": {mark: each.to_json() for mark, each in _with(_read(self.path), self._changed).items()},
            }
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_file(self.path) as beside:
                    beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            except OSError:
                return


def _with(kept: Mapping[str, KeptReading], changed: Mapping[str, KeptReading | None]) -> dict[str, KeptReading]:
    """`kept` with some entries anew at its end, or (None) gone."""
    rest = {mark: each for mark, each in kept.items() if mark not in changed}
    return dict(list((rest | {mark: each for mark, each in changed.items() if each is not None}).items())[-MOST:])


def _read(path: Path) -> dict[str, KeptReading]:
    try:
        if path.stat().st_size > _LARGEST:
            return {}
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = record.get("readings") if isinstance(record, dict) and record.get("version") == VERSION else None
    kept: dict[str, KeptReading] = {}
    for fingerprint, entry in entries.items() if isinstance(entries, dict) else ():
        try:
            kept[fingerprint] = KeptReading.from_json(entry)
        except UserError:
            continue
    return dict(list(kept.items())[-MOST:])
