"""One pinned feature as a row: dot, number and name, value, and beneath them the slider.

    ●  #1499  France and things French        +4.0 ×
    ─────────────────────┼━━━━━━━━━◯────────────────

The row shows a `RowState` and says what the person asks for; it decides nothing. Everything a mouse can do here the
keyboard can do from the slider: M mutes, S solos, a digit starts typing a value, the menu key opens the menu.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QActionGroup, QContextMenuEvent, QEnterEvent, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.colour_dot import ColourDot
from semascope.ui.widgets.feature_name import FeatureName
from semascope.ui.widgets.row_state import RowState
from semascope.ui.widgets.strength_slider import StrengthSlider
from semascope.ui.widgets.value_edit import ValueEdit


class SliderRow(QWidget):
    """A pinned feature with its slider.

    Args:
        modes: Titles of the ways to steer, by their names, for the menu.

    Signals:
        moved(float, int): the slider was moved to this strength, in this gesture.
        typed(str): a value was typed.
        mode_chosen(str), mute_wanted(bool), solo_wanted(), unpin_wanted(), opened(): as their names say.
    """

    moved = Signal(float, int)
    typed = Signal(str)
    mode_chosen = Signal(str)
    mute_wanted = Signal(bool)
    solo_wanted = Signal()
    unpin_wanted = Signal()
    opened = Signal()

    def __init__(self, modes: dict[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._modes = modes
        self._state: RowState | None = None
        self.dot = ColourDot()
        self.name = FeatureName()
        self.more = QToolButton()
        self.more.setText("⋯")
        self.more.setProperty("kind", "bare")
        self.more.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.more.setToolTip("Mode, mute, solo, unpin")
        self.more.setAccessibleName("More")
        self.more.hide()
        self.value = ValueEdit()
        self.slider = StrengthSlider()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._lay_out()
        self.dot.clicked.connect(self.mute_wanted)
        self.name.clicked.connect(self.opened)
        self.more.clicked.connect(lambda: self._open_menu(self.more.mapToGlobal(QPoint(0, self.more.height()))))
        self.value.typed.connect(self.typed)
        self.slider.moved.connect(self.moved)
        self.slider.typing.connect(self.value.begin)
        for child in (self.name, self.value, self.slider):
            child.installEventFilter(self)

    def _lay_out(self) -> None:
        space = theme().spacing
        top = QHBoxLayout()
        top.setSpacing(space(1))
        top.addWidget(self.dot)
        top.addWidget(self.name, 1)
        top.addWidget(self.more)
        top.addWidget(self.value)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(space(3), space(2), space(3), space(1))
        layout.setSpacing(space(1) // 2)
        layout.addLayout(top)
        layout.addWidget(self.slider)

    def show_state(self, state: RowState) -> None:
        """Show this; a slider that is being dragged keeps its handle under the pointer."""
        if state == self._state:
            return
        self._state = state
        self.dot.set_colour(state.colour)
        self.dot.setChecked(state.muted)
        self.dot.setToolTip("Take it in again" if state.muted else "Mute")
        self.dot.setAccessibleName(f"Mute feature {state.feature}")
        self.name.show_feature(state.feature, state.name, state.labelled)
        self.value.show_value(state.value, quiet=state.muted)
        self.value.setToolTip(state.explanation)
        self.value.setAccessibleName(f"Strength of feature {state.feature}, {state.name}")
        self.slider.set_look(state.colour, state.muted)
        self.slider.setEnabled(state.adjustable)
        if not self.slider.isSliderDown():
            self.slider.show_strength(state.strength if state.adjustable else 0.0)
        self.slider.setToolTip(state.explanation)
        self.slider.setAccessibleName(f"Strength of feature {state.feature}, {state.name}")
        self.slider.setAccessibleDescription(f"{state.value}. {state.explanation}")

    def menu(self) -> QMenu:
        """The row's menu, as it stands now."""
        state = self._state
        menu = QMenu(self)
        if state is None:
            return menu
        group = QActionGroup(menu)
        for mode, title in self._modes.items():
            action = menu.addAction(title)
            action.setCheckable(True)
            action.setChecked(mode == state.mode)
            group.addAction(action)
            action.triggered.connect(lambda _checked, mode=mode: self.mode_chosen.emit(mode))
        menu.addSeparator()
        mute = menu.addAction("Mute\tM")
        mute.setCheckable(True)
        mute.setChecked(state.muted)
        mute.triggered.connect(self.mute_wanted)
        solo = menu.addAction("Solo\tS")
        solo.setCheckable(True)
        solo.setChecked(state.solo)
        solo.triggered.connect(lambda _checked: self.solo_wanted.emit())
        off = menu.addAction("Turn off\tDel")
        off.setEnabled(state.adjustable)
        off.triggered.connect(lambda _checked: self.typed.emit("off"))
        menu.addSeparator()
        menu.addAction("Unpin").triggered.connect(lambda _checked: self.unpin_wanted.emit())
        return menu

    def _open_menu(self, at: QPoint) -> None:
        menu = self.menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(at)

    def _has_focus(self) -> bool:
        return any(child.hasFocus() for child in (self.name, self.value, self.slider))

    # Qt

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.more.setVisible(self.underMouse() or event.type() == QEvent.Type.FocusIn)
        return False

    def enterEvent(self, _event: QEnterEvent) -> None:
        self.more.show()

    def leaveEvent(self, _event: QEvent) -> None:
        self.more.setVisible(self._has_focus())

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        at = event.globalPos()
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            at = self.slider.mapToGlobal(QPoint(self.slider.width() // 2, self.slider.height()))
        self._open_menu(at)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier or self._state is None:
            event.ignore()
        elif event.key() == Qt.Key.Key_M:
            self.mute_wanted.emit(not self._state.muted)
        elif event.key() == Qt.Key.Key_S:
            self.solo_wanted.emit()
        else:
            event.ignore()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(theme().hairline)
        painter.drawLine(0, self.height() - 1, self.width(), self.height() - 1)
        painter.end()
