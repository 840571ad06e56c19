"""Several SAEs at once behind the engine's requests: opened, used by name, read otherwise, checked, closed; on the demo model."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semascope.core.errors import UserError
from semascope.core.models import device
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.checked import Check
from semascope.core.saes.kept import KeptReading
from semascope.core.saes.reading import Reading
from semascope.core.steering.edits import Edit
from semascope.jobs.engine import Engine
from semascope.jobs.infos import SAEInfo
from semascope.jobs.requests import (
    Answers,
    CheckSAE,
    Close,
    Describe,
    Generate,
    OpenModel,
    OpenSAE,
    PromptFeatures,
    Request,
    RereadSAE,
    RunHarvest,
    UseSAE,
)

TEXT = "The bridge crosses the bay, and the river flows through the town."


def run(engine: Engine, request: Request) -> Any:
    job: Generator[Any, None, Any] = engine.start(request)
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


@pytest.fixture(scope="module")
def third_sae_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transcoder of random numbers, from mlp_in.3 to mlp_out.3."""
    import torch

    from semascope.core.saes.save import write_saelens

    folder = tmp_path_factory.mktemp("sae") / "third"
    torch.manual_seed(0)
    write_saelens(
        folder,
        {
            "W_enc": torch.randn(576, 64) / 24,
            "b_enc": torch.zeros(64),
            "W_dec": torch.randn(64, 576) / 24,
            "b_dec": torch.zeros(576),
        },
        architecture="transcoder",
        hook_point=HookPoint.parse("mlp_in.3"),
        hook_out=HookPoint.parse("mlp_out.3"),
        model_name="demo",
        metadata={"prepend_bos": False, "context_size": 128},
    )
    return folder


@pytest.fixture(scope="module")
def paths(small_sae_path: Path, early_sae_path: Path, third_sae_path: Path) -> dict[str, Path]:
    return {"small": small_sae_path, "early": early_sae_path, "third": third_sae_path}


@pytest.fixture(scope="module")
def loaded(demo_model_path: Path) -> Iterator[Engine]:
    engine = Engine()
    engine.handle(OpenModel(demo_model_path, device="cpu", dtype="fp32"))
    yield engine
    engine.handle(Close())


@pytest.fixture
def engine(loaded: Engine) -> Iterator[Engine]:
    yield loaded
    loaded.handle(Close(model=False))


@pytest.fixture
def three(engine: Engine, paths: dict[str, Path]) -> dict[str, SAEInfo]:
    """All three open, in this order."""
    return {name: engine.handle(OpenSAE(path)) for name, path in paths.items()}


def test_three_are_open_side_by_side_and_the_newest_is_current(engine: Engine, three: dict[str, SAEInfo]) -> None:
    told = engine.handle(Describe())
    assert told.saes == tuple(three.values())
    assert told.sae == three["third"]
    assert [(info.hook_point, info.hook_out, info.features) for info in told.saes] == [
        ("resid_post.15", "resid_post.15", 512),
        ("resid_post.7", "resid_post.7", 256),
        ("mlp_in.3", "mlp_out.3", 64),
    ]
    third = three["third"]
    assert (third.kind, third.reads, third.writes, third.activation) == (
        "transcoder",
        ("mlp_in.3",),
        ("mlp_out.3",),
        "relu",
    )
    assert (third.dtype, third.computes_in, third.mapped, third.encoders) == ("float32", "float32", False, 1)
    assert 2 * 64 * 576 * 4 <= third.bytes < 3 * 64 * 576 * 4


def test_each_request_says_which_and_the_current_one_is_meant_otherwise(
    engine: Engine, three: dict[str, SAEInfo]
) -> None:
    def read(sae: str = "") -> dict[str, list[float]]:
        found = engine.handle(PromptFeatures(text=TEXT, sae=sae))
        return {"features": found.features.tolist(), "values": found.values.tolist()}

    by_name = {name: read(info.fingerprint) for name, info in three.items()}
    assert len({str(found) for found in by_name.values()}) == 3
    assert max(by_name["small"]["features"]) >= 256 > max(by_name["early"]["features"]) >= 64
    assert read() == by_name["third"]
    assert engine.handle(UseSAE(three["early"].fingerprint)) == three["early"]
    assert read() == by_name["early"]
    assert engine.handle(UseSAE("")) is None
    with pytest.raises(UserError, match="No SAE is open"):
        read()
    with pytest.raises(UserError, match="not open any more"):
        engine.handle(UseSAE("sha256:nobody"))


