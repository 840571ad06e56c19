"""Example rows: the peak is in view, windows open in place, keys and screen reader follow."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QFont, QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from semascope.ui.theme import themes
from semascope.ui.widgets.example_list import ExampleList
from semascope.ui.widgets.example_rows import ExampleRow, ExampleSection, excerpt_start
from semascope.ui.widgets.token_layout import lay_out
from semascope.ui.widgets.token_metrics import TokenMetrics
from semascope.ui.widgets.token_text import TokenText

LENGTH = 128


def row(peak: int, activation: float = 10.0) -> ExampleRow:
    strings = [f" word{place}" for place in range(LENGTH)]
    strings[40] = "\n"
    values = np.zeros(LENGTH, np.float32)
    values[peak] = activation
    return ExampleRow(activation, TokenText(strings), values, 10.0, peak, "a.txt, token 3")


@pytest.fixture
def examples(qtbot: QtBot) -> ExampleList:
    themes().set("light")
    examples = ExampleList()
    qtbot.addWidget(examples)
    examples.resize(600, 100)
    top = ExampleSection("top examples", tuple(row(peak) for peak in (5, 60, 127)))
    low = ExampleSection("0 – 2  ·  40 % of firings", (row(64, 1.5),))
    examples.set_sections([top, low])
    examples.show()
    return examples


@pytest.mark.parametrize("peak", [0, 5, 60, 100, 127])
def test_the_peak_is_always_in_view_and_a_word_starts_the_line(qapp: QApplication, peak: int) -> None:
    metrics = TokenMetrics(QFont(qapp.font()))
    layout = lay_out(row(peak).text, metrics, None)
    start = excerpt_start(layout, peak, 500)
    fragment = layout.fragments_of(peak)[0]
    assert layout.x[fragment] - start + layout.blanks[fragment] * metrics.blank >= 0
    assert layout.x[fragment] + layout.width[fragment] - start <= 500.5
    if start:
        assert min(abs(run.x - 1 - start) for run in layout.runs) < 0.01


def test_opening_a_row_makes_room_for_its_window(examples: ExampleList) -> None:
    before = examples.height()
    examples.toggle(1)
    opened = examples.height()
    assert opened > before + 60
    examples.toggle(1)
    assert examples.height() == before


def test_a_click_opens_and_keys_move_and_open(qtbot: QtBot, examples: ExampleList) -> None:
    before = examples.height()
    qtbot.mouseClick(examples, Qt.MouseButton.LeftButton, pos=QPoint(300, 40))
    assert examples.rows()[0].opened
    examples.setFocus()
    qtbot.keyClick(examples, Qt.Key.Key_Left)
    assert examples.height() == before
    with qtbot.waitSignal(examples.row_focused):
        qtbot.keyClick(examples, Qt.Key.Key_Down)
    qtbot.keyClick(examples, Qt.Key.Key_Return)
    assert [shown.opened for shown in examples.rows()] == [False, True, False, False]
    examples.toggle_all(True)
    assert all(shown.opened for shown in examples.rows())


def test_copy_takes_the_whole_window(qtbot: QtBot, examples: ExampleList) -> None:
    examples.setFocus()
    examples.set_current(2)
    qtbot.keyClick(examples, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == examples.rows()[2].text.text()


def test_rows_out_of_sight_are_not_laid_out(qtbot: QtBot) -> None:
    examples = ExampleList()
    qtbot.addWidget(examples)
    examples.resize(600, 100)
    rows = tuple(row(60) for _ in range(400))
    examples.set_sections([ExampleSection("top examples", rows)])
    assert examples.height() > 400 * 20
    assert not any(shown._layout for shown in rows)


def test_a_screen_reader_hears_the_row(examples: ExampleList) -> None:
    examples.set_current(1)
    face = QAccessible.queryAccessibleInterface(examples)
    assert face.role() == QAccessible.Role.List
    assert face.text(QAccessible.Text.Value).startswith("10.0 on “word60”:")
    assert face.text(QAccessible.Text.Description) == "4 examples"


def test_what_a_token_says(examples: ExampleList) -> None:
    assert examples.rows()[0].token_words(5) == "·word5   10.0"
    assert examples.rows()[0].token_words(6) == "·word6"
