"""How SAEs are read is remembered for the whole computer, and a strange file is no harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.kept import KeptReading
from semascope.core.saes.reading import Reading
from semascope.state import readings
from semascope.state.readings import ReadingStore

CENTRED = KeptReading(Reading(hooks=(HookPoint("resid_pre", 8),), processing="centred"), None, "2026-11-22")


def test_what_is_kept_is_there_for_the_next_window(tmp_path: Path) -> None:
    path = tmp_path / "data" / "readings.json"
    store = ReadingStore(path)
    store.keep("sha256:a", CENTRED)
    assert not path.exists()
    store.save()
    assert dict(ReadingStore(path).kept) == {"sha256:a": CENTRED}
    store.keep("sha256:a", None)
    store.save()
    assert dict(ReadingStore(path).kept) == {}


def test_a_reading_that_changes_nothing_is_not_kept(tmp_path: Path) -> None:
    store = ReadingStore(tmp_path / "readings.json")
    store.keep("sha256:a", CENTRED)
    store.keep("sha256:a", KeptReading())
    assert dict(store.kept) == {}


def test_two_windows_do_not_overwrite_each_other(tmp_path: Path) -> None:
    one, other = (ReadingStore(tmp_path / "readings.json") for _ in range(2))
    one.keep("sha256:a", CENTRED)
    one.save()
    other.keep("sha256:b", CENTRED)
    other.save()
    assert set(ReadingStore(tmp_path / "readings.json").kept) == {"sha256:a", "sha256:b"}


def test_no_more_are_remembered_than_is_sensible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "MOST", 3)
    store = ReadingStore(tmp_path / "readings.json")
    for number in range(5):
        store.keep(f"sha256:{number}", CENTRED)
    store.save()
    assert list(ReadingStore(tmp_path / "readings.json").kept) == ["sha256:2", "sha256:3", "sha256:4"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "[" * 100_000,
        '{"version": 2, "readings": {}}',
        '{"version": 1, "readings": []}',
        '{"version": 1, "readings": {"sha256:a": 7, "sha256:b": {"reading": {"hooks": "the moon"}}}}',
        '{"version": 1, "readings": {"sha256:a": {"reading": {"scale": -1}, "check": {}, "made": []}}}',
        '{"version": 1, "readings": {"sha256:a": {"reading": {"scale": NaN}}}}',
    ],
)
def test_a_strange_file_counts_as_nothing_chosen(tmp_path: Path, text: str) -> None:
    path = tmp_path / "readings.json"
    path.write_text(text)
    assert dict(ReadingStore(path).kept) == {}


def test_one_strange_entry_does_not_cost_the_others(tmp_path: Path) -> None:
    path = tmp_path / "readings.json"
    path.write_text(json.dumps({"version": 1, "readings": {"sha256:a": 7, "sha256:b": CENTRED.to_json()}}))
    assert dict(ReadingStore(path).kept) == {"sha256:b": CENTRED}


def test_a_date_with_markup_is_no_date() -> None:
    assert KeptReading.from_json({**CENTRED.to_json(), "made": "<b>today</b>"}).made == ""


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = ReadingStore(tmp_path / "file" / "readings.json")
    store.keep("sha256:a", CENTRED)
    store.save()
    assert store.kept["sha256:a"] == CENTRED
