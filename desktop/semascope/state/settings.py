"""What a person prefers, in one small JSON file. No Qt.

Window geometry is not in here (`ui.shell.layout_store` has it), nor anything that belongs to a piece of work (the
session has that). A file that can't be read, or that a newer version wrote, counts as no file: the defaults hold, and
the file is left alone until something is changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from semascope import paths
from semascope.core.atomic import atomic_file

VERSION = 1
Theme = Literal["system", "light", "dark"]
THEMES: tuple[Theme, ...] = get_args(Theme)
DEVICES = ("", "cpu", "cuda", "mps")
DTYPES = ("", "bfloat16", "float32")
SCALES = (0.85, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0)


@dataclass(frozen=True)
class Settings:
    """All preferences.

    Attributes:
        theme: "system", "light" or "dark".
        text_scale: Size of text, 1.0 for 100 %.
        device: Where models run: "" for the fastest there is, or "cpu", "cuda", "mps".
        dtype: The numbers models run in: "" for what suits the device, or "bfloat16", "float32".
    """

    theme: Theme = "system"
    text_scale: float = 1.0
    device: str = ""
    dtype: str = ""


class SettingsStore:
    """The preferences and their file; `change` saves at once and tells `on_change`."""

    def __init__(self, path: Path | None = None, on_change: Callable[[Settings], object] | None = None) -> None:
        self.path = path or paths.config_dir() / "settings.json"
        self.on_change = on_change
        self.current = load(self.path)

    def change(self, **values: Any) -> None:
        """Set these preferences.

        Raises:
            OSError: The file can't be written; the preference holds until the program ends.
        """
        self.current = replace(self.current, **values)
        if self.on_change is not None:
            self.on_change(self.current)
        save(self.path, self.current)


def load(path: Path) -> Settings:
    """The preferences in a file; what is missing or makes no sense there has its default."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return Settings()
    if not isinstance(raw, dict) or raw.get("version") != VERSION:
        return Settings()
    known = {field.name for field in fields(Settings)}
    return _sensible({name: value for name, value in raw.items() if name in known})


def save(path: Path, settings: Settings) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as beside:
        beside.write_text(json.dumps({"version": VERSION, **asdict(settings)}, indent=2) + "\n", encoding="utf-8")


def _sensible(values: dict[str, Any]) -> Settings:
    allowed = {"theme": THEMES, "device": DEVICES, "dtype": DTYPES}
    kept = {name: value for name, value in values.items() if value in allowed.get(name, ())}
    scale = values.get("text_scale")
    if isinstance(scale, (int, float)) and min(SCALES) <= scale <= max(SCALES):
        kept["text_scale"] = float(scale)
    return Settings(**kept)
