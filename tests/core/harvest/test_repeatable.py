"""The same harvest again: whatever the batch size, and whether it was interrupted, cancelled or killed in between."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

from semascope.core.errors import UserError
from semascope.core.harvest import passing, sinks, source
from semascope.core.harvest.partial import unfinished
from semascope.core.harvest.run import harvest
from semascope.core.harvest.scratch import ExampleScratch
from semascope.core.harvest.store import Harvest
from semascope.core.models.model import LanguageModel
from semascope.core.saes.sae import SAE
from tests.core.harvest.conftest import Run, assert_identical

OPTIONS = {"context": 32, "tokens": 1500}


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several windows, and the sink rule fixed early, so that little text has everything that much text has."""
    monkeypatch.setattr(source, "WINDOW", 7)
    monkeypatch.setattr(sinks, "ESTIMATED_FROM", 300)


@pytest.fixture(scope="module")
def whole(
    models: dict[str, LanguageModel], sae: SAE, small_corpus_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The uninterrupted harvest."""
    folder = tmp_path_factory.mktemp("whole") / "h"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "WINDOW", 7)
        patch.setattr(sinks, "ESTIMATED_FROM", 300)
        for _ in harvest(models["bf16"], sae, [small_corpus_path], folder, **OPTIONS):
            pass
    return folder


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_batch_size_changes_nothing(run: Run, whole: Path, tmp_path: Path, dtype: str) -> None:
    one = whole if dtype == "bf16" else tmp_path / "one"
    if dtype != "bf16":
        run(one, dtype=dtype, batch_tokens=100, **OPTIONS)
    run(tmp_path / "other", dtype=dtype, batch_tokens=977, **OPTIONS)
    assert_identical(one, tmp_path / "other")


def test_the_limit_is_exact(whole: Path) -> None:
    counts = Harvest.open(whole).info["counts"]
    assert counts["tokens"] + sum(counts["excluded"].values()) == 1500


@pytest.mark.parametrize("after", [600, 1100])
def test_cancelled_and_resumed(
    models: dict[str, LanguageModel],
    sae: SAE,
    small_corpus_path: Path,
    run: Run,
    whole: Path,
    tmp_path: Path,
    after: int,
) -> None:
    out = tmp_path / "h"
    job = harvest(models["bf16"], sae, [small_corpus_path], out, **OPTIONS)
    while next(job).done < after:
        pass
    job.close()
    assert not out.exists()
    assert unfinished(out)
    run(out, resume=True, **OPTIONS)
    assert_identical(whole, out)
    assert list(tmp_path.iterdir()) == [out]


def test_cancelled_before_anything_was_counted(
    models: dict[str, LanguageModel], sae: SAE, small_corpus_path: Path, tmp_path: Path
) -> None:
    job = harvest(models["bf16"], sae, [small_corpus_path], tmp_path / "h", **OPTIONS)
    next(job)
    job.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("checkpoint", [400, 900])
def test_killed_long_after_a_checkpoint(
    models: dict[str, LanguageModel],
    sae: SAE,
    small_corpus_path: Path,
    run: Run,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    checkpoint: int,
) -> None:
    """The last checkpoint is old and the scratch files are newer than it, as `kill -9` leaves them."""
    monkeypatch.setattr(passing, "CHECKPOINT_SECONDS", 0.0)
    out, left = tmp_path / "h", tmp_path / "left"
    job = harvest(models["bf16"], sae, [small_corpus_path], out, **OPTIONS)
    while next(job).done < checkpoint:
        pass
    monkeypatch.setattr(passing, "CHECKPOINT_SECONDS", 1e9)
    while next(job).done < 1400:
        pass
    shutil.copytree(tmp_path / "h.partial", tmp_path / "left.partial")
    job.close()
    run(left, resume=True, **OPTIONS)
    assert_identical(whole, left)


def test_cancelled_while_writing(
    models: dict[str, LanguageModel], sae: SAE, small_corpus_path: Path, run: Run, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "h"
    job = harvest(models["bf16"], sae, [small_corpus_path], out, **OPTIONS)
    while "writing" not in (progress := next(job)).note or progress.done < 30:
        pass
    job.close()
    assert not out.exists()
    run(out, resume=True, **OPTIONS)
    assert_identical(whole, out)


def test_killed_when_only_the_name_was_missing(run: Run, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "h.partial")
    summary = run(tmp_path / "h", resume=True, **OPTIONS)
    assert summary.features == 512
    assert_identical(whole, tmp_path / "h")


@pytest.mark.parametrize("call", [4, 10])
def test_interrupted_in_the_middle_of_a_tile(
    models: dict[str, LanguageModel],
    sae: SAE,
    small_corpus_path: Path,
    run: Run,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: int,
) -> None:
    """Ctrl+C raises wherever the program happens to be, here between the top examples and their windows."""
    monkeypatch.setattr(passing, "CHECKPOINT_SECONDS", 0.0)
    store = ExampleScratch.store
    calls = itertools.count()

    def interrupted(self: ExampleScratch, *columns: np.ndarray) -> None:
        if next(calls) == call:
            raise KeyboardInterrupt
        store(self, *columns)

    with monkeypatch.context() as patch:
        patch.setattr(ExampleScratch, "store", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "h", **OPTIONS)
    assert not (tmp_path / "h").exists()
    run(tmp_path / "h", resume=True, **OPTIONS)
    assert_identical(whole, tmp_path / "h")


def test_resumed_with_other_settings(
    models: dict[str, LanguageModel], sae: SAE, small_corpus_path: Path, run: Run, tmp_path: Path
) -> None:
    job = harvest(models["bf16"], sae, [small_corpus_path], tmp_path / "h", **OPTIONS)
    while next(job).done < 600:
        pass
    job.close()
    with pytest.raises(UserError, match="begun with another seed"):
        run(tmp_path / "h", resume=True, seed=5, **OPTIONS)
    with pytest.raises(UserError, match="unfinished harvest"):
        run(tmp_path / "h", **OPTIONS)
    assert unfinished(tmp_path / "h")


def test_a_damaged_checkpoint(
    models: dict[str, LanguageModel], sae: SAE, small_corpus_path: Path, run: Run, tmp_path: Path
) -> None:
    job = harvest(models["bf16"], sae, [small_corpus_path], tmp_path / "h", **OPTIONS)
    while next(job).done < 600:
        pass
    job.close()
    checkpoint = tmp_path / "h.partial" / "scratch" / "checkpoint.npz"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(UserError, match="damaged"):
        run(tmp_path / "h", resume=True, **OPTIONS)
