"""The theme in force, as Qt colours, ramps and fonts, and the one switch between light and dark.

Widgets ask `theme()` when they paint and never keep what it answers; those that must recompute connect to
`themes().changed`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication
from PySide6.QtWidgets import QApplication

from semascope.ui.theme import fonts, palettes, ramps, stylesheet, tokens

Mode = Literal["system", "light", "dark"]


class Theme:
    """Colours by what they are for. Every attribute is read-only by custom.

    Attributes:
        activation_lut: uint8 (256, 4) RGBA, opaque, from the pane to amber; index with `activation_steps(values)`.
        text_on_activation: uint32 (256,), the text colour for each step (contrast ≥ 4.5); `QColor.fromRgba(int(x))`.
        signed_lut, text_on_signed: the same for values of −1..1, blue through the pane to orange; 128 is nought.
        feature_colours: six colours that pinned features wear in order; `feature_colour(index)` wraps round.
    """

    def __init__(self, source: tokens.Tokens, scale: float = 1.0) -> None:
        self.tokens = source
        self.name = source.name
        self.dark = source.name == "dark"
        self.scale = scale
        self.background = QColor(source.background)
        self.pane = QColor(source.pane)
        self.text = QColor(source.text)
        self.quiet = QColor(source.quiet)
        self.line = QColor(source.line)
        self.hairline = QColor(source.hairline)
        self.soft = QColor(source.soft)
        self.accent = QColor(source.accent)
        self.on_accent = QColor(source.on_accent)
        self.selection = QColor(source.selection)
        self.error = QColor(source.error)
        self.doubt = QColor(source.doubt)
        self.good = QColor(source.good)
        self.up = QColor(tokens.UP)
        self.down = QColor(tokens.DOWN)
        self.feature_colours = tuple(QColor(name) for name in tokens.FEATURES)

    @cached_property
    def activation_lut(self) -> NDArray[np.uint8]:
        return ramps.blend(ramps.rgb(self.tokens.pane), self.tokens.activation)

    @cached_property
    def text_on_activation(self) -> NDArray[np.uint32]:
        return ramps.inks_for(self.activation_lut, self.tokens.text)

    @cached_property
    def signed_lut(self) -> NDArray[np.uint8]:
        return ramps.diverging(ramps.rgb(tokens.DOWN), ramps.rgb(self.tokens.pane), ramps.rgb(tokens.UP))

    @cached_property
    def text_on_signed(self) -> NDArray[np.uint32]:
        return ramps.inks_for(self.signed_lut, self.tokens.text)

    activation_steps = staticmethod(ramps.steps)

    def activation(self, value: float) -> QColor:
        """The ground of one token whose activation is `value` (0..1)."""
        red, green, blue, _ = self.activation_lut[ramps.steps(value)]
        return QColor(int(red), int(green), int(blue))

    def text_on(self, value: float) -> QColor:
        """The text colour on `activation(value)`."""
        return QColor.fromRgba(int(self.text_on_activation[ramps.steps(value)]))

    def feature_colour(self, index: int) -> QColor:
        return self.feature_colours[index % len(self.feature_colours)]

    def ui(self) -> QFont:
        return fonts.ui(self.scale)

    def small(self) -> QFont:
        return fonts.small(self.scale)

    def title(self) -> QFont:
        return fonts.title(self.scale)

    def mono(self) -> QFont:
        return fonts.mono(self.scale)

    def tabular(self) -> QFont:
        return fonts.tabular(self.scale)

    @property
    def row(self) -> int:
        """Height of a table row in pixels."""
        return round(tokens.ROW_PX * self.scale)

    @property
    def tab_height(self) -> int:
        """Height of the heads of docks, tabs or titles."""
        return round(tokens.HEAD_PX * self.scale)

    @property
    def corner(self) -> int:
        return tokens.CORNER_PX

    @staticmethod
    def spacing(steps: int) -> int:
        """`steps` × 4 pixels: the only distances in the program."""
        return tokens.SPACE_PX * steps


class Themes(QObject):
    """Holds the current theme and dresses the application in it.

    Signals:
        changed: the theme was replaced; ask `theme()` again.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.mode: Mode = "light"
        self.current = Theme(tokens.LIGHT)

    def follow_system(self) -> None:
        """Change with the desktop's own switch while the mode is "system"."""
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._system_changed)

    def set(self, mode: Mode, scale: float = 1.0) -> None:
        """Choose light, dark or the system's, and the size of text (1.0 is 100 %)."""
        self.mode = mode
        source = tokens.DARK if self._wants_dark() else tokens.LIGHT
        self.current = Theme(source, scale)
        self._dress()
        self.changed.emit()

    def _wants_dark(self) -> bool:
        if self.mode != "system":
            return self.mode == "dark"
        return QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark

    def _dress(self) -> None:
        app = QApplication.instance()
        if not isinstance(app, QApplication):
            return
        # The palette does the work (setColorScheme is ignored offscreen); the hint is for native title bars.
        hints = QGuiApplication.styleHints()
        if self.mode == "system":
            hints.unsetColorScheme()
        else:
            hints.setColorScheme(Qt.ColorScheme.Dark if self.current.dark else Qt.ColorScheme.Light)
        app.setStyle("Fusion")
        app.setPalette(palettes.palette(self.current.tokens))
        app.setFont(self.current.ui())
        app.setStyleSheet(stylesheet.stylesheet(self.current.tokens, self.current.scale))

    def _system_changed(self) -> None:
        if self.mode == "system":
            self.set("system", self.current.scale)


_themes: Themes | None = None


def themes() -> Themes:
    """The program's one `Themes`."""
    global _themes
    if _themes is None:
        _themes = Themes()
    return _themes


def theme() -> Theme:
    """The theme in force."""
    return themes().current
