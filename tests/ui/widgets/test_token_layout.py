"""Where tokens are placed: line breaks, blanks, shaping, right-to-left order."""

import time

import numpy as np
import pytest
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QApplication

from semascope.ui.widgets.token_layout import TokenLayout, lay_out
from semascope.ui.widgets.token_metrics import TokenMetrics
from semascope.ui.widgets.token_text import TokenText


@pytest.fixture
def metrics(qapp: QApplication) -> TokenMetrics:
    return TokenMetrics(QFont(qapp.font()))


def lines_of(layout: TokenLayout) -> list[str]:
    """The text of each line, from the runs that are drawn."""
    return [
        " ".join(run.text for run in layout.runs[layout.line_run[line] : layout.line_run[line + 1]])
        for line in range(layout.lines)
    ]


def test_every_token_with_text_has_a_box_and_boxes_of_a_line_do_not_overlap(metrics: TokenMetrics) -> None:
    strings = ["The", " quick", " brown", " fox", "es", ",", " jump", "ed", "\n", "    ", "over", "", "é", " it"] * 20
    text = TokenText(strings)
    layout = lay_out(text, metrics, 300)
    for token, string in enumerate(strings):
        assert (len(layout.fragments_of(token)) > 0) == bool(string)
    for line in range(layout.lines):
        start, stop = layout.line_fragment[line], layout.line_fragment[line + 1]
        left, right = layout.x[start:stop], layout.x[start:stop] + layout.width[start:stop]
        assert np.all(left[1:] >= right[:-1] - 0.01)
        assert np.all(right <= 300.01)


def test_lines_break_before_words_not_inside_them(metrics: TokenMetrics) -> None:
    strings = ["un", "believ", "able", " un", "believ", "able", " un", "believ", "able"]
    layout = lay_out(TokenText(strings), metrics, metrics.advance("unbelievable") * 1.5)
    assert lines_of(layout) == ["unbelievable"] * 3


def test_the_blank_before_a_word_is_dropped_where_the_line_breaks_for_it(metrics: TokenMetrics) -> None:
    layout = lay_out(TokenText(["aaaa", " bbbb"]), metrics, 45)
    assert layout.lines == 2
    assert layout.x[1] == 0.0
    assert layout.blanks[1] == 0


def test_indentation_after_a_newline_is_kept(metrics: TokenMetrics) -> None:
    layout = lay_out(TokenText(["if x:", "\n", "       ", " return"]), metrics, 400)
    assert layout.lines == 2
    word = next(run for run in layout.runs if run.text == "return")
    assert word.x == pytest.approx(8 * metrics.blank, abs=0.5)


def test_a_token_with_a_newline_inside_stands_on_both_lines(metrics: TokenMetrics) -> None:
    layout = lay_out(TokenText(["end", ".\n\n", "Next"]), metrics, 400)
    assert layout.lines == 3
    assert layout.line[list(layout.fragments_of(1))].tolist() == [0, 0, 1]


def test_one_line_marks_newlines_and_breaks_nowhere(metrics: TokenMetrics) -> None:
    layout = lay_out(TokenText(["a", "\n", "b"] * 50), metrics, None)
    assert layout.lines == 1


def test_a_token_wider_than_the_line_is_cut_short(metrics: TokenMetrics) -> None:
    layout = lay_out(TokenText(["x" * 500, " y"]), metrics, 200)
    assert layout.width[0] == 200
    assert "…" in layout.runs[0].text


def test_text_without_blanks_breaks_between_tokens(metrics: TokenMetrics) -> None:
    layout = lay_out(TokenText(["法国", "的", "首都", "是", "巴黎"] * 10), metrics, 120)
    assert layout.lines > 3
    assert float((layout.x + layout.width).max()) <= 120


def test_combining_marks_stay_with_their_letter(metrics: TokenMetrics) -> None:
    layout = lay_out(TokenText(["e", "\u0301", "e", "\u0301"] * 60), metrics, 100)
    assert all(run.text[0] == "e" for run in layout.runs)


def test_arabic_words_run_from_right_to_left(metrics: TokenMetrics) -> None:
    strings = ["Say", " مر", "حبا", " بال", "عالم", " now"]
    layout = lay_out(TokenText(strings), metrics, 600)
    x = layout.x
    assert x[0] < x[4] < x[3] < x[2] < x[1] < x[5]
    assert float(x[1] + layout.width[1]) == pytest.approx(float(x[5]), abs=1.0)


def test_a_number_inside_arabic_keeps_its_own_direction(metrics: TokenMetrics) -> None:
    layout = lay_out(TokenText(["سنة", " 2", "0", "24", " قرن"]), metrics, 600)
    number = next(run for run in layout.runs if run.text == "2024")
    assert layout.x[1] < layout.x[2] < layout.x[3]
    assert layout.x[4] < number.x < layout.x[0]


@pytest.mark.parametrize("token", ["QUJD", "ก็", "مر", "\u0301", "😀", "\n", " ", "    "])
def test_many_tokens_of_one_kind_are_laid_out_in_time(metrics: TokenMetrics, token: str) -> None:
    start = time.process_time()
    layout = lay_out(TokenText([token] * 20_000), metrics, 600)
    assert time.process_time() - start < 5
    assert len(layout.first_fragment) == 20_001


def test_token_at_finds_what_stands_there(metrics: TokenMetrics) -> None:
    text = TokenText(["one", " two", " three", "\n", "four"])
    layout = lay_out(text, metrics, 500)
    for token in (0, 1, 2, 4):
        fragment = layout.fragments_of(token)[0]
        middle = float(layout.x[fragment] + layout.width[fragment] / 2)
        assert layout.token_at(middle, (layout.line[fragment] + 0.5) * layout.line_height) == token
    assert layout.token_at(490, 5) == -1
    assert layout.token_at(490, 5, nearest=True) == 3
    assert layout.token_at(0, 9999) == -1


def test_an_empty_text_has_one_empty_line(metrics: TokenMetrics) -> None:
    layout = lay_out(TokenText([]), metrics, 100)
    assert layout.lines == 1
    assert layout.token_at(0, 0, nearest=True) == -1