def test_steering_and_harvests_use_the_one_that_is_named(
    engine: Engine, three: dict[str, SAEInfo], tmp_path: Path
) -> None:
    from semascope.core.harvest.store import Harvest

    early = three["early"].fingerprint
    request = Generate("Hello", (Edit(3, "clamp", 200.0),), max_tokens=4, temperature=0.0, chat=False, sae=early)
    named: Answers = run(engine, request)
    unnamed: Answers = run(engine, replace(request, sae=""))  # feature 3 of the transcoder
    assert named.baseline.text == unnamed.baseline.text
    assert named.steered.text != unnamed.steered.text
    assert not np.array_equal(named.baseline_activations, unnamed.baseline_activations)
    corpus = tmp_path / "notes.txt"
    corpus.write_text(TEXT * 10)
    job = engine.start(RunHarvest((corpus,), tmp_path / "out", context=32, sae=early))
    next(job)
    engine.handle(UseSAE(three["small"].fingerprint))  # a switch does not reach what runs
    engine.handle(Close(model=False, fingerprint=early))  # nor does closing it
    for _ in job:
        pass
    harvest = Harvest.open(tmp_path / "out")
    assert (harvest.features, str(harvest.hooks[0]), harvest.info["sae"]["sha256"]) == (256, "resid_post.7", early)
    assert (harvest.info["sae"]["kind"], harvest.info["sae"]["encoders"]) == ("sae", 1)
    harvest.close()


def test_closing_one_leaves_the_others(engine: Engine, three: dict[str, SAEInfo]) -> None:
    told = engine.handle(Close(model=False, fingerprint=three["third"].fingerprint))
    assert told.model is not None
    assert (told.saes, told.sae) == ((three["small"], three["early"]), three["early"])
    assert engine.handle(Close(model=False, fingerprint="sha256:nobody")).saes == told.saes
    assert engine.handle(Close(model=False)).saes == ()


