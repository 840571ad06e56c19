"""The composition root: builds every part in order, joins them, runs the event loop, and takes them apart again.

The window is on the screen before anything that is asked for is opened, so before torch is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from PySide6.QtCore import QTimer
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from semascope import __version__, paths
from semascope.core.errors import UserError
from semascope.jobs.bridge import Bridge
from semascope.jobs.engine import Engine
from semascope.state.recent import RecentList
from semascope.state.recovery import Recovery
from semascope.state.settings import Settings, SettingsStore
from semascope.state.workspace import Workspace
from semascope.ui.collector import Collector
from semascope.ui.crash import CrashHooks
from semascope.ui.interrupts import Interrupts
from semascope.ui.photograph import Photographer
from semascope.ui.shell.main_window import MainWindow
from semascope.ui.theme import themes

_EXPOSURE_POLL, _LONGEST_EXPOSURE = 5, 2000  # milliseconds


def run(opened: Sequence[Path] = (), *, demo: bool = False, screenshot: Path | None = None) -> int:
    """Open the window and return the exit status once it is closed.

    Args:
        opened: Sessions, models, SAEs, harvests or corpora to open.
        demo: Open the embedded demo's session.
        screenshot: Without a screen: wait until everything is drawn, write this PNG, and end.

    Raises:
        UserError: There is no display, or no demo.
    """
    session = paths.demo_dir() / "demo.semascope"
    if demo and not session.exists():
        raise UserError("The demo is not here.", "Run packaging/demo in a checkout, which fetches it.")
    _choose_platform(screenshot)
    app = application()
    window, recovery = build(app)
    hooks = CrashHooks(window.fail)
    interrupts = Interrupts(window.close)
    collector = Collector(lambda: window.workspace.bridge.pending == 0)
    window.closed.connect(app.quit)
    photographer = Photographer(window, screenshot) if screenshot else None
    window.show()

    def begin() -> None:
        left_behind = None if opened or demo else recovery.left_behind()
        window.open_paths([*opened, *([session] if demo else []), *([left_behind] if left_behind else [])])
        if left_behind:
            window.toast.say("The program did not end well the last time.", "What was open has been restored.")
        if photographer:
            photographer.wait()

    _when_visible(window, begin)
    try:
        status = app.exec()
    finally:
        ended = window.workspace.bridge.stop(timeout=0)
        collector.remove()
        interrupts.remove()
        hooks.remove()
    recovery.ended_well()
    status = photographer.status if photographer and not status else status
    return status if ended else _leave(status)


def _leave(status: int) -> NoReturn:
    """End the process although the engine is still loading something: it writes nothing, and the session is saved."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def application() -> QApplication:
    """The QApplication, named and with its icon."""
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(["semascope"])
    app.setApplicationName("semascope")
    app.setApplicationDisplayName("Semascope")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("semascope")
    app.setQuitOnLastWindowClosed(False)  # the window ends the program when its jobs have ended
    app.setWindowIcon(QIcon(str(paths.icons_dir() / "semascope.svg")))
    return app


def build(app: QApplication) -> tuple[MainWindow, Recovery]:
    """Every part of the program, joined, not yet shown."""
    settings, recovery = SettingsStore(), Recovery()
    themes().set(settings.current.theme, settings.current.text_scale)
    themes().follow_system()
    workspace = Workspace(Bridge(Engine(), app), app)
    window = MainWindow(workspace, settings, RecentList())

    def apply(chosen: Settings) -> None:
        themes().set(chosen.theme, chosen.text_scale)
        workspace.opening.preferred = (chosen.device, chosen.dtype)

    settings.on_change = apply
    workspace.opening.preferred = (settings.current.device, settings.current.dtype)
    workspace.saved.connect(lambda path: recovery.working_on(path) if path else None)
    workspace.opened.connect(lambda kind, path: recovery.working_on(path) if kind == "session" else None)
    return window, recovery


def _choose_platform(screenshot: Path | None) -> None:
    if screenshot:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        os.environ.setdefault(
            "QT_LOGGING_RULES", "default.warning=false"
        )  # it warns of each window that it has no hints
    elif (
        sys.platform.startswith("linux")
        and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        and not os.environ.get("QT_QPA_PLATFORM")
    ):
        raise UserError("There is no display to open a window on.", "Use --screenshot FILE to draw it into a picture.")


def _when_visible(window: MainWindow, then: Callable[[], None], waited: int = 0) -> None:
    """Call `then` once the window is on the screen."""
    handle = window.windowHandle()
    if (handle is not None and handle.isExposed()) or waited >= _LONGEST_EXPOSURE:
        QTimer.singleShot(0, window, then)
    else:
        QTimer.singleShot(_EXPOSURE_POLL, window, lambda: _when_visible(window, then, waited + _EXPOSURE_POLL))
