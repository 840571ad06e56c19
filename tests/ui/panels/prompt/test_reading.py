"""What is said about one answer of the engine: rankings without sinks, dense features apart, scales that compare."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from semascope.core.activations import PromptActivations
from semascope.state.yardstick import Yardstick, yardstick
from semascope.ui.panels.prompt.reading import Reading

# Tokens:   <s>  The  ·sea  \n   (the second is an attention sink)
# Feature 1 fires on all of them, 2 on "·sea", 3 is dense, 4 only on the special token.
STRINGS = ("<s>", "The", " sea", "\n")
VALUES = np.array(
    [[0, 90.0, 0, 0, 70.0], [0, 50.0, 0, 0, 0], [0, 3.0, 5.0, 9.0, 0], [0, 4.0, 0, 8.0, 0]], dtype=np.float32
)


@dataclass
class FakeHarvest:
    """The part of a harvest that measures."""

    features: int = 5
    maximum: np.ndarray = field(default_factory=lambda: np.array([0, 8.0, 10.0, 20.0, np.nan], np.float32))
    density: np.ndarray = field(default_factory=lambda: np.array([0, 0.01, 0.02, 0.5, 0.0]))


class Names:
    def name(self, feature: int) -> tuple[str, bool]:
        return f"feature {feature}", True

    def colour(self, feature: int) -> int | None:
        return 0 if feature == 2 else None


def activations() -> PromptActivations:
    rows = [np.flatnonzero(row) for row in VALUES]
    return PromptActivations(
        STRINGS,
        special=np.array([True, False, False, False]),
        sink=np.array([False, True, False, False]),
        starts=np.cumsum([0, *(len(row) for row in rows)]),
        features=np.concatenate(rows).astype(np.uint32),
        values=np.concatenate([VALUES[t, row] for t, row in enumerate(rows)]),
    )


@pytest.fixture
def reading() -> Reading:
    return Reading(activations(), Yardstick(FakeHarvest()), Names())  # type: ignore[arg-type]


def test_specials_and_sinks_do_not_rank_and_dense_ones_come_last(reading: Reading) -> None:
    ranked = [(strong.feature, strong.activation, strong.position) for strong in reading.strongest(None)]
    assert ranked == [(2, 5.0, 2), (1, 4.0, 3), (3, 9.0, 2)]
    assert [row.feature for row in reading.rows(None)] == [2, 1, None, 3]
    assert reading.rows(None)[2].name == "Dense: active on over 10 % of all tokens"


def test_a_token_that_is_pointed_at_is_listed_even_if_it_does_not_count(reading: Reading) -> None:
    assert [strong.feature for strong in reading.strongest(0)] == [1, 4]
    assert reading.list_title(0) == "Strongest features at <s>  token 0, a special token"
    assert reading.list_title(1) == "Strongest features at The  token 1, an attention sink"
    assert reading.strongest(99) == ()


def test_shares_are_of_the_harvests_maximum(reading: Reading) -> None:
    strong = {one.feature: one for one in reading.strongest(2)}
    assert strong[2].share == pytest.approx(0.5)
    assert [row.colour for row in reading.rows(2)] == [0, None, None, None]
    assert "50 % of its maximum" in reading.rows(2)[0].about


def test_colours_are_relative_to_the_harvests_maximum(reading: Reading) -> None:
    heat = reading.heat(2)
    assert (heat.end, heat.maximum) == (10.0, 10.0)
    assert heat.shares.tolist() == [0, 0, 0.5, 0]
    assert reading.heat(1).shares.max() == 1.0  # 90 is beyond its maximum of 8: full colour, no more
    assert reading.scale_words(2) == "its maximum in the harvest"


def test_without_a_maximum_the_scale_ends_at_the_highest_counted_value() -> None:
    reading = Reading(activations(), Yardstick(), Names())
    assert reading.heat(1).end == 4.0
    assert reading.scale_words(1) == "its highest value here"
    assert reading.heat(4).end == 0.0
    assert reading.heat(4).shares.tolist() == [0, 0, 0, 0]
    assert reading.scale_words(4) == "It does not fire on this prompt."
    assert [strong.share for strong in reading.strongest(None)] == [None, None, None]
    assert [strong.dense for strong in reading.strongest(None)] == [False, False, False]


def test_a_token_in_words(reading: Reading) -> None:
    assert reading.about_token(2, 2) == "·sea  token 2\n#2: 5.00, 50 % of its maximum in the harvest"
    assert reading.about_token(3, None) == "↵  token 3"
    assert reading.about_token(1, None).endswith("an attention sink: not counted")


def test_the_length_is_told_with_the_limit_when_it_comes_near(reading: Reading) -> None:
    assert reading.counts(8192) == "4 tokens · 2 greyed, not counted"
    assert reading.counts(6) == "4 of 6 tokens · 2 greyed, not counted"


def test_nothing_lights_up_without_a_feature(reading: Reading) -> None:
    assert reading.heat(None).shares.tolist() == [0, 0, 0, 0]


def test_features_outside_the_harvest_have_no_maximum() -> None:
    measure = Yardstick(FakeHarvest())  # type: ignore[arg-type]
    assert [measure.maximum(feature) for feature in (-1, 0, 1, 4, 5)] == [None, None, 8.0, None, None]
    assert "No harvest" in yardstick(None, None).problem
