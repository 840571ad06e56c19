"""Order, search and filters over all features, against plain Python; and a million rows within a budget."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from semascope.core.errors import UserError
from semascope.core.features.filters import where
from semascope.core.features.records import feature_record, features_record
from semascope.core.features.table import order, search
from semascope.core.harvest.store import Harvest

LABELS = {3: "Hotels", 5: "the colour Red", 9: "apples"}


@pytest.fixture(scope="module")
def harvest(small_harvest_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Harvest:
    folder = tmp_path_factory.mktemp("table") / "h"
    shutil.copytree(small_harvest_path, folder)
    (folder / "labels.json").write_text(json.dumps(LABELS))
    return Harvest.open(folder)


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("sort", ["density", "max", "id"])
def test_order(harvest: Harvest, sort: str, descending: bool) -> None:
    column = {"density": harvest.count, "max": harvest.maximum, "id": np.arange(harvest.features)}[sort]
    sign = -1 if descending else 1
    expected = sorted(range(harvest.features), key=lambda i: (sign * column[i], i))
    assert order(harvest, sort, descending).tolist() == expected
    mask = np.arange(harvest.features) % 3 == 0
    assert order(harvest, sort, descending, mask).tolist() == [i for i in expected if i % 3 == 0]


def test_order_by_label_puts_unlabelled_last(harvest: Harvest) -> None:
    assert order(harvest, "label", False)[:4].tolist() == [9, 3, 5, 0]
    assert order(harvest, "label", True)[:4].tolist() == [5, 3, 9, 0]
    assert order(harvest, "label", False, labels={1: "z", 2: "A"})[:3].tolist() == [2, 1, 0]
    assert sorted(order(harvest, "label", True).tolist()) == list(range(harvest.features))


def test_unknown_column(harvest: Harvest) -> None:
    with pytest.raises(ValueError, match="no column"):
        order(harvest, "size")


@pytest.mark.parametrize("text", ["RED", "the", " of", "hotel", "zzzz-nothing"])
def test_search_finds_labels_and_top_tokens(harvest: Harvest, text: str) -> None:
    expected = [
        i
        for i in range(harvest.features)
        if text.casefold() in LABELS.get(i, "").casefold()
        or any(text.casefold() in token.casefold() for token in harvest.top_tokens(i))
    ]
    assert np.flatnonzero(search(harvest, text)).tolist() == expected


def test_filters(harvest: Harvest) -> None:
    ids = np.arange(harvest.features)
    labelled = np.isin(ids, list(LABELS))
    expected = {
        "": ids >= 0,
        "alive": harvest.count > 0,
        "dead": harvest.count == 0,
        "labelled": labelled,
        "!labelled": ~labelled,
        "not labelled and id < 20": ~labelled & (ids < 20),
        "density<2.1% max>=80.5 alive": (harvest.density < 0.021) & (harvest.maximum >= 80.5),
        "mean>50, count != 43": (harvest.mean > 50) & (harvest.count != 43),
        "id=7": ids == 7,
        "max <= 1e2": harvest.maximum <= 100,
    }
    for text, mask in expected.items():
        np.testing.assert_array_equal(where(harvest, text), mask, err_msg=text)


@pytest.mark.parametrize("text", ["size<3", "density<", "density<x", "alive3", "1<max", "max>1.2.3", "; drop"])
def test_filters_that_are_none(harvest: Harvest, text: str) -> None:
    with pytest.raises(UserError):
        where(harvest, text)


def test_features_record(harvest: Harvest) -> None:
    record = features_record(harvest, where="alive", sort="max", limit=5)
    assert record["total"] == harvest.alive
    assert [row["id"] for row in record["features"]] == order(harvest, "max")[:5].tolist()
    first = record["features"][0]
    assert first.keys() == {"id", "label", "density", "max", "top_tokens"}
    assert first["max"] == float(harvest.maximum.max())
    assert features_record(harvest, text="hotel")["features"][0]["label"] == "Hotels"
    assert len(features_record(harvest, limit=None)["features"]) == harvest.features
    json.dumps(record)


def test_like_and_promotes(harvest: Harvest) -> None:
    near = features_record(harvest, like=12, limit=None)
    assert [(row["id"], row["cosine"]) for row in near["features"]] == harvest.neighbours(12)
    token = harvest.logits(12).positive[0][0]
    rows = features_record(harvest, promotes=token, limit=None)["features"]
    assert 12 in [row["id"] for row in rows]
    assert [row["effect"] for row in rows] == sorted((row["effect"] for row in rows), reverse=True)
    for row in rows:
        promoted = [piece.strip().casefold() for piece, _ in harvest.logits(row["id"]).positive]
        assert token.strip().casefold() in promoted
    both = features_record(harvest, promotes=token, like=12, limit=None)["features"]
    assert {row["id"] for row in both} == {i for i, _ in harvest.neighbours(12)} & {row["id"] for row in rows}
    assert features_record(harvest, promotes="no such token at all")["total"] == 0


def test_feature_record(harvest: Harvest) -> None:
    record = feature_record(harvest, 3)
    assert record.keys() >= {"id", "label", "density", "max", "mean", "histogram", "examples", "logits", "neighbours"}
    assert record["label"] == "Hotels"
    assert sum(record["histogram"]["counts"]) == record["count"]
    assert record["examples"][0].keys() >= {"activation", "tokens", "activations", "position", "document", "interval"}
    assert all(len(example["tokens"]) == len(example["activations"]) for example in record["examples"])
    assert len(record["logits"]["positive"]) == len(record["logits"]["negative"]) == 10
    assert json.loads(json.dumps(record, allow_nan=False)) == record


@pytest.mark.parametrize("feature", [-1, 512, 10**9])
def test_no_such_feature(harvest: Harvest, feature: int) -> None:
    with pytest.raises(UserError, match=f"no feature {feature}"):
        feature_record(harvest, feature)
    with pytest.raises(UserError, match=f"no feature {feature}"):
        features_record(harvest, like=feature)


def test_a_million_rows() -> None:
    """Sorting, filtering and searching a million features stay well below what a person notices."""
    random = np.random.default_rng(0)
    m = 1_000_000
    fake: Any = _Rows(m, random)
    begun = time.process_time()
    ids = order(fake, "max")
    sorted_once = time.process_time()
    again = order(fake, "max", mask=fake.count > 0)
    filtered = time.process_time()
    hits = search(fake, "word 17")
    searched = time.process_time()
    assert (np.diff(fake.maximum[ids]) <= 0).all()
    assert len(again) == (fake.count > 0).sum()
    assert hits.sum() > 0
    assert sorted_once - begun < 2.0
    assert filtered - sorted_once < 0.3
    assert searched - filtered < 1.0


class _Rows:
    """As much of a harvest as a table needs."""

    def __init__(self, m: int, random: np.random.Generator) -> None:
        self.features = m
        self.count = random.integers(0, 1000, m)
        self.maximum = random.exponential(10, m).astype(np.float32)
        self.top_token = random.integers(-1, 50_000, (m, 5)).astype(np.int32)
        self.labels: dict[int, str] = {}
        self.strings = SimpleNamespace(pieces_folded=[f"word {i}" for i in range(50_000)])
