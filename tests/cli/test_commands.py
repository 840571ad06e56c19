"""Every command's document, on the real demo model, a small SAE and its harvest; and every wrong input in one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PROMPT = "Tell me about your day."
Run = Callable[..., Any]


# --- what each command gives --------------------------------------------------------------------------------------


def test_demo_prints_where_its_parts_are(run: Run, demo_model_path: Path) -> None:
    parts = run("demo", "--json")
    assert set(parts) == {"model", "sae", "harvest", "corpus", "session", "image_model", "image_sae"}
    assert parts["model"] == str(demo_model_path.resolve())
    assert all(value is None or (Path(value).is_absolute() and Path(value).exists()) for value in parts.values())


def test_identify_tells_kinds_apart(
    run: Run, demo_model_path: Path, small_sae_path: Path, small_harvest_path: Path, tmp_path: Path
) -> None:
    found = run("identify", demo_model_path, small_sae_path, small_harvest_path, tmp_path, "--json")
    assert [about["kind"] for about in found] == ["model", "sae", "harvest", "unknown"]
    assert (found[0]["architecture"], found[0]["layers"], found[0]["multimodal"]) == ("LlamaForCausalLM", 30, False)
    assert (found[1]["hook_point"], found[1]["d_in"], found[1]["d_sae"]) == ("resid_post.15", 576, 512)
    assert all(isinstance(about["problems"], list) for about in found)
    assert "hook point: resid_post.15" in run("identify", small_sae_path)


def test_features_are_listed_searched_and_ordered(run: Run, small_harvest_path: Path) -> None:
    everything = run("features", small_harvest_path, "--limit", 0, "--json")
    assert everything["total"] == len(everything["features"]) == 512
    assert set(everything["features"][0]) == {"id", "label", "density", "max", "top_tokens"}
    densities = [row["density"] for row in everything["features"]]
    assert densities == sorted(densities, reverse=True)
    bridges = run("features", small_harvest_path, "--text", "bridge", "--sort", "max", "--json")
    assert 0 < bridges["total"] < 512
    assert all(any("bridge" in token.casefold() for token in row["top_tokens"]) for row in bridges["features"])
    strong = run("features", small_harvest_path, "--where", "max>100", "--limit", 3, "--json")
    assert all(row["max"] > 100 for row in strong["features"])
    near = run("features", small_harvest_path, "--like", 12, "--json")["features"]
    assert near[0]["cosine"] >= near[-1]["cosine"]
    assert "512 features" in run("features", small_harvest_path)


def test_one_feature_is_read(run: Run, small_harvest_path: Path) -> None:
    record = run("feature", small_harvest_path, 12, "--json")
    assert {"id", "label", "density", "max", "mean", "histogram", "examples", "logits", "neighbours"} <= set(record)
    for example in record["examples"]:
        assert len(example["tokens"]) == len(example["activations"])
        assert example["activations"][example["position"]] == pytest.approx(example["activation"], rel=2e-3)
    text = run("feature", small_harvest_path, 12)
    assert text.startswith("feature 12")
    assert "makes more likely" in text


def test_activations_of_a_text_and_of_a_file(run: Run, pair: tuple[object, ...], tmp_path: Path) -> None:
    text = "The Golden Gate Bridge is in San Francisco."
    found = run("activations", *pair, "--text", text, "--top", 4, "--json")
    assert "".join(found["tokens"]) == text
    assert len(found["features"]) == 4
    for row in found["features"]:
        assert row["activations"][row["position"]] == row["max"]
    file = tmp_path / "text.txt"
    file.write_text(text, encoding="utf-8")
    chosen = run("activations", *pair, "--text-file", file, "--feature", 9, "3", "--feature", 4, "--json")
    assert [row["id"] for row in chosen["features"]] == [9, 3, 4]
    assert "·Bridge" in run("activations", *pair, "--text", text, "--top", 20)


def test_generate_gives_both_texts(run: Run, pair: tuple[object, ...]) -> None:
    greedy = ("generate", *pair, "--dtype", "fp32", "--prompt", PROMPT, "--chat", "--max-tokens", 12, "--json")
    plain = run(*greedy)
    assert plain["text"] == plain["baseline_text"] == "".join(plain["tokens"])
    assert plain["clamps"] == {}
    steered = run(*greedy, "--clamp", "3=200", "12=0", "--scale", "7=2", "--ablate", "9", "--add", "11=5")
    assert steered["baseline_text"] == plain["text"]
    assert steered["text"] != plain["text"]
    assert steered["clamps"] == {"3": 200.0, "12": 0.0}
    assert [(e["feature"], e["mode"]) for e in steered["edits"]] == [
        (3, "clamp"), (12, "clamp"), (7, "scale"), (9, "ablate"), (11, "add")
    ]  # fmt: skip
    assert len(steered["logprobs"]) == len(steered["tokens"]) == 12


def test_generate_prints_both_texts(run: Run, pair: tuple[object, ...]) -> None:
    text = run("generate", *pair, "--prompt", PROMPT, "--max-tokens", 5, "--clamp", "3=200", "--temperature", 0.8)
    assert text.startswith("baseline\n")
    assert "\n\nsteered\n" in text


def test_harvest_is_the_same_whatever_the_batch(
    run: Run, pair: tuple[object, ...], small_corpus_path: Path, tmp_path: Path
) -> None:
    common = ("harvest", *pair, "--corpus", small_corpus_path, "--tokens", 600, "--context", 32, "--json")
    summaries = [run(*common, "--out", tmp_path / str(n), "--batch-tokens", n) for n in (64, 512)]
    for summary in summaries:
        assert {"tokens", "contexts", "features", "alive", "seconds", "tokens_per_second"} <= set(summary)
    for feature in (0, 100, 511):
        one, other = (run("feature", tmp_path / n, feature, "--json") for n in ("64", "512"))
        assert one == other


def test_train_makes_an_sae_that_opens(
    run: Run, demo_model_path: Path, small_corpus_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sae"
    made = run(
        "train", "--model", demo_model_path, "--hook", "resid_post.3", "--corpus", small_corpus_path, "--features", 64,
        "--k", 8, "--context", 32, "--tokens", 4000, "--out", out, "--json",
    )  # fmt: skip
    assert made["out"] == str(out)
    assert 0 < made["held_out"]["fvu"] < 2
    about = run("identify", out, "--json")[0]
    assert (about["kind"], about["hook_point"], about["d_sae"]) == ("sae", "resid_post.3", 64)


def test_session_tells_what_it_holds(run: Run, tmp_path: Path) -> None:
    from semascope.core.session.file import SessionFile

    file = tmp_path / "mine.semascope"
    SessionFile.create(file).close()
    assert run("session", file, "--json")["pins"] == []
    assert "mine.semascope" in run("session", file)


# --- wrong inputs, one sentence each ------------------------------------------------------------------------------


@pytest.fixture
def wrong(tmp_path: Path, demo_model_path: Path, small_sae_path: Path) -> Path:
    """A folder of things that look like something and are not."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "rubbish.bin").write_bytes(os.urandom(100_000))
    (tmp_path / "rubbish.jsonl").write_bytes(os.urandom(100_000))
    (tmp_path / "tokenless").mkdir()
    for name in ("config.json", "model.safetensors", "generation_config.json"):
        (tmp_path / "tokenless" / name).symlink_to(demo_model_path / name)
    shutil.copytree(small_sae_path, tmp_path / "truncated")
    os.truncate(tmp_path / "truncated" / "sae_weights.safetensors", 100_000)
    shutil.copytree(demo_model_path, tmp_path / "half", ignore=shutil.ignore_patterns("*.safetensors"))
    with (demo_model_path / "model.safetensors").open("rb") as whole:
        (tmp_path / "half" / "model.safetensors").write_bytes(whole.read(1 << 20))
    return tmp_path


