"""How SAEs of a release are grouped, described and filtered."""

from __future__ import annotations

from pathlib import Path

from semascope.core.saes.release import Found
from semascope.ui.shell.release_tree import branches, cells, matches


def found(*place: str, **about: object) -> Found:
    known = {
        "architecture": "jumprelu",
        "hook_point": "resid_post.12",
        "hook_out": "resid_post.12",
        "site": "resid_post",
    }
    settings = {**known, "layer": 12, "features": 16384, "width": 2304, "l0": 82.0, "bytes": 302_000_000, **about}
    return Found(Path("/release", *place), place, "gemma_scope_1", "Gemma Scope 1", **settings)  # type: ignore[arg-type]


ONE = found("layer_12", "width_16k", "average_l0_82")


def test_by_hook_point_the_layer_is_said_once() -> None:
    assert [branch.name for branch in branches(ONE, "hook")] == ["resid_post", "Layer 12", "width_16k/average_l0_82"]


def test_by_folder_as_they_lie() -> None:
    assert [branch.name for branch in branches(ONE, "folder")] == ["layer_12", "width_16k", "average_l0_82"]


def test_groups_stand_in_the_order_of_the_model() -> None:
    late, early = found("layer_12"), found("layer_2", layer=2, hook_point="resid_post.2")
    elsewhere = found("mlp", site="mlp_out")
    unknown = found("params", site="", layer=None, hook_point="")
    ways = [branches(each, "hook") for each in (unknown, elsewhere, late, early)]
    in_order = sorted(ways, key=lambda way: [branch.key for branch in way])
    assert [way[0].name for way in in_order] == ["resid_post", "resid_post", "mlp_out", "Hook point not known"]
    assert in_order[0][1].name == "Layer 2"


def test_one_of_several_layers_stands_beside_the_layers() -> None:
    several = found("clt", layer=None, hook_point="mlp_in.0-25", site="mlp_in")
    assert [branch.name for branch in branches(several, "hook")] == ["mlp_in", "clt"]


def test_what_is_said() -> None:
    assert cells(ONE) == ("JumpReLU · Gemma Scope 1", "resid_post.12", "16,384", "82", "302 MB")
    crossing = found("t", hook_point="mlp_in.3", hook_out="mlp_out.3", architecture="jumprelu_skip_transcoder")
    assert cells(crossing)[:2] == ("JumpReLU skip transcoder · Gemma Scope 1", "mlp_in.3 → mlp_out.3")
    assert cells(found("broken", problem="It is damaged."))[0] == "can't be opened"


def test_the_filter_wants_every_word() -> None:
    assert matches(ONE, "WIDTH_16k jumprelu")
    assert matches(ONE, "")
    assert not matches(ONE, "width_16k topk")
