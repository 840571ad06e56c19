"""The self-check on real SAEs of tiny models: rightly read ones pass, damaged readings are found out and put right."""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path

import pytest
import torch
import transformers as tf
from torch import Tensor

from semascope import paths
from semascope.core.errors import UserError
from semascope.core.models.hookpoint import HookPoint, parse_hooks
from semascope.core.models.model import LanguageModel
from semascope.core.models.open import open_model
from semascope.core.models.text import TextCodec
from semascope.core.progress import drive
from semascope.core.saes.check import self_check
from semascope.core.saes.checked import Check
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.layered import LayeredSAE
from semascope.core.saes.opening import open_sae
from semascope.core.saes.reading import Reading
from semascope.core.saes.sae import SAE
from tests.core.models.families import language_model, tokenizer
from tests.core.saes.golden import GOLDEN
from tests.core.saes.make_layers import config as layered_config
from tests.core.saes.make_layers import layered
from tests.core.saes.trained import FEATURES, activations, as_crosscoder, as_layers, learn, sae, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "words.jsonl")


@pytest.fixture(scope="module")
def gpt2() -> LanguageModel:
    """A GPT-2 whose residual stream has a mean that differs from token to token, as a trained one's has."""
    model = language_model("gpt2")
    torch.manual_seed(1)
    embedding = model.module.transformer.wte.weight
    embedding.add_(torch.randn(len(embedding), 1))
    return model


@pytest.fixture(scope="module")
def llama() -> LanguageModel:
    return language_model("llama")


@pytest.fixture(scope="module")
def x(gpt2: LanguageModel, corpus: Path) -> Tensor:
    return activations(gpt2, "resid_post.0", corpus)


@pytest.fixture(scope="module")
def plain(x: Tensor) -> dict[str, Tensor]:
    return learn(x)


