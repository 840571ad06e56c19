"""What can't be harvested, and where a harvest can't go: one sentence each, and nothing left under the final name."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from semascope.core.errors import UserError
from semascope.core.harvest.run import harvest
from semascope.core.harvest.store import Harvest
from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.saes import open_sae
from semascope.core.saes.sae import SAE
from semascope.core.saes.save import write_saelens
from tests.core.harvest.conftest import Run, assert_identical


def write(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def test_empty_corpus(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no text"):
        run(tmp_path / "h", corpus=write(tmp_path / "c.jsonl", []))
    assert not (tmp_path / "h").exists()
    assert not (tmp_path / "h.partial").exists()


def test_only_special_tokens(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="special"):
        run(tmp_path / "h", corpus=write(tmp_path / "c.jsonl", ["<|im_start|><|im_end|>"]))


def test_corpus_shorter_than_a_context(run: Run, tmp_path: Path) -> None:
    summary = run(tmp_path / "h", corpus=write(tmp_path / "c.jsonl", ["The bridge is red."]))
    assert summary.contexts == 1
    assert summary.tokens + summary.excluded["sinks"] == 5
    stored = Harvest.open(tmp_path / "h")
    some = [example for feature in range(stored.features) for example in stored.examples(feature)]
    assert some
    assert all("".join(example.tokens) == "The bridge is red." for example in some)


def test_documents_of_one_token(run: Run, tmp_path: Path) -> None:
    summary = run(tmp_path / "h", corpus=write(tmp_path / "c.jsonl", ["dog", "cat", "The", "is", " bridge"]))
    assert summary.contexts == 5
    assert summary.tokens == 5  # all are first tokens, so none stands out


def test_an_existing_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "h").mkdir()
    (tmp_path / "h" / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="exists already"):
        run(tmp_path / "h")
    assert (tmp_path / "h" / "mine.txt").read_text() == "keep"


def test_a_partial_folder_of_someone_else(run: Run, tmp_path: Path) -> None:
    (tmp_path / "h.partial").mkdir()
    (tmp_path / "h.partial" / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="no unfinished harvest"):
        run(tmp_path / "h", resume=True)
    assert (tmp_path / "h.partial" / "mine.txt").read_text() == "keep"


def test_two_at_once(
    models: dict[str, LanguageModel], sae: SAE, small_corpus_path: Path, run: Run, tmp_path: Path
) -> None:
    first = harvest(models["bf16"], sae, [small_corpus_path], tmp_path / "h", tokens=300)
    next(first)
    with pytest.raises(UserError, match="Another process"):
        run(tmp_path / "h", tokens=300)
    for _ in first:
        pass
    assert Harvest.open(tmp_path / "h").features == 512


def test_an_empty_folder_is_used(run: Run, tmp_path: Path) -> None:
    (tmp_path / "h").mkdir()
    run(tmp_path / "h", tokens=200)
    assert Harvest.open(tmp_path / "h").features == 512


def test_an_sae_of_another_width(models: dict[str, LanguageModel], small_corpus_path: Path, tmp_path: Path) -> None:
    tensors = {
        "W_enc": torch.zeros(64, 8),
        "b_enc": torch.zeros(8),
        "W_dec": torch.zeros(8, 64),
        "b_dec": torch.zeros(64),
    }
    write_saelens(
        tmp_path / "s",
        tensors,
        architecture="standard",
        hook_point=HookPoint("resid_post", 3),
        model_name="",
        metadata={},
    )
    with pytest.raises(UserError, match="width 64"):
        next(harvest(models["bf16"], open_sae(tmp_path / "s"), [small_corpus_path], tmp_path / "h"))


@pytest.mark.parametrize("options", [{"context": 1}, {"context": 10**6}, {"tokens": 0}, {"batch_tokens": 0}])
def test_impossible_settings(run: Run, tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(UserError):
        run(tmp_path / "h", **options)
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: the operating system's own refusal, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_room_for_the_scratch_files(run: Run, tmp_path: Path) -> None:
    with files_up_to(1 << 20), pytest.raises(UserError, match="Could not write the harvest"):
        run(tmp_path / "h", tokens=400)
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_the_result(
    models: dict[str, LanguageModel], sae: SAE, small_corpus_path: Path, run: Run, tmp_path: Path
) -> None:
    job = harvest(models["bf16"], sae, [small_corpus_path], tmp_path / "h", tokens=400)
    while "writing" not in next(job).note:
        pass
    with files_up_to(100 << 10), pytest.raises(UserError, match="Could not write the harvest"):
        for _ in job:
            pass
    assert not (tmp_path / "h").exists()
    run(tmp_path / "h", tokens=400, resume=True)
    run(tmp_path / "straight", tokens=400)
    assert_identical(tmp_path / "h", tmp_path / "straight")


def test_too_little_disk_is_told_before_the_start(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6))  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="of disk"):
        run(tmp_path / "h")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(run: Run, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(UserError, match="no permission"):
        run(tmp_path / "locked" / "h")
