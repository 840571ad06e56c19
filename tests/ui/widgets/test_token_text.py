"""Tokens as they are shown: pieces of characters, levels, search, list form."""

import numpy as np
import pytest

from semascope.ui.widgets.token_text import TokenText, list_form, shown_form, stand_in


def test_a_split_character_shows_its_strongest_byte_on_the_completing_token() -> None:
    text = TokenText(["a", "", "", "😀", "b"])
    assert text.carrier.tolist() == [0, 3, 3, 3, 4]
    levels = text.levels(np.array([0.0, 0.2, 1.0, 0.1, 0.0]))
    assert levels.tolist() == [0, 0, 0, 255, 0]


def test_a_character_cut_off_at_the_end_or_by_a_special_token_carries_itself() -> None:
    text = TokenText(["x", "", "<eos>", ""], special=[False, False, True, False])
    assert text.carrier.tolist() == [0, 1, 2, 3]


def test_the_faintest_activation_is_still_seen_and_nought_is_not() -> None:
    assert TokenText(["a", "b", "c"]).levels(np.array([1e-6, 0.0, np.nan])).tolist() == [1, 0, 0]


def test_special_and_sink_tokens_are_grey_and_without_colour() -> None:
    text = TokenText(["<bos>", "the", "x"], special=[True, False, False], sink=[False, True, False])
    assert text.grey.tolist() == [True, True, False]
    assert text.levels(np.ones(3)).tolist() == [0, 0, 255]


def test_values_must_be_as_many_as_tokens() -> None:
    with pytest.raises(ValueError, match="3 tokens need 3 values"):
        TokenText(["a", "b", "c"]).levels(np.zeros(2))


@pytest.mark.parametrize(
    ("needle", "start", "backwards", "found"),
    [("FRANCE is", 0, False, (1, 3)), ("a", 3, False, (3, 4)), ("of", 2, False, (0, 1)), ("ran", 3, True, (1, 2))],
)
def test_find_crosses_tokens_ignores_case_and_wraps(
    needle: str, start: int, backwards: bool, found: tuple[int, int]
) -> None:
    assert TokenText(["of", " France", " is", " a"]).find(needle, start, backwards) == found


def test_find_answers_none_for_what_is_not_there() -> None:
    assert TokenText(["of", " France"]).find("Paris") is None
    assert TokenText([]).find("x") is None


def test_direction_overrides_and_control_characters_are_shown_not_obeyed() -> None:
    assert "\u202e" not in shown_form("a\u202eb")
    assert shown_form("\x1b[31m") == "\u241b[31m"
    assert shown_form("\tx") == "    x"


def test_lists_show_every_blank() -> None:
    assert list_form("  a\n") == "··a↵"
    assert list_form("") == "∅"


def test_what_stands_for_a_label_is_distinct_tokens_without_blanks() -> None:
    assert stand_in([" the", "the", "\n", " of"], 3) == "the, ↵, of"
