"""What was opened lately: newest first, once each, only what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from semascope.state.recent import LONGEST, Recent, RecentList


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    made = [tmp_path / f"thing {number}" for number in range(LONGEST + 3)]
    for folder in made:
        folder.mkdir()
    return made


def test_the_newest_comes_first_and_once(tmp_path: Path, folders: list[Path]) -> None:
    recent = RecentList(tmp_path / "recent.json")
    for folder in (folders[0], folders[1], folders[0]):
        recent.add(folder, "sae")
    expected = [Recent(str(folders[0]), "sae"), Recent(str(folders[1]), "sae")]
    assert recent.items() == expected
    assert RecentList(tmp_path / "recent.json").items() == expected


def test_the_list_is_bounded_and_shows_only_what_is_there(tmp_path: Path, folders: list[Path]) -> None:
    recent = RecentList(tmp_path / "recent.json")
    for folder in folders:
        recent.add(folder, "model")
    assert len(recent.items()) == LONGEST
    folders[-1].rmdir()
    assert str(folders[-1]) not in [item.path for item in recent.items()]


def test_a_damaged_list_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "recent.json").write_text('[{"path": 3}]')
    assert RecentList(tmp_path / "recent.json").items() == []


def test_clear_forgets(tmp_path: Path, folders: list[Path]) -> None:
    recent = RecentList(tmp_path / "recent.json")
    recent.add(folders[0], "model")
    recent.clear()
    assert RecentList(tmp_path / "recent.json").items() == []
