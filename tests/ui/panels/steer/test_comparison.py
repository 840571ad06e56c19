"""Two answers side by side: where they part, what lights up, what is said of them."""

import numpy as np
import pytest

from semascope.core.session.document import Answer, AppliedEdit, SteerSettings
from semascope.core.steering.answer import Finish, Generation, Token
from semascope.core.steering.edits import Edit
from semascope.jobs.requests import Answers, Generate
from semascope.state.yardstick import Yardstick
from semascope.ui.panels.steer.comparison import Comparison, finished, kept, parting_of, starting, stopped
from semascope.ui.panels.steer.telling import tell

EDITS = (Edit(7, "clamp", 9.0), Edit(8, "ablate"))


def tokens(*strings: str) -> tuple[Token, ...]:
    return tuple(Token(sum(map(ord, string)), string, -1.0) for string in strings)


def generation(*strings: str, finish: Finish = "length") -> Generation:
    made = tokens(*strings)
    return Generation(made, "".join(strings), tuple(token.id for token in made), finish)


def both(selected: int | None = None, finish: Finish = "length") -> Comparison:
    answers = Answers(
        generation("A", " day"),
        generation("A", " night", "\n", finish=finish),
        np.array([[0.0, 1.0], [2.0, 0.0]], np.float32),
        np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]], np.float32),
    )
    return finished(Generate("Say", EDITS, seed=3), answers, selected, Yardstick())


def test_answers_part_at_the_first_token_that_differs() -> None:
    assert parting_of(tokens("a", "b"), tokens("a", "c")) == 1
    assert parting_of(tokens("a", "b"), tokens("a")) is None  # the other is still growing
    assert parting_of(tokens("a", "b"), tokens("a"), complete=True) == 1
    assert parting_of(tokens("a"), tokens("a"), complete=True) is None


def test_the_first_edit_lights_up_unless_another_is_selected() -> None:
    assert both().lit == 7
    assert both().steered.heat is not None
    np.testing.assert_array_equal(both().steered.heat, [0, 1, 0])
    np.testing.assert_array_equal(both().baseline.heat, [0, 0.5])
    assert both(selected=8).lit == 8
    np.testing.assert_array_equal(both(selected=8).steered.heat, [0, 0, 1])
    assert both(selected=99).lit == 7


def test_without_edits_nothing_lights_up() -> None:
    empty = np.zeros((1, 0), np.float32)
    answers = Answers(generation("x"), generation("x"), empty, empty)
    comparison = finished(Generate("Say"), answers, 7, Yardstick())
    assert (comparison.lit, comparison.steered.heat, comparison.parting) == (None, None, None)


def test_what_the_views_say() -> None:
    steered = tell(both(finish="context"), "steered", False)
    assert steered.remark == "the model's context is full · #7 · seed 3"
    assert steered.parting == 1
    assert steered.tooltip is not None
    assert steered.tooltip(2) == "↵\n#7 reads 0 here, with no edit in place"
    baseline = tell(both(), "baseline", False)
    assert (baseline.remark, baseline.parting) == ("", None)
    assert "by itself" in tell(None, "baseline", False).waiting
    assert "Reading the prompt" in tell(starting(Generate("Say")), "steered", True).waiting


def test_a_stopped_answer_says_so() -> None:
    comparison = stopped(both())
    assert comparison.over
    assert tell(comparison, "baseline", False).remark == "stopped"
    assert comparison.steered.text == "A night\n"


def test_an_answer_of_nothing_is_said_to_be_one() -> None:
    empty = np.zeros((0, 0), np.float32)
    comparison = finished(Generate("Say"), Answers(generation(), generation(), empty, empty), None, Yardstick())
    assert "nothing" in tell(comparison, "baseline", False).waiting


def test_a_kept_answer_needs_no_tokens() -> None:
    answer = Answer("Say", (AppliedEdit(7, "clamp", 9.0, "seven"),), SteerSettings(seed=3), "A day", "A night")
    comparison = kept(answer)
    assert comparison.over
    assert comparison.edits == (Edit(7, "clamp", 9.0),)
    assert tell(comparison, "steered", False).remark == "seed 3"
    assert comparison.steered.strings == ("A night",)


@pytest.mark.parametrize("which", ["baseline", "steered"])
def test_both_sides_have_their_own_text(which: str) -> None:
    assert tell(both(), which, False).strings[0] == "A"
