"""What an SAE's makers left out counts nowhere: in prompts, contexts, harvests and steering."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from semascope.core.corpus.contexts import cut_contexts
from semascope.core.corpus.readers import Document
from semascope.core.harvest.run import harvest
from semascope.core.harvest.store import Harvest
from semascope.core.masking import Mask
from semascope.core.models.model import LanguageModel
from semascope.core.models.open import open_model
from semascope.core.progress import drive
from semascope.core.prompt import prompt_tokens
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.opening import open_sae
from semascope.core.saes.sae import SAE
from semascope.core.steering.apply import Steering
from semascope.core.steering.edits import parse_edit
from tests.core.saes.make import config

TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not mind."


@pytest.fixture(scope="module")
def model(demo_model_path: Path) -> LanguageModel:
    return open_model(demo_model_path, device="cpu", dtype="fp32")


def masked(sae: SAE, first: int = 0, ids: tuple[int, ...] = ()) -> SAE:
    settings = vars(sae.config) | {"mask_first": first, "mask_ids": ids}
    return sae.reread(SAEConfig(**settings))


def test_the_rule() -> None:
    mask = Mask.of(config(mask_first=2, mask_ids=(7, 9)))
    marks = mask.marks([1, 5, 7, 5, 2, 9], mask.tokens({2}))
    assert marks.tolist() == [True, True, True, False, True, True]
    assert str(mask) == "the first 2 positions and 2 tokens"
    assert not Mask.of(None)
    assert str(Mask(first=1)) == "the first position"
    assert Mask().marks([1, 2], Mask().tokens([])).tolist() == [False, False]


def test_contexts_begin_anew(model: LanguageModel) -> None:
    plain = list(cut_contexts([Document("x", TEXT)], model.codec, 8, False))
    left_out = list(cut_contexts([Document("x", TEXT)], model.codec, 8, False, Mask(first=3)))
    assert len(left_out) > 1
    for with_all, with_some in zip(plain, left_out, strict=True):
        np.testing.assert_array_equal(with_all.ids, with_some.ids)
        np.testing.assert_array_equal(with_some.special[3:], with_all.special[3:])
        assert with_some.special[:3].all()


def test_a_prompt_says_which_tokens_were_left_out(model: LanguageModel, small_sae_path: Path) -> None:
    sae = open_sae(small_sae_path, device="cpu")
    plain = prompt_tokens(model, sae, TEXT)
    fourth = plain.ids[3]
    tokens = prompt_tokens(model, masked(sae, 2, (fourth,)), TEXT)
    assert tokens.ids == plain.ids
    assert [i for i, special in enumerate(tokens.special) if special] == [0, 1, 3]


def test_steering_leaves_them_alone(model: LanguageModel, small_sae_path: Path) -> None:
    sae = masked(open_sae(small_sae_path, device="cpu"), 4)
    tokens = prompt_tokens(model, sae, TEXT)
    ids, hook = torch.tensor([tokens.ids]), sae.config.reads
    before = model.run_to(hook, ids)
    steering = Steering(sae, [parse_edit("5=300", "clamp")])
    steering.aim(tokens.special, [False] * len(tokens))
    after = steering(before)
    assert after is not None
    changed = (after != before).any(dim=-1)[0]
    assert not changed[:4].any()
    assert changed[4:].all()


def test_a_harvest_of_the_rest(
    model: LanguageModel, small_sae_path: Path, small_corpus_path: Path, tmp_path: Path
) -> None:
    sae = open_sae(small_sae_path, device="cpu")
    drive(harvest(model, masked(sae, 5), [small_corpus_path], tmp_path / "h", tokens=800, context=64))
    info = Harvest.open(tmp_path / "h").info
    assert info["sae"]["read"]["mask_first"] == 5
    assert info["sae"]["read"]["hooks"] == "resid_post.15"
    counts = info["counts"]
    short = counts["excluded"]["special"]
    assert 0 < 5 * (counts["contexts"] - 2) <= short <= 5 * counts["contexts"]
    assert counts["tokens"] + short + counts["excluded"]["sinks"] == 800
