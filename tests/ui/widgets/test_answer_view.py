"""The answer view: follows a growing text, stays where a person scrolled to, marks where two answers part."""

import numpy as np
import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from semascope.ui.theme import theme
from semascope.ui.widgets.answer_view import AnswerView
from semascope.ui.widgets.side_by_side import SideBySide

WORDS = [f"word{i} " for i in range(200)]


@pytest.fixture
def view(qtbot: QtBot) -> AnswerView:
    view = AnswerView("steered")
    qtbot.addWidget(view)
    view.resize(200, 160)
    view.show()
    return view


def test_it_follows_the_text_until_a_person_scrolls_up(view: AnswerView) -> None:
    bar = view.text.verticalScrollBar()
    for count in (50, 100, 150):
        view.show_answer(WORDS[:count], None, None)
        assert bar.value() == bar.maximum() > 0
    bar.setValue(10)
    view.show_answer(WORDS, None, None)
    assert bar.value() == 10


def test_the_same_text_with_heat_keeps_caret_and_place(view: AnswerView) -> None:
    view.show_answer(WORDS, None, None)
    view.text.set_caret(20)
    view.show_answer(WORDS, np.linspace(0, 1, len(WORDS), dtype=np.float32), None)
    assert view.text.caret == 20
    assert view.text.values is not None


def accent_pixels(view: AnswerView) -> int:
    image: QImage = view.text.viewport().grab().toImage()
    accent = theme().accent.rgb()
    return sum(image.pixel(x, y) == accent for x in range(8) for y in range(image.height()))


def test_a_stroke_marks_where_the_answers_part(view: AnswerView) -> None:
    view.show_answer(["One", " two"], None, None)
    assert accent_pixels(view) == 0
    view.show_answer(["One", " two"], None, 0)
    assert accent_pixels(view) > 10
    view.show_answer(["One", " two"], None, 2)  # this answer ended first: there is no token to mark
    assert accent_pixels(view) == 0


def test_a_sentence_stands_where_no_answer_is(view: AnswerView) -> None:
    view.say("What it says with the sliders.")
    assert view.waiting.isVisible()
    view.say("")
    assert not view.waiting.isVisible()


def test_two_views_are_stacked_where_they_are_narrow(qtbot: QtBot) -> None:
    first, second = AnswerView("baseline"), AnswerView("steered")
    pair = SideBySide(first, second)
    qtbot.addWidget(pair)
    pair.resize(420, 300)
    pair.show()
    assert first.y() == second.y()
    pair.resize(260, 300)
    qtbot.waitUntil(lambda: first.x() == second.x())
    assert second.y() > first.y()
