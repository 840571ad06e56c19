"""The heatmap under mouse, keyboard, clipboard and screen reader."""

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QGuiApplication
from pytestqt.qtbot import QtBot

from semascope.ui.theme import themes
from semascope.ui.widgets.find_bar import FindBar
from semascope.ui.widgets.token_view import TokenView

Key = Qt.Key
STRINGS = ["<bos>", "The", " cap", "ital", " of", " France", "\n", "is", " Par", "is", "", "", "😀", "."]


@pytest.fixture
def view(qtbot: QtBot) -> TokenView:
    themes().set("light")
    view = TokenView()
    qtbot.addWidget(view)
    view.resize(400, 300)
    view.set_tokens(STRINGS, special=[True] + [False] * 13)
    values = np.zeros(14)
    values[[0, 5, 11]] = [1.0, 0.5, 1.0]
    view.set_values(values)
    view.show()
    view.setFocus()
    return view


def press(qtbot: QtBot, view: TokenView, *keys: Qt.Key, modifier: Qt.KeyboardModifier | None = None) -> None:
    for key in keys:
        qtbot.keyClick(view, key, modifier or Qt.KeyboardModifier.NoModifier)


def colour_at(view: TokenView, token: int) -> tuple[int, int, int]:
    """A pixel of a token's ground, above its ink."""
    image = view.viewport().grab().toImage()
    rect = view.token_rect(token)
    pixel = image.pixelColor(int(rect.left()) + 4, int(rect.top()) + 4)
    return pixel.red(), pixel.green(), pixel.blue()


def test_arrows_move_by_token_and_pass_over_pieces_of_a_character(qtbot: QtBot, view: TokenView) -> None:
    view.set_caret(9)
    press(qtbot, view, Key.Key_Right)
    assert view.caret == 12
    press(qtbot, view, Key.Key_Right, Key.Key_Right)
    assert view.caret == 13
    press(qtbot, view, Key.Key_Left, Key.Key_Left)
    assert view.caret == 9


def test_home_end_up_and_down_follow_lines(qtbot: QtBot, view: TokenView) -> None:
    view.set_caret(3)
    press(qtbot, view, Key.Key_End)
    assert view.caret == 6
    press(qtbot, view, Key.Key_Home)
    assert view.caret == 0
    press(qtbot, view, Key.Key_Down)
    assert view.caret in (7, 8)
    press(qtbot, view, Key.Key_Up)
    assert view.caret == 0
    press(qtbot, view, Key.Key_End, modifier=Qt.KeyboardModifier.ControlModifier)
    assert view.caret == 13


def test_control_arrows_jump_to_what_fires(qtbot: QtBot, view: TokenView) -> None:
    view.set_caret(1)
    press(qtbot, view, Key.Key_Right, modifier=Qt.KeyboardModifier.ControlModifier)
    assert view.caret == 5
    press(qtbot, view, Key.Key_Right, modifier=Qt.KeyboardModifier.ControlModifier)
    assert view.caret == 12


