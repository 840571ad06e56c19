"""Every path the program uses, for a checkout, an installed wheel and a frozen program alike.

`--basedir` (or `SEMASCOPE_BASEDIR`) moves everything the program writes into one folder: for tests, for a USB stick, and for
a second, separate profile.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs

_APP = "semascope"
DEMO_MODEL = "SmolLM2-135M-Instruct"


def set_basedir(folder: str | Path) -> None:
    """Keep everything the program writes below `folder` from now on."""
    os.environ["SEMASCOPE_BASEDIR"] = str(Path(folder).expanduser().resolve())


def _base(kind: str) -> Path | None:
    base = os.environ.get("SEMASCOPE_BASEDIR")
    return Path(base) / kind if base else None


def config_dir() -> Path:
    """Settings and window geometry."""
    return _base("config") or Path(platformdirs.user_config_dir(_APP, appauthor=False))


def data_dir() -> Path:
    """Sessions, harvests and models that the program keeps for the user."""
    return _base("data") or Path(platformdirs.user_data_dir(_APP, appauthor=False))


def state_dir() -> Path:
    """Recovery files and the log of the last run."""
    return _base("state") or Path(platformdirs.user_state_dir(_APP, appauthor=False))


def sessions_dir() -> Path:
    """Where new sessions are saved unless the user chooses another place."""
    return data_dir() / "sessions"


def checkout() -> Path | None:
    """The root of the checkout that this code runs from, or None when it is installed or frozen."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "desktop").is_dir() else None


def resources_dir() -> Path:
    """The read-only folder `resources`."""
    frozen = getattr(sys, "_MEIPASS", None)
    if frozen:
        return Path(frozen) / "resources"
    root = checkout()
    return root / "resources" if root else Path(__file__).resolve().parent / "resources"


def icons_dir() -> Path:
    """The read-only folder `icons`."""
    return resources_dir().parent / "icons"


def demo_dir() -> Path:
    """The embedded demo: its dictionary, harvest, corpus sample and session."""
    return resources_dir() / "demo"


def demo_model() -> Path | None:
    """The demo's model folder, or None when the set-up step has not fetched it yet."""
    root = checkout()
    places = [
        Path(os.environ["SEMASCOPE_DEMO_MODEL"]) if os.environ.get("SEMASCOPE_DEMO_MODEL") else None,
        data_dir() / "models" / DEMO_MODEL,
        root / "build" / "model" / DEMO_MODEL if root else None,
    ]
    return next((place for place in places if place and (place / "config.json").is_file()), None)
