"""What a few letters find, and what they find first."""

from __future__ import annotations

import pytest

from semascope.ui.commands.match import score

TITLES = ["Open a model…", "Open an SAE…", "Open a harvest…", "Harvest a corpus…", "Dark theme", "Close the model"]


def best(query: str) -> str:
    fits = [(fit, place) for place, title in enumerate(TITLES) if (fit := score(query, title)) is not None]
    return TITLES[min(fits)[1]] if fits else ""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("model", "Open a model…"),
        ("op mod", "Open a model…"),
        ("harv", "Harvest a corpus…"),
        ("open harv", "Open a harvest…"),
        ("corpus harvest", "Harvest a corpus…"),
        ("DARK", "Dark theme"),
        ("clos", "Close the model"),
        ("opsae", "Open an SAE…"),
        ("xyzzy", ""),
        ("dark model", ""),
    ],
)
def test_the_first_hit(query: str, expected: str) -> None:
    assert best(query) == expected


def test_nothing_typed_fits_everything_alike() -> None:
    assert {score("", title) for title in TITLES} == {0.0}


def test_other_words_find_it_less_well() -> None:
    aside, straight = score("colour", "Dark theme", "colour night"), score("dark", "Dark theme", "colour night")
    assert aside is not None
    assert straight is not None
    assert straight < aside


def test_accents_do_not_matter() -> None:
    assert score("eleve", "Élève") is not None
