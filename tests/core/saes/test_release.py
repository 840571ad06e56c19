"""A folder of many SAEs, looked through: what is found, in what order, and what can't be opened."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from semascope.core.errors import UserError
from semascope.core.identify import identify
from semascope.core.saes.release import Found, scan
from tests.core.saes.golden import GOLDEN

ONE = GOLDEN / "sae_lens/jumprelu"


def found_in(folder: Path) -> list[Found]:
    return [each for each in scan(folder) if each is not None]


def test_a_release_is_found_in_order_as_deep_as_it_lies(tmp_path: Path) -> None:
    for place in ("layer_10/width_16k", "layer_2/width_16k/canonical", "layer_2/width_1k"):
        shutil.copytree(ONE, tmp_path / place)
    found = found_in(tmp_path)
    assert ["/".join(each.place) for each in found] == [
        "layer_2/width_1k",
        "layer_2/width_16k/canonical",
        "layer_10/width_16k",
    ]
    first = found[0]
    assert (first.format, first.architecture, first.site, first.features) == ("saelens", "jumprelu", "resid_post", 64)
    assert first.bytes > 4 * 64 * 2 * first.width
    assert first.layer is not None
    assert not first.problem


def test_it_gives_way_after_every_folder(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"empty{number}").mkdir()
    assert list(scan(tmp_path)) == [None] * 21


def test_a_damaged_member_says_why_and_hides_no_other(tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(ONE, tmp_path / name)
    (tmp_path / "a/cfg.json").write_text('{"architecture": "jumprelu", "d_in": 3}')
    weights = tmp_path / "b/sae_weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    shutil.copytree(ONE, tmp_path / "c")
    found = found_in(tmp_path)
    assert "c" in [each.path.name for each in found if not each.problem]
    assert all(each.problem.endswith(".") or not each.problem for each in found)


def test_what_can_t_be_recognised_for_its_damage_is_listed(tmp_path: Path) -> None:
    shutil.copytree(ONE, tmp_path / "a")
    for place, name in (("b", "params.npz"), ("c", "ae.pt"), ("d", "notes.npz")):
        (tmp_path / place).mkdir()
        (tmp_path / place / name).write_bytes(b"\x80\x02no archive")
    found = found_in(tmp_path)
    assert [(each.path.name, each.problem[:20]) for each in found] == [
        ("a", ""),
        ("b", "params.npz can't be "),
        ("c", "ae.pt can't be read:"),
    ]
    (tmp_path / "a").rename(tmp_path / "z")
    assert "holds 3 SAEs" in (said := identify(tmp_path).problems[0])
    assert said.endswith("for instance z.")


def test_links_and_hidden_folders_are_left_alone(tmp_path: Path) -> None:
    shutil.copytree(ONE, tmp_path / "real")
    shutil.copytree(ONE, tmp_path / ".hidden/one")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert [each.path.name for each in found_in(tmp_path)] == ["real"]


def test_the_fixtures_are_a_release() -> None:
    found = found_in(GOLDEN / "releases")
    assert len(found) >= 7
    assert {each.title for each in found} >= {"Gemma Scope 1", "Gemma Scope 2"}


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing at"):
        list(scan(tmp_path / "absent"))
