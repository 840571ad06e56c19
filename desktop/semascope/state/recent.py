"""What was opened lately, for the Welcome page and the File menu. A JSON file of paths; no Qt."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from semascope import paths
from semascope.core.atomic import atomic_file
from semascope.core.foreign.parts import is_there

LONGEST = 12


@dataclass(frozen=True)
class Recent:
    """One thing that was opened: its absolute path, and "model", "sae", "harvest" or "session"."""

    path: str
    kind: str

    @property
    def name(self) -> str:
        return Path(self.path).stem if self.kind == "session" else Path(self.path).name


class RecentList:
    """The newest first. What is gone from the disk is not shown, but may come back with its disk."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or paths.state_dir() / "recent.json"
        self._items = _read(self.path)

    def items(self) -> list[Recent]:
        """Those that are there now."""
        return [item for item in self._items if is_there(Path(item.path))]

    def add(self, path: Path, kind: str) -> None:
        """Put a path first. That it can't be written down is no reason to stop anybody."""
        item = Recent(str(path.absolute()), kind)
        self._items = [item, *(other for other in self._items if other != item)][:LONGEST]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(self.path) as beside:
                beside.write_text(json.dumps([asdict(i) for i in self._items], indent=2) + "\n", encoding="utf-8")
        except OSError:
            return

    def clear(self) -> None:
        """Forget all of them."""
        self._items = []
        self.path.unlink(missing_ok=True)


def _read(path: Path) -> list[Recent]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        items = [Recent(str(item["path"]), str(item["kind"])) for item in raw]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return []
    return items[:LONGEST]