def test_opened_again_it_takes_its_own_place_and_beside_nothing_changes(
    engine: Engine, three: dict[str, SAEInfo], paths: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy of small"
    shutil.copytree(paths["small"], copy)
    again = engine.handle(OpenSAE(copy, dtype="bfloat16", use=False))
    assert (again.fingerprint, again.path, again.computes_in) == (three["small"].fingerprint, copy, "bfloat16")
    assert again.bytes < three["small"].bytes
    told = engine.handle(Describe())
    assert (told.saes, told.sae) == ((again, three["early"], three["third"]), three["third"])


def test_one_is_read_otherwise_without_loading_and_back(engine: Engine, paths: dict[str, Path]) -> None:
    info = engine.handle(OpenSAE(paths["small"]))
    held = engine._saes.named("")
    assert engine._model is not None
    before = engine.handle(PromptFeatures(text=TEXT)).values
    reading = Reading(hooks=(HookPoint("resid_post", 14),), scale=0.5)
    other = engine.handle(RereadSAE(info.fingerprint, reading))
    assert (other.hook_point, other.hook_out, other.scale, other.reading) == (
        "resid_post.14",
        "resid_post.14",
        0.5,
        reading,
    )
    assert engine._saes.named("").sae.W_dec is held.sae.W_dec
    assert not np.array_equal(engine.handle(PromptFeatures(text=TEXT)).values, before)
    # Each reading is whole by itself.
    assert engine.handle(RereadSAE(info.fingerprint, Reading(scale=0.5))).hook_point == "resid_post.15"
    assert engine.handle(RereadSAE(info.fingerprint, Reading())) == info
    assert np.array_equal(engine.handle(PromptFeatures(text=TEXT)).values, before)
    with pytest.raises(UserError, match="layer 99"):
        engine.handle(RereadSAE(info.fingerprint, Reading(hooks=(HookPoint("resid_post", 99),))))
    assert engine.handle(Describe()).sae == info


def test_what_was_chosen_before_holds_at_the_next_opening_and_is_said(engine: Engine, paths: dict[str, Path]) -> None:
    mark = engine.handle(OpenSAE(paths["small"])).fingerprint
    kept = {mark: KeptReading(Reading(hooks=(HookPoint("resid_pre", 8),), processing="centred"), None, "2026-11-20")}
    info = engine.handle(OpenSAE(paths["small"], kept=kept))
    assert (info.hook_point, info.processing) == ("resid_pre.8", "centred")
    assert info.notes[0].startswith("Read at resid_pre.8, centred, as chosen on 2026-11-20")
    said = engine.handle(OpenSAE(paths["small"], reading=Reading(scale=2.0), kept=kept))
    assert (said.hook_point, said.scale) == ("resid_post.15", 2.0), "what is asked for now goes first"
    as_filed = engine.handle(OpenSAE(paths["small"], kept={mark: KeptReading(Reading(), None, "2026-11-20")}))
    assert (as_filed.hook_point, as_filed.notes) == ("resid_post.15", info.notes[1:])


def test_a_choice_that_fits_another_model_only_is_no_reason_to_refuse(engine: Engine, paths: dict[str, Path]) -> None:
    mark = engine.handle(OpenSAE(paths["small"])).fingerprint
    kept = {mark: KeptReading(Reading(hooks=(HookPoint("resid_pre", 60),)), None, "2026-11-20")}
    info = engine.handle(OpenSAE(paths["small"], kept=kept))
    assert info.hook_point == "resid_post.15"
    assert "resid_pre.60" in info.notes[0]


def test_a_check_is_of_the_one_that_is_named(
    engine: Engine, three: dict[str, SAEInfo], small_corpus_path: Path
) -> None:
    check: Check = run(
        engine, CheckSAE(three["early"].fingerprint, (small_corpus_path,), tokens=600, alternatives=False)
    )
    assert 2 < check.l0 < 10, "each of 256 features lets 2 % of the tokens through"
    assert (check.reading, check.model) == (Reading(), "SmolLM2-135M-Instruct")
    other: Check = run(
        engine, CheckSAE(three["third"].fingerprint, (small_corpus_path,), tokens=600, alternatives=False)
    )
    assert other.l0 > 20, "half of 64 random features fire"
    with pytest.raises(UserError, match="not open any more"):
        run(engine, CheckSAE("sha256:nobody", (small_corpus_path,)))


def test_one_that_would_not_fit_in_memory_is_refused_before_it_is_loaded(
    engine: Engine, paths: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = engine.handle(OpenSAE(paths["small"]))
    needed = 256 * 576 * 2 * 4
    monkeypatch.setattr(device, "free_bytes", lambda kind: needed // 2)
    loaded: list[object] = []
    monkeypatch.setattr("semascope.core.saes.opening.open_sae", lambda *_, **__: loaded.append(1))
    with pytest.raises(UserError, match=r"256 features needs 0\.0 GB of memory; 0\.0 GB are free") as refused:
        engine.handle(OpenSAE(paths["early"], mapped=False))
    assert "bfloat16" in refused.value.hint
    assert (engine.handle(Describe()).saes, loaded) == ((small,), [])
    monkeypatch.undo()
    monkeypatch.setattr(device, "free_bytes", lambda kind: 3 * needed // 4)
    assert engine.handle(OpenSAE(paths["early"], dtype="bf16", mapped=False)).computes_in == "bfloat16"
    monkeypatch.setattr(device, "free_bytes", lambda kind: 0)
    assert engine.handle(OpenSAE(paths["small"], mapped=False)) == small, "what it replaces makes room for it"


def test_a_model_keeps_those_that_fit_and_the_others_are_closed(
    loaded: Engine, engine: Engine, three: dict[str, SAEInfo], demo_model_path: Path, tmp_path: Path
) -> None:
    small = tmp_path / "ten layers"
    shallow(demo_model_path, small, layers=10)
    engine.handle(OpenModel(small, device="cpu", dtype="fp32"))
    told = engine.handle(Describe())
    assert [info.hook_point for info in told.saes] == ["resid_post.7", "mlp_in.3"]
    assert told.sae is not None
    assert told.sae.hook_point == "mlp_in.3"
    engine.handle(OpenModel(demo_model_path, device="cpu", dtype="fp32"))
    assert engine.handle(Describe()).saes == told.saes


def shallow(model: Path, folder: Path, layers: int) -> None:
    """The first layers of a model, as a model of its own."""
    import json

    from safetensors.torch import load_file, save_file

    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.partial"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": layers}))
    tensors = load_file(model / "model.safetensors")
    kept = {
        name: tensor
        for name, tensor in tensors.items()
        if not name.startswith("model.layers.") or int(name.split(".")[2]) < layers
    }
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def test_one_without_a_hook_point_opens_beside_a_model_and_is_used_once_it_has_one(
    engine: Engine, paths: dict[str, Path], tmp_path: Path
) -> None:
    import json

    nowhere = tmp_path / "nowhere"
    shutil.copytree(paths["early"], nowhere)
    config = json.loads((nowhere / "cfg.json").read_text())
    for place in (config, config.get("metadata", {})):
        place.pop("hook_name", None)
    (nowhere / "cfg.json").write_text(json.dumps(config))
    info = engine.handle(OpenSAE(nowhere))
    assert (info.reads, info.hook_point) == ((), "")
    assert any("hook point" in problem for problem in info.problems)
    with pytest.raises(UserError):
        engine.handle(PromptFeatures(text=TEXT))
    placed = engine.handle(RereadSAE(info.fingerprint, Reading(hooks=(HookPoint("resid_post", 7),))))
    assert (placed.hook_point, placed.problems) == ("resid_post.7", ())
    assert engine.handle(PromptFeatures(text=TEXT)).features.max() < 256
