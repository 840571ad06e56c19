"""A table of millions of rows: shows any order at once, keeps what was selected, never asks for what is not seen."""

import time

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from semascope.ui.widgets.array_table import ArrayTable, ArrayTableModel, Column

MANY = 5_000_000


class Counted:
    """A column's text that counts how often it is asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, id: int) -> str:
        self.asked += 1
        return f"feature {id}"


@pytest.fixture
def table(qtbot: QtBot) -> ArrayTable:
    table = ArrayTable([Column("id", "id", str, width=60, right=True), Column("label", "label", Counted())])
    qtbot.addWidget(table)
    table.resize(300, 400)
    table.show()
    return table


@pytest.mark.usefixtures("qapp")
def test_the_model_is_sound() -> None:
    model = ArrayTableModel([Column("id", "id", str)])
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.set_order(np.arange(100, dtype=np.uint32))
    model.set_order(np.zeros(0, np.uint32))
    assert tester.model() is model


def test_millions_of_rows_are_shown_reordered_and_filtered_without_a_pause(table: ArrayTable, qtbot: QtBot) -> None:
    ids = np.arange(MANY, dtype=np.uint32)
    table.show_order(ids)
    table.scrollToBottom()
    qtbot.wait(1)
    column = table.rows.columns[1].text
    assert isinstance(column, Counted)
    column.asked = 0
    start = time.perf_counter()
    table.show_order(ids[::-1])
    table.show_order(ids[::2])
    qtbot.wait(1)
    assert time.perf_counter() - start < 1.0
    assert column.asked < 2000, "only what is seen is asked for"


def test_the_selection_is_found_again_by_id_and_tells_nobody(table: ArrayTable, qtbot: QtBot) -> None:
    table.show_order(np.arange(1000, dtype=np.uint32))
    table.select_id(700)
    with qtbot.assertNotEmitted(table.id_selected):
        table.show_order(np.arange(1000, dtype=np.uint32)[::-1])
    assert table.currentIndex().row() == 299
    table.show_order(np.arange(500, dtype=np.uint32))
    assert not table.currentIndex().isValid()
    table.show_order(np.arange(1000, dtype=np.uint32))
    assert table.currentIndex().row() == 700


def test_keys_select_and_open(table: ArrayTable, qtbot: QtBot) -> None:
    table.show_order(np.array([5, 3, 9], np.uint32))
    table.select_id(5)
    with qtbot.waitSignal(table.id_selected) as selected:
        qtbot.keyClick(table, Qt.Key.Key_Down)
    assert selected.args == [3]
    with qtbot.waitSignal(table.id_opened) as opened:
        qtbot.keyClick(table, Qt.Key.Key_Return)
    assert opened.args == [3]
    qtbot.keyClick(table, Qt.Key.Key_End)
    assert table.selected_id == 9


def test_typing_does_not_search_row_by_row(table: ArrayTable, qtbot: QtBot) -> None:
    table.show_order(np.arange(MANY, dtype=np.uint32))
    column = table.rows.columns[1].text
    assert isinstance(column, Counted)
    qtbot.wait(1)
    column.asked = 0
    qtbot.keyClicks(table, "zzz")
    assert column.asked < 500


def test_a_header_click_asks_for_an_order(table: ArrayTable, qtbot: QtBot) -> None:
    with qtbot.waitSignal(table.sort_asked) as asked:
        qtbot.mouseClick(table.horizontalHeader().viewport(), Qt.MouseButton.LeftButton, pos=QPoint(9, 9))
    assert asked.args == ["id"]
    table.show_sort("label", True)
    assert table.horizontalHeader().sortIndicatorSection() == 1


@pytest.mark.usefixtures("qapp")
def test_tooltips_do_not_interpret_labels() -> None:
    model = ArrayTableModel([Column("label", "label", lambda _id: "<img src=x>")])
    model.set_order(np.array([1], np.uint32))
    assert "&lt;img" in model.data(model.index(0, 0), Qt.ItemDataRole.ToolTipRole)
