"""The commands about SAEs alone: `identify` with a model and a corpus, `convert`, and reading one otherwise than its files say."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from semascope import paths
from semascope.core.harvest.store import Harvest
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import describe

Run = Callable[..., Any]
GOLDEN = Path(__file__).parents[1] / "golden"
FIXTURES = sorted(path.parent.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("golden_io.npz"))


@pytest.fixture(scope="module")
def demo() -> Path:
    return paths.demo_dir()


class TestIdentify:
    def test_whether_an_sae_fits(self, run: Run, demo_model_path: Path, small_sae_path: Path) -> None:
        narrow = GOLDEN / "sae_lens/standard"
        found = run("identify", small_sae_path, narrow, "--model", demo_model_path, "--json")
        assert found[0]["fits"] == [str(demo_model_path)]
        assert found[0]["fit"][0]["fits"]
        assert found[1]["fits"] == []
        assert "width 16" in found[1]["fit"][0]["problems"][0]
        text = run("identify", small_sae_path, narrow, "--model", demo_model_path)
        assert f"fits {demo_model_path}" in text
        assert f"does not fit {demo_model_path}" in text

    def test_which_of_the_models_an_sae_fits(
        self, run: Run, demo_model_path: Path, small_sae_path: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other"
        other.mkdir()
        config = json.loads((demo_model_path / "config.json").read_text()) | {"num_hidden_layers": 9}
        (other / "config.json").write_text(json.dumps(config))
        found = run("identify", other, small_sae_path, demo_model_path, "--json")
        assert [about["kind"] for about in found] == ["model", "sae", "model"]
        assert found[1]["fits"] == [str(demo_model_path)]
        assert "layer 15" in found[1]["fit"][0]["problems"][0]

    def test_the_self_check(self, run: Run, demo: Path, demo_model_path: Path) -> None:
        check = ("--model", demo_model_path, "--corpus", demo / "corpus" / "sample.jsonl", "--tokens", 400)
        found = run("identify", demo / "sae", *check, "--device", "cpu", "--json")[0]
        assert found["check"]["verdict"] == "plausible"
        assert found["check"]["explained"] > 0.8
        assert found["check"]["recommended"] is None
        wrong = run("identify", demo / "sae", *check, "--hook", "resid_pre.15", "--json")[0]["check"]
        assert wrong["verdict"] == "doubtful"
        assert wrong["reading"] == {"hooks": "resid_pre.15"}
        assert wrong["recommended"] == {"hooks": "resid_post.15"}
        text = run("identify", demo / "sae", *check, "--alternatives")
        assert "self-check: plausible" in text
        assert "with activations multiplied by" in text

    def test_one_that_cannot_be_checked_says_why(
        self, run: Run, demo: Path, demo_model_path: Path, small_sae_path: Path, small_corpus_path: Path
    ) -> None:
        narrow = GOLDEN / "sae_lens/standard"
        check = ("--model", demo_model_path, "--corpus", small_corpus_path, "--tokens", 50, "--json")
        found = run("identify", narrow, small_sae_path, *check)
        assert found[0]["check"] is None
        assert "could not be checked" in found[0]["problems"][-1]
        assert found[1]["check"]["tokens"] > 0

    def test_a_check_needs_a_model(self, refused: Run, small_sae_path: Path, small_corpus_path: Path) -> None:
        assert "--model" in refused("identify", small_sae_path, "--corpus", small_corpus_path)
        assert "not a model" in refused("identify", small_sae_path, "--model", small_sae_path)

    def test_a_release_is_a_tree(self, run: Run) -> None:
        text = run("identify", GOLDEN / "sae_lens_legacy")
        assert "  v4.4.5/\n    gated: saelens, gated, resid_pre.3, 64 features\n" in text
        whole = run("identify", GOLDEN)
        assert "layer_3_width_16k_l0_small: gemma_scope_2, jumprelu, resid_post.3, 64 features, L0 " in whole

    @pytest.mark.parametrize("name", FIXTURES)
    def test_a_person_is_told_what_every_fixture_is(self, name: str, run: Run) -> None:
        config = describe(GOLDEN / name).config
        text = run("identify", GOLDEN / name)
        assert f"format: {config.format}\n" in text
        assert f"architecture: {config.architecture}\n" in text
        if config.reads:
            assert "hook point: " in text
        else:
            assert "asks for: hook point" in text

    def test_names_cannot_play_tricks(self, run: Run, tmp_path: Path) -> None:
        name = "x\x1b[31m\u202eevil\nname"
        shutil.copytree(GOLDEN / "sae_lens/standard", tmp_path / name)
        cfg = tmp_path / name / "cfg.json"
        about = json.loads(cfg.read_text())
        about["metadata"]["model_name"] = "gpt2\x1b]0;owned\x07"
        cfg.write_text(json.dumps(about))
        for path in (tmp_path, tmp_path / name):
            text = run("identify", path)
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert "\x07" not in text
            assert "evil\nname" not in text


class TestConvert:
    @pytest.mark.parametrize("name", FIXTURES)
    def test_nothing_is_lost(self, name: str, run: Run, tmp_path: Path) -> None:
        said = run("convert", GOLDEN / name, tmp_path / "out", "--json")
        assert said["out"] == str(tmp_path / "out")
        before, after = open_sae(GOLDEN / name, device="cpu"), open_sae(tmp_path / "out", device="cpu")
        torch.manual_seed(0)
        config = before.config
        shape = (6, config.places, config.d_in) if config.places > 1 else (6, config.d_in)
        x = torch.randn(shape)
        torch.testing.assert_close(after.encode(x), before.encode(x), atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(after(x), before(x), atol=1e-5, rtol=1e-5)
        for field in (
            "reads",
            "writes",
            "processing",
            "scale",
            "mask_first",
            "prepend_bos",
            "l0",
            "model_name",
            "kind",
        ):
            assert getattr(after.config, field) == getattr(config, field), field

    def test_what_saelens_cannot_do_is_said(self, run: Run, tmp_path: Path) -> None:
        told = run("convert", GOLDEN / "sparsify/transcoder/layers.3.mlp", tmp_path / "a", "--json")["saelens"]
        assert not told["reads"]
        assert "topk_transcoder" in told["remarks"][0]
        centred = run("convert", GOLDEN / "apollo_e2e", tmp_path / "b")
        assert "centred" in centred
        assert run("convert", GOLDEN / "sae_lens/standard", tmp_path / "c", "--json")["saelens"]["reads"]

    def test_what_the_files_did_not_say_is_written_down(self, run: Run, tmp_path: Path) -> None:
        source = GOLDEN / "openai_sparse_autoencoder/v5_topk"
        run("convert", source, tmp_path / "out", "--hook", "resid_post.6", "--dtype", "bf16")
        after = open_sae(tmp_path / "out", device="cpu").config
        assert (str(after.hook_point), after.dtype, after.problems) == ("resid_post.6", "bfloat16", ())

    def test_nothing_is_overwritten(self, refused: Run, tmp_path: Path) -> None:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "precious").touch()
        (tmp_path / "file").touch()
        source = GOLDEN / "sae_lens/standard"
        assert "already exists" in refused("convert", source, tmp_path / "full")
        assert "already exists" in refused("convert", source, tmp_path / "file")
        refused("convert", source, tmp_path / "file" / "out")
        assert "not an SAE" in refused("convert", tmp_path / "full", tmp_path / "out")
        assert os.listdir(tmp_path / "full") == ["precious"]
        assert sorted(os.listdir(tmp_path)) == ["file", "full"]

    def test_a_disk_that_is_full(self, refused: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 9))  # type: ignore[attr-defined]
        assert "disk" in refused("convert", GOLDEN / "sae_lens/standard", tmp_path / "out")
        assert not (tmp_path / "out").exists()


class TestReading:
    def test_a_harvest_says_how_it_was_read(
        self, run: Run, pair: tuple, small_corpus_path: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "h"
        run(
            "harvest", *pair, "--corpus", small_corpus_path, "--out", out, "--tokens", 500, "--context", 64,
            "--hook", "resid_pre.16", "--input-scale", 0.5, "--mapped",
        )  # fmt: skip
        harvest = Harvest.open(out)
        assert harvest.info["hook_point"] == "resid_pre.16"
        read = harvest.info["sae"]["read"]
        assert (read["hooks"], read["hooks_out"], read["scale"]) == ("resid_pre.16", "resid_pre.16", 0.5)

    def test_the_same_place_by_another_name_gives_the_same(self, run: Run, pair: tuple) -> None:
        text = ("activations", *pair, "--text", "The Golden Gate Bridge", "--dtype", "fp32", "--json")
        as_it_is = run(*text)
        assert run(*text, "--hook", "resid_pre.16", "--mapped")["features"] == as_it_is["features"]
        assert run(*text, "--hook", "resid_pre.3")["features"] != as_it_is["features"]

    def test_wrong_readings_are_refused(self, refused: Run, pair: tuple) -> None:
        text = ("activations", *pair, "--text", "x")
        assert "not a hook point" in refused(*text, "--hook", "here")
        assert "layer 99" in refused(*text, "--hook", "resid_post.99")
        assert "not a scale" in refused(*text, "--input-scale", "-1")
        assert "not a number format" in refused(*text, "--sae-dtype", "int4")

    def test_steering_at_another_place(self, run: Run, pair: tuple) -> None:
        generate = (
            "generate",
            *pair,
            "--prompt",
            "Once",
            "--max-tokens",
            4,
            "--dtype",
            "fp32",
            "--clamp",
            "3=200",
            "--json",
        )
        assert run(*generate)["tokens"] == run(*generate, "--hook", "resid_pre.16")["tokens"]
