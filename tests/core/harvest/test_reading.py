"""Tiles and sources: every token exactly once, whatever is asked; a corpus taken up again in the middle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from semascope.core.corpus.contexts import Context
from semascope.core.harvest import source
from semascope.core.harvest.sinks import SinkRule
from semascope.core.harvest.source import Place, Source
from semascope.core.harvest.tiles import cut_tiles
from semascope.core.models.text import TextCodec


@given(st.lists(st.integers(1, 130), min_size=1, max_size=60), st.integers(16, 600), st.integers(0, 1000))
def test_tiles_hold_every_token_once(lengths: list[int], tile_tokens: int, first: int) -> None:
    window = [
        Context(np.full(n, i + 1, dtype=np.int32), np.arange(n) % 7 == 0, document=i // 3, start=i)
        for i, n in enumerate(lengths)
    ]
    tiles = cut_tiles(window, first, tile_tokens)
    seen = np.concatenate([tile.contexts for tile in tiles])
    assert sorted(seen) == list(range(first, first + len(lengths)))
    for tile in tiles:
        assert tile.ids.size <= tile_tokens or len(tile.contexts) == 1
        assert (np.diff(tile.contexts) > 0).all()
        for row, context in enumerate(tile.contexts):
            n = lengths[context - first]
            assert (tile.ids[row] == np.where(np.arange(tile.ids.shape[1]) < n, context - first + 1, 0)).all()
            assert tile.counted[row].sum() == (np.arange(n) % 7 != 0).sum()
            assert tile.documents[row] == (context - first) // 3
    padding = sum(tile.ids.size - tile.tokens for tile in tiles)
    assert padding <= 8 * len(lengths) + sum(tile.ids.shape[0] * 130 for tile in tiles)


@pytest.fixture(scope="module")
def codec(demo_model_path: Path) -> TextCodec:
    return TextCodec(AutoTokenizer.from_pretrained(demo_model_path))


def contexts_of(reader: Source, place: Place) -> list[tuple[int, int, tuple[int, ...]]]:
    windows = [window for window in reader.windows(place) if window is not None]
    return [(c.document, c.start, tuple(c.ids.tolist())) for window in windows for c in window.contexts]


@pytest.mark.parametrize("prepend_bos", [False, True])
@pytest.mark.parametrize("limit", [None, 777])
def test_a_source_goes_on_anywhere(
    codec: TextCodec, small_corpus_path: Path, monkeypatch: pytest.MonkeyPatch, prepend_bos: bool, limit: int | None
) -> None:
    monkeypatch.setattr(source, "WINDOW", 7)

    def reader() -> Source:
        return Source([small_corpus_path], codec, 24, prepend_bos, limit)

    whole = contexts_of(reader(), Place())
    if limit:
        assert sum(len(ids) for _, _, ids in whole) == limit
    places = [window.place for window in reader().windows(Place()) if window is not None]
    assert len(places) > 4
    for place in places:
        assert contexts_of(reader(), place) == whole[place.context :]


def test_names_come_with_their_documents(codec: TextCodec, small_corpus_path: Path) -> None:
    reader = Source([small_corpus_path], codec, 128, False)
    contexts_of(reader, Place())
    assert reader.names[3] == "small.jsonl:4"


def test_the_sink_rule() -> None:
    rule = SinkRule.estimate([1.0, 2.0, 3.0, 2.0, 100.0])
    assert (rule.median, rule.threshold, rule.estimated_from) == (2.0, 8.0, 5)
    assert rule.mask([7.9, 8.0, 8.1, np.inf, np.nan]).tolist() == [False, False, True, True, True]
    assert SinkRule.from_json(rule.to_json()) == rule
    for record in ({}, {"multiple": 4, "median": "x", "estimated_from": 1}, {"multiple": None}, []):
        with pytest.raises(ValueError):
            SinkRule.from_json(record)  # type: ignore[arg-type]