def test_shift_selects_and_copy_takes_the_text(qtbot: QtBot, view: TokenView) -> None:
    view.set_caret(4)
    with qtbot.waitSignal(view.selection_changed):
        press(qtbot, view, Key.Key_Right, modifier=Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(view, Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == " of France"
    press(qtbot, view, Key.Key_Escape)
    assert view.selected_text() == ""


def test_drag_selects(qtbot: QtBot, view: TokenView) -> None:
    start, end = (view.token_rect(token).center().toPoint() for token in (1, 3))
    qtbot.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(view.viewport(), end)
    drag = QPoint(end.x() + 1, end.y())
    from PySide6.QtCore import QEvent, QPointF
    from PySide6.QtGui import QMouseEvent

    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    where = QPointF(drag)
    view.mouseMoveEvent(QMouseEvent(QEvent.Type.MouseMove, where, where, Qt.MouseButton.NoButton, left, none))
    assert view.selected_text() == "The capital"


def test_a_click_tells_its_token_and_so_does_enter(qtbot: QtBot, view: TokenView) -> None:
    with qtbot.waitSignal(view.clicked) as clicked:
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.token_rect(5).center().toPoint())
    assert clicked.args == [5]
    with qtbot.waitSignal(view.clicked) as entered:
        press(qtbot, view, Key.Key_Return)
    assert entered.args == [5]


def test_find_selects_across_tokens_and_goes_on_with_f3(qtbot: QtBot, view: TokenView) -> None:
    assert view.find_text("IS")
    assert view.selection == (7, 8)
    press(qtbot, view, Key.Key_F3)
    assert view.selection == (9, 10)
    assert not view.find_text("Berlin")


def test_slash_opens_a_field_that_finds_as_one_types(qtbot: QtBot, view: TokenView) -> None:
    press(qtbot, view, Key.Key_Slash)
    bar = view.findChild(FindBar)
    assert bar is not None
    assert bar.isVisible()
    qtbot.keyClicks(bar, "F")
    assert view.selection == (4, 5)
    qtbot.keyClicks(bar, "r")
    assert view.selection == (5, 6), "one letter more is looked for from the same place"
    bar.clear()
    qtbot.keyClicks(bar, "is")
    assert view.selection == (7, 8)
    qtbot.keyClick(bar, Key.Key_Return)
    assert view.selection == (9, 10)
    qtbot.keyClick(bar, Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert view.selection == (7, 8)
    qtbot.keyClick(bar, Key.Key_Escape)
    qtbot.waitUntil(lambda: not bar.isVisible())
    assert view.hasFocus()


def test_colours_follow_values_special_tokens_stay_grey(view: TokenView) -> None:
    look = themes().current
    half = look.activation_lut[128][:3].tolist()
    assert colour_at(view, 5) == tuple(half)
    assert colour_at(view, 4) == (255, 255, 255)
    assert colour_at(view, 0) == (look.soft.red(), look.soft.green(), look.soft.blue())
    full = look.activation_lut[255][:3].tolist()
    assert colour_at(view, 12) == tuple(full), "the strongest byte colours the whole character"
    view.set_values(None)
    assert colour_at(view, 5) == (255, 255, 255)


def test_dark_repaints_in_its_own_colours(qtbot: QtBot, view: TokenView) -> None:
    themes().set("dark")
    qtbot.wait(1)
    look = themes().current
    assert colour_at(view, 5) == tuple(look.activation_lut[128][:3].tolist())


def test_hover_is_told_once_for_each_token(qtbot: QtBot, view: TokenView) -> None:
    seen: list[int] = []
    view.hovered.connect(seen.append)
    for token in (1, 1, 5):
        qtbot.mouseMove(view.viewport(), view.token_rect(token).center().toPoint())
        qtbot.wait(5)
    view._set_hover(-1)
    assert seen == [1, 5, -1]


def test_a_screen_reader_hears_text_and_caret(view: TokenView) -> None:
    view.set_caret(5)
    face = QAccessible.queryAccessibleInterface(view)
    assert face.role() == QAccessible.Role.Document
    assert face.text(QAccessible.Text.Value) == "France, token 6 of 14, 50% of the maximum"
    assert "The capital of France" in face.text(QAccessible.Text.Description)
    view.set_caret(0)
    assert face.text(QAccessible.Text.Value).endswith("not counted")


def test_a_long_text_scrolls_to_the_caret(qtbot: QtBot, view: TokenView) -> None:
    view.set_tokens([" word"] * 5000)
    view.set_caret(4999)
    assert view.verticalScrollBar().value() == view.verticalScrollBar().maximum() > 0
    assert view.viewport().rect().contains(view.token_rect(4999).center().toPoint())
    press(qtbot, view, Key.Key_PageUp)
    assert view.caret < 4999


def test_narrower_means_more_lines(view: TokenView, qtbot: QtBot) -> None:
    tall: Callable[[], int] = view.content_height
    view.set_tokens([" word"] * 100)
    before = tall()
    view.resize(200, 300)
    qtbot.wait(1)
    assert tall() > before
    assert view.content_height(400) < tall()
