"""A slider for a strength of −10 to +10 whose middle means "off": fine near nought, filled from the centre.

It is a QSlider (so screen readers and keyboards know it) that draws itself and places its handle on a curve: half the
way out is a strength of about 3.5, so the small strengths that matter most have the most room. It knows a number and a
colour, nothing of features; `slider_row.py` gives it a name and a value.
"""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QSlider, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.gesture import Gesture

LIMIT = 10.0
UNIT = 100  # the slider's integer value is the strength in hundredths
CURVE = 1.5  # handle's way out = (strength / LIMIT) ** (1 / CURVE)
HANDLE = 6.0  # radius, in pixels at 100 %
GROOVE = 3.0
HEIGHT = 18

_STEPS = {
    Qt.Key.Key_Left: -0.1,
    Qt.Key.Key_Down: -0.1,
    Qt.Key.Key_Right: 0.1,
    Qt.Key.Key_Up: 0.1,
    Qt.Key.Key_PageDown: -1.0,
    Qt.Key.Key_PageUp: 1.0,
}
_JUMPS = {
    Qt.Key.Key_Home: -LIMIT,
    Qt.Key.Key_End: LIMIT,
    Qt.Key.Key_Delete: 0.0,
    Qt.Key.Key_Backspace: 0.0,
}
_TYPED = "0123456789+-\N{MINUS SIGN}.,"


def way_out(strength: float) -> float:
    """Where on the groove a strength lies: −1 at the left end, 0 in the middle, 1 at the right end."""
    share = min(1.0, abs(strength) / LIMIT)
    return math.copysign(share ** (1.0 / CURVE), strength) if strength else 0.0


def strength_at(place: float) -> float:
    """The strength at a place on the groove (−1..1), in steps of 0.05 below 1 and 0.1 above; the inverse of `way_out`."""
    share = min(1.0, abs(place))
    strength = LIMIT * share**CURVE
    step = 0.05 if strength < 1.0 else 0.1
    return round(math.copysign(round(strength / step) * step, place), 2) if strength >= step / 2 else 0.0


def _scaled(pixels: float) -> float:
    return pixels * theme().scale


class StrengthSlider(QSlider):
    """Drag, arrow keys (0.1), Page Up and Down (1), Home and End; Delete or a double click for "off".

    Signals:
        typing(str): a digit or a sign was typed: the person means to type the value.
        moved(float, int): the person moved it to this strength; the number names the gesture (one drag, one run of
            key presses), so that one gesture can be one step of undo.
    """

    moved = Signal(float, int)
    typing = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setRange(-round(LIMIT * UNIT), round(LIMIT * UNIT))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self._colour = 0
        self._muted = False
        self._grip: float | None = None  # where inside the handle it was taken, while dragged
        self._hovered = False
        self._gesture = Gesture(pause=0.8)

    @property
    def strength(self) -> float:
        """The strength shown; one typed beyond ±10 shows at the end."""
        return self.value() / UNIT

    def show_strength(self, strength: float) -> None:
        """Place the handle without telling anybody."""
        self.setValue(round(max(-LIMIT, min(LIMIT, strength)) * UNIT))

    def set_look(self, colour: int, muted: bool) -> None:
        """Index of the fill's colour (`Theme.feature_colour`); muted draws it grey."""
        if (colour, muted) != (self._colour, self._muted):
            self._colour, self._muted = colour, muted
            self.update()

    # Geometry

    def _half(self) -> float:
        return max(1.0, self.width() / 2 - _scaled(HANDLE) - 1)

    def _centre(self) -> QPointF:
        return QPointF(self.width() / 2, self.height() / 2)

    def _handle(self) -> QPointF:
        return self._centre() + QPointF(way_out(self.strength) * self._half(), 0)

    # Gestures

    def _move(self, strength: float) -> None:
        strength = max(-LIMIT, min(LIMIT, round(strength, 2)))
        if round(strength * UNIT) == self.value():
            return
        self.show_strength(strength)
        self.moved.emit(strength, self._gesture.number)

    # Qt

    def sizeHint(self) -> QSize:
        return QSize(160, round(_scaled(HEIGHT)))

    def minimumSizeHint(self) -> QSize:
        return QSize(80, round(_scaled(HEIGHT)))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        self._gesture.begin()
        offset = event.position().x() - self._handle().x()
        self._grip = offset if abs(offset) <= _scaled(HANDLE) + 2 else 0.0
        if self._grip == 0.0:
            self._drag_to(event.position().x())
        self.setSliderDown(True)
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._grip is None:
            hovered = (event.position() - self._handle()).manhattanLength() <= 2 * _scaled(HANDLE)
            if hovered != self._hovered:
                self._hovered = hovered
                self.update()
            return
        self._drag_to(event.position().x())

    def _drag_to(self, x: float) -> None:
        self._move(strength_at((x - (self._grip or 0.0) - self._centre().x()) / self._half()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._grip = None
        self.setSliderDown(False)
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        # The press before it already began the gesture: jump and reset undo together.
        self._move(0.0)
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        # A wheel turned over a list of sliders means to scroll the list.
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if event.text() and event.text() in _TYPED:
            self.typing.emit(event.text())
            return
        if key not in _STEPS and key not in _JUMPS:
            event.ignore()  # letters belong to the row, Tab to the window
            return
        self._gesture.go_on()
        self._move(self.strength + _STEPS[key] if key in _STEPS else _JUMPS[key])
        event.accept()

    def leaveEvent(self, _event: QEvent) -> None:
        self._hovered = False
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        look = theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        centre, handle, half = self._centre(), self._handle(), self._half()
        radius, groove = _scaled(HANDLE), _scaled(GROOVE)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.soft)
        track = QRectF(centre.x() - half - radius, centre.y() - groove / 2, 2 * (half + radius), groove)
        painter.drawRoundedRect(track, groove / 2, groove / 2)
        colour = look.quiet if self._muted or not self.isEnabled() else look.feature_colour(self._colour)
        if self.value():
            left, right = sorted((centre.x(), handle.x()))
            painter.setBrush(colour)
            painter.drawRect(QRectF(left, centre.y() - groove / 2, right - left, groove))
        painter.setPen(QPen(look.quiet, 1))
        tick = round(centre.x()) + 0.5
        painter.drawLine(QPointF(tick, centre.y() - 5), QPointF(tick, centre.y() + 5))
        if self.isEnabled():
            self._paint_handle(painter, handle, colour)
        painter.end()

    def _paint_handle(self, painter: QPainter, handle: QPointF, colour: QColor) -> None:
        look = theme()
        active = self._hovered or self.isSliderDown()
        if self.hasFocus():
            painter.setPen(QPen(look.accent, 2))
        else:
            painter.setPen(QPen(colour if active and self.value() else look.quiet, 1.2))
        painter.setBrush(look.pane)
        painter.drawEllipse(handle, _scaled(HANDLE), _scaled(HANDLE))
