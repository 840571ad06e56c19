"""An SAE of another width, layer, tower, or of no known place: every command says so in one sentence, and does nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from semascope.cli import main
from tests.end2end import plain_layers as layered
from tests.end2end import plain_releases as releases
from tests.end2end.plain_models import Plain, save


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plain]:
    return {name: save(name, tmp_path_factory.mktemp("models") / name) for name in ("gpt2", "gemma3", "gemma3_seeing")}


def _saelens(plain: Plain, root: Path, name: str, site: str = "resid_post") -> Path:
    return releases.saelens(plain, root, name, site, 1).path


def _wider(plain: Plain, root: Path) -> Path:
    """An SAE of the heads' outputs, at a place of another width."""
    return releases.saelens(plain, root, "blocks.1.hook_resid_post", "attn_z", 1).path


def _mlp_neurons(plain: Plain, root: Path) -> Path:
    return releases.saelens(plain, root, "blocks.1.mlp.hook_post", "resid_post", 1).path


def _transcoder_of_another_width(plain: Plain, root: Path) -> Path:
    out = ("blocks.1.hook_mlp_out", "mlp_act")
    return releases.saelens(plain, root, "blocks.1.mlp.hook_in", "mlp_in", 1, architecture="transcoder", out=out).path


def _tower(plain: Plain, root: Path) -> Path:
    """Of an image tower, by Hugging Face's name."""
    made = releases.saelens(plain, root, "", "resid_post", 1)
    config = json.loads((made.path / "cfg.json").read_text())
    config["metadata"]["hf_hook_name"] = "model.vision_tower.encoder.layers.1.output"
    releases.write_json(made.path, "cfg.json", config)
    return made.path


def _tower_s_own(plain: Plain, root: Path) -> Path:
    """Of the image tower that is there: no text passes it."""
    made = releases.saelens_head(plain, root, 1, 0, width=24).path
    config = json.loads((made / "cfg.json").read_text())
    config["metadata"] = {"hf_hook_name": "model.vision_tower.encoder.layers.1.output", "sae_lens_version": "6.0.0"}
    releases.write_json(made, "cfg.json", config)
    return made


def _bare_npz(plain: Plain, root: Path) -> Path:
    """Gemma Scope 1's file alone: nothing says where it belongs."""
    made = releases.gemma_scope_1(plain, root, "res", 1).path / "params.npz"
    moved = root / "alone" / "params.npz"
    moved.parent.mkdir()
    return made.rename(moved)


def _of_more_layers(plain: Plain, root: Path) -> Path:
    """A crosscoder of a layer that the model lacks."""
    made = layered.gemma_scope_2_layers(plain, root, "crosscoder", (0, 2))
    text = (made.path / "config.json").read_text().replace("{0,2}", "{0,7}")
    (made.path / "config.json").write_text(text)
    return made.path


def _queries(plain: Plain, root: Path) -> Path:
    return _saelens(plain, root, "blocks.1.attn.hook_q", "attn_z")


def _head(plain: Plain, root: Path) -> Path:
    """Of a head that the model lacks."""
    made = releases.saelens_head(plain, root, 1, 2).path
    config = json.loads((made / "cfg.json").read_text())
    config["metadata"]["hook_head_index"] = 4
    releases.write_json(made, "cfg.json", config)
    return made


def _narrow_head(plain: Plain, root: Path) -> Path:
    """Of one head of a model whose heads are narrower."""
    return releases.saelens_head(plain, root, 1, 2, width=8).path


Make = Callable[[Plain, Path], Path]
CASES: dict[str, tuple[str, Make, str]] = {
    "another layer": ("gpt2", partial(_saelens, name="blocks.9.hook_resid_post"), "belongs to layer 9; the layers of"),
    "another width": ("gemma3", _wider, "reads activations of width 48; gemma3 has 32 at resid_post.1."),
    "another width of the MLP": ("gpt2", _mlp_neurons, "reads activations of width 32; gpt2 has 48 at mlp_act.1."),
    "another width out": ("gemma3", _transcoder_of_another_width, "gives activations of width 48; gemma3 has 32"),
    "a tower of a model without": ("gemma3", _tower, "belongs to an image tower; gemma3 has none."),
    "another width in a tower": ("gemma3_seeing", _tower, "width 32; gemma3_seeing has 24 at vision.resid_post.1."),
    "text for a tower": ("gemma3_seeing", _tower_s_own, "Text alone never passes vision.resid_post.1 of this model."),
    "no place": ("gemma3", _bare_npz, "does not say which layer and hook point it was made for"),
    "a place that is none of ours": ("gpt2", _queries, "the queries of the attention heads (blocks.1.attn.hook_q)"),
    "one of several layers": ("gemma3", _of_more_layers, "belongs to layer 7; the layers of"),
    "another head": ("gpt2", _head, "belongs to head 4; the heads of gpt2 are 0 to 3."),
    "heads of another width": ("gemma3", _narrow_head, "reads one head of width 8; those of gemma3 have 12."),
}


@pytest.mark.parametrize("case", CASES)
def test_it_ends_in_one_sentence(
    case: str, models: dict[str, Plain], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, make, sentence = CASES[case]
    plain = models[model]
    made = make(plain, tmp_path)
    corpus, out = tmp_path / "corpus.txt", tmp_path / "harvest"
    corpus.write_text("Some words of a corpus.\n")
    pair = ("--model", str(plain.path), "--sae", str(made), "--device", "cpu")
    for command in (
        ("activations", *pair, "--text", "Some words", "--json"),
        ("generate", *pair, "--prompt", "Some words", "--clamp", "3=5", "--json"),
        ("harvest", *pair, "--corpus", str(corpus), "--out", str(out), "--context", "64", "--json"),
    ):
        capsys.readouterr()
        assert main(list(command)) == 1
        told = capsys.readouterr()
        assert told.out == ""
        *announced, line = told.err.splitlines()  # a harvest tells first what it would take, of a pair that fits
        assert line.startswith("semascope: ")
        assert len(announced) == (command[0] == "harvest" and case == "text for a tower")
        assert sentence in line
        assert not out.exists()
    assert main(["identify", str(made), "--json"]) == 0
    (about,) = json.loads(capsys.readouterr().out)
    assert about["kind"] == "sae"
    if about["hook_point"] is None:
        assert sentence in about["problems"][0]