def narrow_model() -> LanguageModel:
    """As wide and deep as the fixtures are."""
    torch.manual_seed(0)
    settings = {"vocab_size": 320, "hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
    config = tf.LlamaConfig(**settings, intermediate_size=24, max_position_embeddings=64, initializer_range=0.5)
    return LanguageModel(tf.LlamaForCausalLM(config).eval(), TextCodec(tokenizer(), [1]), Path("narrow"), "sha256:1")


def check(model: LanguageModel, one: SAE, corpus: Path, **how: object) -> Check:
    found: Check = drive(self_check(model, one, [corpus], **how))  # type: ignore[arg-type]
    again = Check.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert again.verdict == found.verdict
    return found


def apply(one: SAE, found: Check) -> SAE:
    """What one click does."""
    assert found.recommended is not None
    return one.reread(found.recommended.apply(one.config))


def test_a_right_one(gpt2: LanguageModel, corpus: Path, plain: dict[str, Tensor]) -> None:
    found = check(gpt2, sae(plain, "resid_post.0"), corpus)
    assert found.verdict == "plausible"
    assert found.alternatives == ()
    assert found.recommended is None
    assert found.tokens == 4096
    assert (found.corpus, found.model) == ("words.jsonl", "tiny")
    assert "as its files say" in found.sentences[0]


def test_the_figures(gpt2: LanguageModel, corpus: Path, plain: dict[str, Tensor]) -> None:
    """Against the definitions, computed plainly."""
    one = sae(plain, "resid_post.0")
    found = check(gpt2, one, corpus, tokens=10**6)
    texts = (gpt2.codec.encode(json.loads(line)["text"]).ids for line in corpus.read_text().splitlines())
    contexts = [ids[at : at + gpt2.context] for ids in texts for at in range(0, len(ids), gpt2.context)]
    rows = [gpt2.run_to(HookPoint("resid_post", 0), torch.tensor([ids]))[0] for ids in contexts]
    x = torch.cat(rows)
    norms = x.norm(dim=-1)
    x = x[norms <= 4 * norms.median()]
    f = torch.relu((x - plain["b_dec"]) @ plain["W_enc"] + plain["b_enc"])
    x_hat = f @ plain["W_dec"] + plain["b_dec"]
    explained = 1 - (x - x_hat).square().sum() / (x - x.mean(dim=0)).square().sum()
    assert found.tokens == len(x)
    assert found.contexts == len(rows)
    assert found.explained == pytest.approx(float(explained), abs=1e-4)
    assert found.l0 == pytest.approx(float((f > 0).sum(dim=-1).float().mean()), rel=1e-3)
    assert found.dead_share == pytest.approx(float((f == 0).all(dim=0).float().mean()), abs=1e-6)
    assert found.norm == pytest.approx(float(x.norm(dim=-1).median()), rel=1e-5)


def test_centred_and_not_said(gpt2: LanguageModel, corpus: Path, x: Tensor) -> None:
    one = sae(learn(x - x.mean(dim=-1, keepdim=True)), "resid_post.0")
    found = check(gpt2, one, corpus)
    assert found.verdict != "plausible"
    assert found.recommended == Reading(processing="centred")
    assert "with activations mean-centred" in found.sentences[0]
    assert check(gpt2, apply(one, found), corpus).verdict == "plausible"


@pytest.mark.parametrize("scale", [0.2, 0.37, 2.369])
def test_a_scale_that_was_never_folded(gpt2: LanguageModel, corpus: Path, x: Tensor, scale: float) -> None:
    one = sae(learn(x * scale), "resid_post.0", l0=45.0)
    found = check(gpt2, one, corpus)
    assert found.recommended is not None
    assert found.recommended.scale == pytest.approx(scale, rel=0.1)
    assert found.recommended == Reading(scale=found.recommended.scale)
    assert check(gpt2, apply(one, found), corpus).verdict == "plausible"


def test_a_scale_that_was_folded_and_is_applied_again(gpt2: LanguageModel, corpus: Path, plain: dict) -> None:
    found = check(gpt2, sae(plain, "resid_post.0", scale=0.3), corpus)
    assert found.recommended is not None
    assert found.recommended.scale == pytest.approx(1.0, rel=0.1)


def test_the_norm_rescaled_and_not_said(gpt2: LanguageModel, corpus: Path, x: Tensor) -> None:
    one = sae(learn(x * x.shape[-1] ** 0.5 / x.norm(dim=-1, keepdim=True)), "resid_post.0")
    found = check(gpt2, one, corpus)
    assert found.recommended == Reading(normalize="constant_norm_rescale")


@pytest.mark.parametrize(("wrong", "right"), [("resid_pre.1", "resid_post.1"), ("resid_post.1", "resid_pre.1")])
def test_before_or_behind_the_block(gpt2: LanguageModel, corpus: Path, wrong: str, right: str) -> None:
    """Also where they are so alike that three quarters are explained all the same."""
    one = sae(learn(activations(gpt2, right, corpus)), wrong)
    found = check(gpt2, one, corpus)
    assert found.verdict == "doubtful"
    assert found.explained > 0.5
    assert found.recommended == Reading(hooks=parse_hooks(right))
    read = apply(one, found)
    assert read.config.reads == read.config.writes == parse_hooks(right)
    assert check(gpt2, read, corpus).verdict == "plausible"


def test_before_or_behind_the_norm(llama: LanguageModel, corpus: Path) -> None:
    one = sae(learn(activations(llama, "resid_mid.1", corpus)), "mlp_in.1")
    found = check(llama, one, corpus)
    assert found.recommended == Reading(hooks=parse_hooks("resid_mid.1"))


@pytest.mark.parametrize("place", ["resid_post.0", "resid_pre.0", "mlp_out.1", "attn_z.1"])
def test_no_hook_point_at_all(llama: LanguageModel, corpus: Path, place: str) -> None:
    one = sae(learn(activations(llama, place, corpus)), "")
    found = check(llama, one, corpus)
    assert found.verdict == "implausible"
    assert math.isnan(found.explained)
    assert found.recommended is not None
    assert found.recommended.hooks == parse_hooks(place)
    assert place in found.sentences[0]
    assert check(llama, apply(one, found), corpus).verdict == "plausible"


def test_no_hook_point_and_no_such_width(llama: LanguageModel, corpus: Path) -> None:
    found = check(
        llama, sae({"W_enc": torch.randn(7, 9), "W_dec": torch.randn(9, 7), "b_dec": torch.zeros(7)}, ""), corpus
    )
    assert found.recommended is None
    assert "no hook point of the width 7" in found.sentences[0]


def test_a_random_one(gpt2: LanguageModel, corpus: Path, plain: dict[str, Tensor]) -> None:
    torch.manual_seed(2)
    found = check(gpt2, sae({name: torch.randn_like(one) for name, one in plain.items()}, "resid_post.0"), corpus)
    assert found.verdict == "implausible"
    assert found.recommended is None
    assert len(found.alternatives) > 8
    assert "clearly better" in found.sentences[-1]


def test_values_that_are_no_numbers(gpt2: LanguageModel, corpus: Path, plain: dict[str, Tensor]) -> None:
    broken = {**plain, "b_enc": torch.full_like(plain["b_enc"], math.nan)}
    found = check(gpt2, sae(broken, "resid_post.0"), corpus)
    assert found.verdict == "implausible"
    assert found.recommended is None


class TestTranscoders:
    def test_a_right_one(self, llama: LanguageModel, corpus: Path) -> None:
        x, y = activations(llama, "mlp_in.1", corpus), activations(llama, "mlp_out.1", corpus)
        found = check(llama, sae(learn(x, y), "mlp_in.1", "mlp_out.1"), corpus)
        assert found.verdict == "plausible"
        assert found.recommended is None

    @pytest.mark.parametrize(("right", "wrong"), [("mlp_norm", "mlp_in"), ("mlp_in", "resid_mid")])
    def test_with_or_without_the_norm(self, corpus: Path, right: str, wrong: str) -> None:
        model = language_model("llama")
        gain = model.module.model.layers[1].post_attention_layernorm.weight
        gain.copy_(torch.linspace(0.2, 3, len(gain)))
        x, y = activations(model, f"{right}.1", corpus), activations(model, "mlp_out.1", corpus)
        found = check(model, sae(learn(x, y), f"{wrong}.1", "mlp_out.1"), corpus)
        assert found.recommended == Reading(hooks=parse_hooks(f"{right}.1"))

    def test_before_or_behind_the_post_norm(self, corpus: Path) -> None:
        model = language_model("gemma2")
        x, y = activations(model, "mlp_in.1", corpus), activations(model, "mlp_out.1", corpus)
        one = sae(learn(x, y), "mlp_in.1", "mlp_raw.1")
        found = check(model, one, corpus)
        assert found.recommended is not None
        assert apply(one, found).config.writes == parse_hooks("mlp_out.1")
        assert apply(one, found).config.reads == parse_hooks("mlp_in.1")

    def test_the_skip_connection_counts(self, llama: LanguageModel, corpus: Path) -> None:
        x, y = activations(llama, "mlp_in.0", corpus), activations(llama, "mlp_out.0", corpus)
        skip = torch.linalg.lstsq(x, y - y.mean(dim=0)).solution
        tensors = learn(x, y - x @ skip) | {"W_skip": skip}
        one = sae(tensors, "mlp_in.0", "mlp_out.0", skip=True)
        x_hat = one(x)
        explained = 1 - (y - x_hat).square().sum() / (y - y.mean(dim=0)).square().sum()
        assert check(llama, one, corpus).explained == pytest.approx(float(explained), abs=0.02)


class TestSeveralHookPoints:
    def test_a_set_of_transcoders(self, corpus: Path) -> None:
        model = language_model("llama")
        for block in model.module.model.layers:
            gain = block.post_attention_layernorm.weight
            gain.copy_(torch.linspace(0.2, 3, len(gain)))
        pairs = [
            (activations(model, f"mlp_in.{i}", corpus), activations(model, f"mlp_out.{i}", corpus)) for i in (0, 1)
        ]
        tensors = as_layers([learn(x, y) for x, y in pairs])
        right = LayeredSAE(layered_config("transcoder_set", width=32, sizes=(FEATURES,) * 2), tensors)
        found = check(model, right, corpus)
        assert found.verdict == "plausible"
        assert found.recommended is None
        residual = variance = active = 0.0
        for e, (x, y) in enumerate(pairs):
            x_hat = right.one_encoder(e).reconstruct(x)[0]
            residual += float((y - x_hat).square().sum())
            variance += float((y - y.mean(dim=0)).square().sum())
            active += float((right.one_encoder(e).encode(x) > 0).sum(dim=-1).float().mean())
        assert found.explained == pytest.approx(1 - residual / variance, abs=0.03)
        assert found.l0 == pytest.approx(active / 2, rel=0.05)
        wrong = right.reread(Reading(hooks=parse_hooks("mlp_norm.0-1")).apply(right.config))
        assert check(model, wrong, corpus).recommended == Reading(hooks=parse_hooks("mlp_in.0-1"))

    def test_a_crosscoder(self, llama: LanguageModel, corpus: Path) -> None:
        both = torch.cat([activations(llama, f"resid_post.{i}", corpus) for i in (0, 1)], dim=-1)
        tensors = as_crosscoder(learn(both), 2)
        right = LayeredSAE(layered_config("crosscoder", width=32, sizes=(FEATURES,) * 2), tensors)
        found = check(llama, right, corpus)
        assert found.verdict == "plausible"
        f = right.encode(both)
        explained = 1 - (both - right.decode(f)).square().sum() / (both - both.mean(dim=0)).square().sum()
        assert found.explained == pytest.approx(float(explained), abs=0.02)
        wrong = right.reread(Reading(hooks=parse_hooks("attn_out.0-1")).apply(right.config))
        wrong_found = check(llama, wrong, corpus, alternatives=True)
        assert max(wrong_found.alternatives, key=lambda each: each.explained).reading.hooks == parse_hooks(
            "resid_post.0-1"
        )

    def test_one_that_does_not_say_where(self, llama: LanguageModel, corpus: Path) -> None:
        one = layered("crosscoder", width=32, reads=(), writes=())
        found = check(llama, one, corpus)
        assert found.recommended is None
        assert "reads several at once" in found.sentences[0]

    def test_a_cross_layer_transcoder_runs(self, llama: LanguageModel, corpus: Path) -> None:
        found = check(llama, layered("cross_layer_transcoder", width=32, sizes=(40, 30)), corpus, tokens=500)
        assert found.verdict != "plausible"
        assert found.alternatives


def test_whole_sequences_where_they_are_needed(corpus: Path) -> None:
    """A temporal SAE predicts a token from those before it."""
    model = narrow_model()
    one = open_sae(GOLDEN / "sae_lens/temporal", device="cpu")
    found = check(model, one, corpus, alternatives=False, tokens=10**6)
    residual, kept = 0.0, []
    texts = (model.codec.encode(json.loads(line)["text"]).ids for line in corpus.read_text().splitlines())
    length = min(model.context, one.config.metadata["context_size"]) - 1
    contexts = [[0, *ids[at : at + length]] for ids in texts for at in range(0, len(ids), length)]
    rows = [model.run_to(one.config.reads, torch.tensor([ids]))[0] for ids in contexts]
    norms = torch.cat([x[1:].norm(dim=-1) for x in rows])
    for x in rows:
        few = (x.norm(dim=-1) <= 4 * norms.median()) & (torch.arange(len(x)) > 0)
        residual += float((x - one(x[None])[0])[few].square().sum())
        kept.append(x[few])
    x = torch.cat(kept)
    assert found.tokens == len(x)
    assert found.explained == pytest.approx(1 - residual / float((x - x.mean(dim=0)).square().sum()), rel=1e-3)


@pytest.mark.parametrize("factor", [0.05, 0.2])
def test_thresholds_without_a_factor(
    gpt2: LanguageModel, corpus: Path, plain: dict[str, Tensor], factor: float
) -> None:
    """As some BatchTopK dictionaries were saved; as many features as stated tell which."""
    right = sae(plain, "resid_post.0").encode(activations(gpt2, "resid_post.0", corpus, 2000))
    threshold = torch.full((FEATURES,), float(right[right > 0].quantile(0.4)))
    shown = {"activation": "jumprelu", "l0": float((right > threshold).sum(dim=-1).float().mean())}
    assert check(gpt2, sae(plain | {"threshold": threshold}, "resid_post.0", **shown), corpus).verdict == "plausible"
    one = sae(plain | {"threshold": threshold / factor}, "resid_post.0", **shown)
    found = check(gpt2, one, corpus)
    assert found.verdict == "implausible"
    assert found.recommended is not None
    assert found.recommended == Reading(threshold=found.recommended.threshold)
    assert found.recommended.threshold == pytest.approx(factor, rel=0.1)
    assert "with thresholds multiplied by" in found.sentences[0]
    assert check(gpt2, apply(one, found), corpus).verdict == "plausible"


def test_a_factor_of_thresholds_replaces_another(plain: dict[str, Tensor]) -> None:
    threshold = torch.linspace(0.1, 1, FEATURES)
    one = sae(plain | {"threshold": threshold}, "resid_post.0", activation="jumprelu")
    twice = one.reread(Reading(threshold=4.0).apply(one.config))
    thrice = twice.reread(Reading(threshold=0.5).apply(twice.config))
    torch.testing.assert_close(twice.activation.parameters["threshold"], 4 * threshold)
    torch.testing.assert_close(thrice.activation.parameters["threshold"], threshold / 2)
    torch.testing.assert_close(one.activation.parameters["threshold"], threshold)


def test_one_head_is_judged_by_its_part(corpus: Path) -> None:
    """Else the heads it leaves alone would count as explained."""
    model = language_model("gpt2")
    z = activations(model, "attn_z.1", corpus)
    noise = {name: torch.randn_like(one) * 5 for name, one in learn(z[:, 8:16]).items()}
    right = check(model, sae(learn(z[:, 8:16]), "attn_z.1", head=1), corpus)
    assert right.verdict == "plausible"
    assert check(model, sae(noise, "attn_z.1", head=1), corpus).explained < 0


def test_centring_is_not_counted_as_explained(gpt2: LanguageModel, corpus: Path, x: Tensor) -> None:
    """Of centred activations, what is left is what is to be explained."""
    nothing = {"W_enc": torch.zeros(32, 9), "W_dec": torch.zeros(9, 32), "b_enc": -torch.ones(9)}
    centred = x - x.mean(dim=-1, keepdim=True)
    one = sae({**nothing, "b_dec": centred.mean(dim=0)}, "resid_post.0", processing="centred")
    assert check(gpt2, one, corpus, alternatives=False).explained == pytest.approx(0.0, abs=0.01)


def test_the_stated_number_of_features(gpt2: LanguageModel, corpus: Path, plain: dict[str, Tensor]) -> None:
    found = check(gpt2, sae(plain, "resid_post.0", l0=1.0), corpus)
    assert found.verdict == "implausible"
    assert any("makers state 1" in sentence for sentence in found.sentences)
    assert check(gpt2, sae(plain, "resid_post.0", l0=50.0), corpus).verdict == "plausible"


def test_what_its_makers_left_out(gpt2: LanguageModel, corpus: Path, plain: dict[str, Tensor]) -> None:
    whole = check(gpt2, sae(plain, "resid_post.0"), corpus, tokens=10**6)
    some = check(gpt2, sae(plain, "resid_post.0", mask_first=10), corpus, tokens=10**6)
    assert whole.tokens - 10 * whole.contexts <= some.tokens < whole.tokens


def test_the_alternatives_are_whole_readings(gpt2: LanguageModel, corpus: Path, x: Tensor) -> None:
    """What was given on opening stays, where the alternative says nothing else."""
    one = sae(learn((x - x.mean(dim=-1, keepdim=True)) * 0.3), "resid_post.0")
    given = Reading(scale=0.3)
    reread = one.reread(given.apply(one.config))
    found = check(gpt2, reread, corpus, reading=given)
    assert found.reading == given
    assert found.recommended == Reading(processing="centred", scale=0.3)
    assert "as it is read now" in found.sentences[0]


def test_the_sae_itself_is_left_alone(gpt2: LanguageModel, corpus: Path, x: Tensor, plain: dict[str, Tensor]) -> None:
    one = sae(plain, "resid_pre.0", normalize="constant_norm_rescale")
    before = copy.copy(one.config)
    f = one.encode(x[:5])
    expected = one.decode(f)
    check(gpt2, one, corpus)
    assert one.config == before
    torch.testing.assert_close(one.decode(f), expected)


def test_cancelling_and_progress(gpt2: LanguageModel, corpus: Path, plain: dict[str, Tensor]) -> None:
    job = self_check(gpt2, sae(plain, "attn_out.1"), [corpus])
    notes, slowest, last = set(), 0.0, time.monotonic()
    for progress in job:
        notes.add(progress.note.split()[0])
        slowest, last = max(slowest, time.monotonic() - last), time.monotonic()
    assert notes >= {"reading", "running", "measuring"}
    cancelled = self_check(gpt2, sae(plain, "attn_out.1"), [corpus])
    next(cancelled)
    cancelled.close()


def test_no_text(gpt2: LanguageModel, plain: dict[str, Tensor], tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(UserError):
        drive(self_check(gpt2, sae(plain, "resid_post.0"), [tmp_path / "empty.txt"]))
    with pytest.raises(UserError):
        drive(self_check(gpt2, sae(plain, "resid_post.7"), [tmp_path / "empty.txt"]))


def test_one_long_document(gpt2: LanguageModel, plain: dict[str, Tensor], corpus: Path, tmp_path: Path) -> None:
    """Of many documents their beginnings are read, of one all that is needed."""
    (tmp_path / "book.txt").write_text(
        " ".join(json.loads(line)["text"] for line in corpus.read_text().splitlines()) * 3
    )
    assert drive(self_check(gpt2, sae(plain, "resid_post.0"), [tmp_path / "book.txt"], tokens=12_000)).tokens > 11_000


class TestARealModel:
    """The demo's: it has attention sinks, and a dictionary that was learned from it."""

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, demo_model_path: Path) -> LanguageModel:
        return open_model(demo_model_path, device="cpu", dtype="fp32")

    @pytest.fixture(scope="class")
    @classmethod
    def text(cls) -> Path:
        return paths.demo_dir() / "corpus" / "sample.jsonl"

    @pytest.fixture(scope="class")
    @classmethod
    def own(cls) -> SAE:
        return open_sae(paths.demo_dir() / "sae", device="cpu")

    def test_as_it_is(self, model: LanguageModel, own: SAE, text: Path) -> None:
        right = check(model, own, text)
        assert right.verdict == "plausible"
        assert right.recommended is None
        assert right.alternatives == ()
        assert right.explained == pytest.approx(1 - own.config.metadata["semascope"]["held_out"]["fvu"], abs=0.03)

    def test_a_block_off(self, model: LanguageModel, own: SAE, text: Path) -> None:
        """Which still explains 0.73."""
        before = own.reread(Reading(hooks=parse_hooks("resid_pre.15")).apply(own.config))
        found = check(model, before, text, tokens=600)
        assert found.verdict == "doubtful"
        assert apply(before, found).config.reads == own.config.reads

    def test_without_its_layer(self, model: LanguageModel, own: SAE, text: Path) -> None:
        nowhere = own.reread(SAEConfig(**{**vars(own.config), "reads": (), "writes": ()}))
        assert check(model, nowhere, text, tokens=200).recommended == Reading(hooks=parse_hooks("resid_post.15"))

    def test_another_place_and_a_scale(self, model: LanguageModel, own: SAE, text: Path) -> None:
        scale = 0.1
        tensors = {
            "W_enc": own.W_enc / scale,
            "b_enc": own.b_enc,
            "W_dec": own.W_dec * scale,
            "b_dec": own.b_dec * scale,
            **own.activation.parameters,
        }
        hooks = parse_hooks("resid_mid.15")
        unfolded = SAE(SAEConfig(**{**vars(own.config), "reads": hooks, "writes": hooks}), tensors)
        found = check(model, unfolded, text, tokens=300)
        assert found.verdict == "implausible"
        assert found.recommended is not None
        assert found.recommended.hooks == own.config.reads
        assert found.recommended.scale == pytest.approx(scale, rel=0.1)

    def test_one_of_another_model(self, model: LanguageModel, own: SAE, text: Path) -> None:
        """As wide, and of no use here."""
        order = torch.randperm(own.config.d_in, generator=torch.Generator().manual_seed(0))
        tensors = {"W_enc": own.W_enc[order], "b_enc": own.b_enc, "W_dec": own.W_dec[:, order], "b_dec": own.b_dec}
        foreign = SAE(own.config, tensors | own.activation.parameters)
        found = check(model, foreign, text, tokens=300)
        assert found.verdict == "implausible"
        assert found.recommended is None
        assert "another model" in found.sentences[-1]
