"""The strength slider: fine near the middle, one gesture a drag, a keyboard for everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from semascope.ui.widgets.strength_slider import LIMIT, StrengthSlider, strength_at, way_out


@pytest.fixture
def slider(qtbot: QtBot) -> StrengthSlider:
    slider = StrengthSlider()
    qtbot.addWidget(slider)
    slider.resize(360, 20)
    slider.show()
    return slider


def place(slider: StrengthSlider, strength: float) -> QPoint:
    """Where on the widget a strength lies."""
    half = slider.width() / 2 - 7
    return QPoint(round(slider.width() / 2 + way_out(strength) * half), slider.height() // 2)


@given(st.floats(-1, 1))
def test_way_out_and_strength_are_inverse(where: float) -> None:
    assert way_out(strength_at(where)) == pytest.approx(where, abs=0.025)


def test_small_strengths_have_the_most_room() -> None:
    assert way_out(1.0) > 0.2
    assert way_out(LIMIT) == 1.0
    assert way_out(-LIMIT) == -1.0
    assert strength_at(0.001) == 0.0


def test_a_drag_is_one_gesture(qtbot: QtBot, slider: StrengthSlider) -> None:
    moves: list[tuple[float, int]] = []
    slider.moved.connect(lambda strength, gesture: moves.append((strength, gesture)))
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=place(slider, 0.0))
    for strength in (0.5, 1.0, 2.0, 4.0):
        qtbot.mouseMove(slider, place(slider, strength))
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=place(slider, 4.0))
    assert len(moves) >= 4
    assert len({gesture for _, gesture in moves}) == 1
    assert slider.strength == pytest.approx(4.0, abs=0.15)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=place(slider, -3.0))
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=place(slider, -3.0))
    assert slider.strength == pytest.approx(-3.0, abs=0.15)
    assert moves[-1][1] != moves[0][1]


def test_a_double_click_turns_it_off(qtbot: QtBot, slider: StrengthSlider) -> None:
    slider.show_strength(5.0)
    qtbot.mouseDClick(slider, Qt.MouseButton.LeftButton, pos=place(slider, 5.0))
    assert slider.strength == 0.0


def test_keys(qtbot: QtBot, slider: StrengthSlider) -> None:
    for key, strength in (
        (Qt.Key.Key_Right, 0.1),
        (Qt.Key.Key_PageUp, 1.1),
        (Qt.Key.Key_Left, 1.0),
        (Qt.Key.Key_End, 10.0),
        (Qt.Key.Key_Right, 10.0),
        (Qt.Key.Key_Home, -10.0),
        (Qt.Key.Key_Delete, 0.0),
    ):
        qtbot.keyClick(slider, key)
        assert slider.strength == pytest.approx(strength)


def test_a_digit_means_typing(qtbot: QtBot, slider: StrengthSlider) -> None:
    with qtbot.waitSignal(slider.typing) as typed:
        qtbot.keyClicks(slider, "4")
    assert typed.args == ["4"]
    assert slider.strength == 0.0


def test_a_wheel_scrolls_what_is_around_it(slider: StrengthSlider) -> None:
    slider.show_strength(2.0)
    turn = QWheelEvent(
        QPointF(180, 10),
        QPointF(180, 10),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(slider, turn)
    assert slider.strength == 2.0


def test_showing_tells_nobody_and_stops_at_the_ends(qtbot: QtBot, slider: StrengthSlider) -> None:
    with qtbot.assertNotEmitted(slider.moved):
        slider.show_strength(25.0)
    assert slider.strength == 10.0