OTHER_WIDTH = Path(__file__).parents[1] / "golden" / "sae_lens" / "jumprelu"


def test_models_that_are_none_are_refused(refused: Run, wrong: Path, small_sae_path: Path) -> None:
    for name, words in (
        ("empty", "no config.json"),
        ("tokenless", "no tokenizer"),
        ("half", "half"),
        ("rubbish.bin", "not a model"),
        ("missing", "nothing at"),
    ):
        told = refused("activations", "--model", wrong / name, "--sae", small_sae_path, "--text", "Hello")
        assert words in told


def test_saes_that_are_none_or_fit_nothing_are_refused(refused: Run, wrong: Path, demo_model_path: Path) -> None:
    for path, words in (
        (wrong / "empty", "empty folder"),
        (wrong / "truncated", "truncated"),
        (OTHER_WIDTH, "width 16"),
        (demo_model_path, "not an SAE|SAE"),
        (wrong / "missing", "nothing at"),
    ):
        told = refused("activations", "--model", demo_model_path, "--sae", path, "--text", "Hello")
        assert any(word in told for word in words.split("|"))


def test_corpora_of_rubbish_are_refused_and_leave_nothing(refused: Run, wrong: Path, pair: tuple[object, ...]) -> None:
    for name in ("rubbish.bin", "rubbish.jsonl", "empty", "missing.txt"):
        refused("harvest", *pair, "--corpus", wrong / name, "--out", wrong / "harvest")
        assert not (wrong / "harvest").exists()
    assert "not text" in refused("activations", *pair, "--text-file", wrong / "rubbish.bin")
    assert "does not exist" in refused("activations", *pair, "--text-file", wrong / "missing.txt")


