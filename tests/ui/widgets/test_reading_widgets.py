"""Histogram, sparkline, logit bars, numbers, editable line, tags: the small parts of the feature page."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from pytestqt.qtbot import QtBot

from semascope.ui.widgets.editable_line import EditableLine
from semascope.ui.widgets.histogram import Histogram, crop, sparkline
from semascope.ui.widgets.logit_bars import LogitBars
from semascope.ui.widgets.numbers import activation_text, percent_text, signed_text
from semascope.ui.widgets.tag_row import TagRow

EDGES = np.geomspace(0.01, 100, 41)


def test_crop_keeps_every_count_and_its_edges() -> None:
    counts = np.zeros(42, np.int64)
    counts[[20, 25, 33]] = [100, 10, 1]
    edges, kept = crop(EDGES, counts)
    assert kept.sum() == 111
    assert len(edges) == len(kept) + 1
    place = int(np.flatnonzero(kept == 1)[0])
    assert edges[place] == pytest.approx(EDGES[32])
    assert edges[place + 1] == pytest.approx(EDGES[33])


def test_under_and_overflow_are_named_for_what_they_are(qtbot: QtBot) -> None:
    histogram = Histogram()
    qtbot.addWidget(histogram)
    counts = np.ones(42, np.int64)
    histogram.set_counts(EDGES, counts * 1234)
    words = histogram.spoken_text().split("; ")
    assert words[0].startswith("below 0.01: 1,234 tokens")
    assert words[-1].startswith("above 100")


def test_a_histogram_is_read_bin_by_bin_with_keys(qtbot: QtBot) -> None:
    histogram = Histogram()
    qtbot.addWidget(histogram)
    histogram.set_counts(EDGES, np.arange(42))
    qtbot.keyClick(histogram, Qt.Key.Key_Right)
    face = QAccessible.queryAccessibleInterface(histogram)
    assert face.role() == QAccessible.Role.Chart
    first = face.text(QAccessible.Text.Value)
    qtbot.keyClick(histogram, Qt.Key.Key_Right)
    assert face.text(QAccessible.Text.Value) != first


def test_a_silent_feature_has_no_sparkline_and_paints(qtbot: QtBot) -> None:
    assert sparkline(np.zeros(42)) is None
    histogram = Histogram()
    qtbot.addWidget(histogram)
    histogram.set_counts(EDGES, np.zeros(42))
    assert not histogram.grab().isNull()


def test_a_sparkline_is_the_log_of_counts_and_starts_at_the_left() -> None:
    counts = np.zeros(42)
    counts[10:13] = [999, 99, 9]
    heights = sparkline(counts, bars=14)
    assert heights is not None
    np.testing.assert_allclose(heights[:3], [1.0, 2 / 3, 1 / 3], atol=1e-6)
    assert not heights[3:].any()


def test_logit_bars_say_their_rows(qtbot: QtBot) -> None:
    bars = LogitBars()
    qtbot.addWidget(bars)
    bars.set_rows([(" Paris", 2.31), ("\n", -0.5)], 2.31)
    assert bars.spoken_text() == "Paris +2.31; blank −0.50"
    assert bars.sizeHint().height() > 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(14.23, "14.2"), (3.14159, "3.14"), (0.0523, "0.052"), (0.0, "0"), (123.4, "123"), (12345, "12,345")],
)
def test_activations_have_about_three_digits(value: float, text: str) -> None:
    assert activation_text(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.1234, "12.3 %"), (0.0041, "0.41 %"), (0.0, "0 %"), (3.1e-5, "0.003 %"), (1e-9, "< 0.0001 %")],
)
def test_densities_keep_the_digits_they_have(share: float, text: str) -> None:
    assert percent_text(share) == text


def test_signed_values_have_a_true_minus() -> None:
    assert signed_text(-0.925) == "−0.93" or signed_text(-0.925) == "−0.92"
    assert signed_text(2.0) == "+2.00"


def test_a_label_is_kept_with_enter_and_taken_back_with_escape(qtbot: QtBot) -> None:
    line = EditableLine("Add a label")
    qtbot.addWidget(line)
    line.show()
    line.show_text("old")
    line.edit()
    qtbot.keyClicks(line, "new")
    qtbot.keyClick(line, Qt.Key.Key_Escape)
    assert line.text() == "old"
    line.edit()
    qtbot.keyClicks(line, "new")
    with qtbot.waitSignal(line.committed) as committed:
        qtbot.keyClick(line, Qt.Key.Key_Return)
    assert committed.args == ["new"]


def test_tags_are_added_and_taken_away(qtbot: QtBot) -> None:
    row = TagRow()
    qtbot.addWidget(row)
    row.show()
    row.show_tags(("place",))
    row.add()
    line = row.findChild(EditableLine)
    assert line is not None
    qtbot.keyClicks(line, "city")
    with qtbot.waitSignal(row.changed) as changed:
        qtbot.keyClick(line, Qt.Key.Key_Return)
    assert changed.args == [("place", "city")]
