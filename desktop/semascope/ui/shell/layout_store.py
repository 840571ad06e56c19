"""Where the window stood and how its docks were arranged, in an ini file of its own.

Only pixels: what the panels show belongs to the session. A layout that another version of the program wrote is ignored.
"""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtGui import QGuiApplication

from semascope import paths

VERSION = 1  # raise it whenever docks are added, removed or renamed


class LayoutStore:
    """Reads and writes `window.ini`. Without a screen there is nothing to remember: a picture has the standard layout."""

    def __init__(self) -> None:
        self._ini = QSettings(str(paths.config_dir() / "window.ini"), QSettings.Format.IniFormat)
        self._screen = QGuiApplication.platformName() != "offscreen"

    def read(self) -> tuple[QByteArray, QByteArray] | None:
        """The window's geometry and the docks' state, or None when there are none to trust."""
        if not self._screen or self._ini.value("version", type=int) != VERSION:
            return None
        return QByteArray(self._ini.value("geometry")), QByteArray(self._ini.value("docks"))

    def write(self, geometry: QByteArray, docks: QByteArray) -> None:
        if not self._screen:
            return
        self._ini.setValue("version", VERSION)
        self._ini.setValue("geometry", geometry)
        self._ini.setValue("docks", docks)
        self._ini.sync()

    def clear(self) -> None:
        """Forget the layout."""
        self._ini.clear()
        self._ini.sync()