def test_places_that_cannot_be_written_are_refused(
    refused: Run, wrong: Path, pair: tuple[object, ...], small_corpus_path: Path, demo_model_path: Path
) -> None:
    refused("harvest", *pair, "--corpus", small_corpus_path, "--out", wrong / "file" / "harvest")
    train = (
        "train",
        "--model",
        demo_model_path,
        "--hook",
        "resid_post.3",
        "--features",
        64,
        "--corpus",
        small_corpus_path,
    )
    refused(*train, "--out", wrong / "file" / "sae")
    assert (wrong / "file").read_bytes() == b""
    if os.geteuid() != 0:  # root may write anywhere
        wrong.chmod(0o555)
        assert "no permission" in refused("harvest", *pair, "--corpus", small_corpus_path, "--out", wrong / "harvest")
        wrong.chmod(0o755)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_told(
    refused: Run, small_disk: Path, pair: tuple[object, ...], small_corpus_path: Path, demo_model_path: Path
) -> None:
    told = refused("harvest", *pair, "--corpus", small_corpus_path, "--out", small_disk / "harvest")
    assert "disk" in told
    assert not (small_disk / "harvest").exists()
    told = refused(
        "train", "--model", demo_model_path, "--hook", "resid_post.3", "--features", 4096, "--context", 32,
        "--corpus", small_corpus_path, "--out", small_disk / "sae",
    )  # fmt: skip
    assert "disk" in told
    assert not (small_disk / "sae").exists()


def test_harvests_features_and_sessions_that_are_none_are_refused(
    refused: Run, wrong: Path, small_harvest_path: Path
) -> None:
    assert "not a harvest" in refused("features", wrong / "empty")
    assert "no feature 512" in refused("feature", small_harvest_path, 512)
    assert "not a filter" in refused("features", small_harvest_path, "--where", "nonsense")
    assert "not a Semascope session" in refused("session", wrong / "file")


def test_settings_that_make_no_sense_are_refused(
    refused: Run, pair: tuple[object, ...], demo_model_path: Path, small_corpus_path: Path, tmp_path: Path
) -> None:
    generate = ("generate", *pair, "--prompt", "x")
    assert "no feature 512" in refused(*generate, "--clamp", "512=1")
    assert "edited twice" in refused(*generate, "--clamp", "5=1", "--scale", "5=2")
    assert "Temperature" in refused(*generate, "--temperature", "-1")
    assert "not a number format" in refused(*generate, "--dtype", "int4")
    assert "not available" in refused("generate", *pair, "--device", "mars", "--prompt", "x")
    train = (
        "train",
        "--model",
        demo_model_path,
        "--features",
        64,
        "--corpus",
        small_corpus_path,
        "--out",
        tmp_path / "s",
    )
    assert "not a hook point" in refused(*train, "--hook", "here")
    assert "no layer 99" in refused(*train, "--hook", "resid_post.99")
