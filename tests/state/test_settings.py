"""Preferences survive, and no file can make the program worse than its defaults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from semascope.state.settings import Settings, SettingsStore, load


def test_a_change_is_saved_and_told(tmp_path: Path) -> None:
    told: list[Settings] = []
    store = SettingsStore(tmp_path / "deep" / "settings.json", told.append)
    store.change(theme="dark", text_scale=1.5)
    assert told == [Settings(theme="dark", text_scale=1.5)]
    assert SettingsStore(tmp_path / "deep" / "settings.json").current == Settings(theme="dark", text_scale=1.5)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "7", '{"version": 99, "theme": "dark"}', '{"theme": "dark"}', "\x00\xff", "[" * 50_000],
)
def test_a_file_that_makes_no_sense_is_no_file(tmp_path: Path, content: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(content, encoding="latin-1")
    assert load(file) == Settings()


def test_one_wrong_value_costs_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    values = {"version": 1, "theme": "dark", "text_scale": 1e9, "device": "abacus", "unknown": 1}
    file.write_text(json.dumps(values))
    assert load(file) == Settings(theme="dark")
