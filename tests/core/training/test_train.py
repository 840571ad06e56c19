"""A whole small training on the demo model, its figures against plain transformers, and going on after a stop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from semascope import paths
from semascope.core.errors import UserError
from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.models.open import open_model
from semascope.core.progress import drive
from semascope.core.saes import open_sae
from semascope.core.training.train import TrainResult, TrainSettings, train

LAYER = 7
SETTINGS = TrainSettings(HookPoint("resid_post", LAYER), features=256, k=8, tokens=80_000, context=64, batch=256)


@pytest.fixture(scope="module")
def model(demo_model_path: Path) -> LanguageModel:
    return open_model(demo_model_path, device="cpu", dtype="fp32")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    """Plain texts of the demo's corpus sample: some to learn from, some held out."""
    lines = (paths.demo_dir() / "corpus" / "sample.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [line for line in lines if "text" in json.loads(line)]
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "train.jsonl").write_text("\n".join(texts[:24]), encoding="utf-8")
    (folder / "held.jsonl").write_text("\n".join(texts[24:29]), encoding="utf-8")
    return [folder / "train.jsonl"], [folder / "held.jsonl"]


@pytest.fixture(scope="module")
def trained(
    model: LanguageModel, corpus: tuple[list[Path], list[Path]], tmp_path_factory: pytest.TempPathFactory
) -> TrainResult:
    out = tmp_path_factory.mktemp("trained") / "sae"
    return drive(train(model, corpus[0], out, SETTINGS, held_out=corpus[1]))


def test_the_result_is_a_jumprelu_folder_with_unit_rows_that_says_what_it_is(trained: TrainResult) -> None:
    sae = open_sae(trained.out)
    assert (sae.config.architecture, sae.config.hook_point) == ("jumprelu", SETTINGS.hook)
    assert torch.allclose(sae.decoder_norms(), torch.ones(256), atol=1e-5)
    facts = json.loads((trained.out / "cfg.json").read_text())["metadata"]
    assert facts["training_architecture"] == "batchtopk"
    assert facts["semascope"]["tokens"] == trained.tokens >= 80_000
    assert facts["semascope"]["held_out"]["fvu"] == trained.quality.fvu
    assert not trained.out.with_name("sae.partial").exists()


def test_quality_is_that_of_an_independent_computation(
    trained: TrainResult, corpus: tuple[list[Path], list[Path]], demo_model_path: Path
) -> None:
    """FVU, L0 and the clean and spliced losses with plain transformers, one short context at a time."""
    tokenizer = AutoTokenizer.from_pretrained(demo_model_path)
    plain = AutoModelForCausalLM.from_pretrained(demo_model_path, dtype=torch.float32)
    sae = open_sae(trained.out)
    median = json.loads((trained.out / "cfg.json").read_text())["metadata"]["semascope"]["median_norm"]
    rows, l0, losses = [], [], np.zeros(3)
    for line in corpus[1][0].read_text(encoding="utf-8").splitlines():
        ids = tokenizer(json.loads(line)["text"])["input_ids"]
        for at in range(0, len(ids), 64):
            chunk = torch.tensor([ids[at : at + 64]])
            with torch.no_grad():
                out = plain(chunk, output_hidden_states=True)
            x = out.hidden_states[LAYER + 1][0]
            kept = x.norm(dim=-1) <= 4 * median
            x_hat = sae.decode(sae.encode(x))
            rows.append((x[kept], x_hat[kept]))
            l0.append((sae.encode(x[kept]) > 0).sum(dim=-1).float())
            if chunk.shape[1] < 2:
                continue
            spliced = torch.where(kept[:, None], x_hat, x)[None]
            handle = plain.model.layers[LAYER].register_forward_hook(lambda *_, spliced=spliced: spliced)
            with torch.no_grad():
                steered = plain(chunk)
            handle.remove()
            for i, logits in enumerate((out.logits, steered.logits)):
                losses[i] += float(torch.nn.functional.cross_entropy(logits[0, :-1], chunk[0, 1:], reduction="sum"))
            losses[2] += chunk.shape[1] - 1
    x, x_hat = (torch.cat(parts).double() for parts in zip(*rows, strict=True))
    fvu = float((x - x_hat).square().sum() / (x - x.mean(dim=0)).square().sum())
    quality = trained.quality
    assert quality.tokens == len(x)
    assert quality.fvu == pytest.approx(fvu, rel=1e-3)
    assert quality.l0 == pytest.approx(float(torch.cat(l0).mean()), rel=1e-3)
    assert quality.loss_clean == pytest.approx(losses[0] / losses[2], rel=1e-3)
    assert quality.loss_spliced == pytest.approx(losses[1] / losses[2], rel=1e-3)
    assert 0 < quality.fvu < 1
    assert quality.loss_clean < quality.loss_spliced < quality.loss_ablated


def test_a_cancelled_training_goes_on_to_the_same_result(
    model: LanguageModel, corpus: tuple[list[Path], list[Path]], trained: TrainResult, tmp_path: Path
) -> None:
    out = tmp_path / "sae"
    job = train(model, corpus[0], out, SETTINGS, held_out=corpus[1])
    stopped_at = next(progress.done for progress in job if progress.note == "learning")
    job.close()
    assert 0 < stopped_at < 80_000
    assert not out.exists()
    assert (tmp_path / "sae.partial" / "checkpoint.safetensors").is_file()
    drive(train(model, corpus[0], out, SETTINGS, held_out=corpus[1], resume=True))
    one, two = open_sae(trained.out), open_sae(out)
    assert torch.equal(one.W_dec, two.W_dec)
    assert torch.equal(one.W_enc, two.W_enc)


def test_work_of_another_training_is_not_gone_on_with(
    model: LanguageModel, corpus: tuple[list[Path], list[Path]], tmp_path: Path
) -> None:
    work = tmp_path / "sae.partial"
    work.mkdir()
    (work / "about.json").write_text("{}")
    with pytest.raises(UserError, match="another training"):
        next(train(model, corpus[0], tmp_path / "sae", SETTINGS, resume=True))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"k": 300}, "at least k"),
        ({"architecture": "relu"}, "can't be learned"),
        ({"context": 1}, "context must have"),
        ({"hook": HookPoint("resid_post", 99)}, "no layer 99"),
        ({"features": 10**9}, "of memory"),
    ],
)
def test_impossible_settings_end_in_a_sentence(
    model: LanguageModel, tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    settings = TrainSettings(**{"hook": SETTINGS.hook, "features": 64, **change})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=sentence):
        next(train(model, [tmp_path], tmp_path / "sae", settings))


def test_what_exists_is_not_overwritten(model: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "sae").mkdir()
    (tmp_path / "sae" / "mine.txt").write_text("precious")
    with pytest.raises(UserError, match="exists already"):
        next(train(model, [tmp_path], tmp_path / "sae", SETTINGS))
    assert (tmp_path / "sae" / "mine.txt").read_text() == "precious"
