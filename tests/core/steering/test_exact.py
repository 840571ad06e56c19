"""Steering against an independent computation: plain hooks, plain formulas, decode(f with f_i := v) + e, no cache."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from semascope.core.models.model import LanguageModel
from semascope.core.saes.sae import SAE
from semascope.core.steering.apply import Steering
from semascope.core.steering.edits import Edit
from semascope.core.steering.generate import generate
from tests.core.steering.conftest import FEATURES, LAYER, make_sae

ARCHITECTURES = ("relu", "jumprelu", "topk", "gated", "layer_norm", "transcoder")
PROMPT = "Once upon a time, für alle"
EDITS = (Edit(3, "clamp", 6.0), Edit(10, "scale", -2.0), Edit(21, "ablate"), Edit(40, "add", 3.0))


def naive_features(sae: SAE, x: Tensor) -> Tensor:
    """Feature activations of x by the textbook formula of each architecture."""
    if sae.config.architecture == "layer_norm":
        x = (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)
    if sae.config.architecture != "transcoder":
        x = x - sae.b_dec
    p = x @ sae.W_enc
    if sae.config.architecture == "gated":
        act = sae.activation
        return ((p + act.b_gate) > 0) * torch.relu(p * act.r_mag.exp() + act.b_mag)
    p = p + sae.b_enc
    if sae.config.architecture == "topk":
        kept = torch.zeros_like(p)
        top = p.topk(8, dim=-1)
        return kept.scatter(-1, top.indices, top.values.relu())
    if sae.config.architecture == "jumprelu":
        return p * (p > sae.activation.threshold)
    return p.relu()


def naive_decode(sae: SAE, f: Tensor, x: Tensor) -> Tensor:
    """x̂ in raw units."""
    x_hat = f @ sae.W_dec + sae.b_dec
    if sae.config.architecture == "layer_norm":
        x_hat = x_hat * x.std(-1, keepdim=True) + x.mean(-1, keepdim=True)
    return x_hat


def naive_edit(f: Tensor, edits: tuple[Edit, ...]) -> Tensor:
    f = f.clone()
    for edit in edits:
        old = f[..., edit.feature]
        new = {"clamp": edit.value, "scale": edit.value * old, "ablate": 0.0, "add": old + edit.value}
        f[..., edit.feature] = new[edit.mode]
    return f


@contextlib.contextmanager
def naive_hooks(model: LanguageModel, sae: SAE, edits: tuple[Edit, ...], keep: Tensor) -> Iterator[None]:
    """Plain hooks that put decode(edited f) + e in place where `keep` (tokens,) is True."""
    block = model.module.model.layers[LAYER]

    def steered(x: Tensor, out: Tensor) -> Tensor:
        f = naive_features(sae, x)
        error = out - naive_decode(sae, f, x)
        return torch.where(keep[: x.shape[1], None], naive_decode(sae, naive_edit(f, edits), x) + error, out)

    def after_block(_module: object, _args: object, out: Tensor) -> Tensor:
        return steered(out, out)

    def after_mlp(_module: object, args: tuple[Tensor, ...], out: Tensor) -> Tensor:
        return steered(args[0], out)

    transcoder = sae.config.architecture == "transcoder"
    handle = block.mlp.register_forward_hook(after_mlp) if transcoder else block.register_forward_hook(after_block)
    try:
        yield
    finally:
        handle.remove()


def naive_greedy(model: LanguageModel, ids: list[int], new: int) -> list[int]:
    """Greedy continuation without a cache, under whatever hooks are set."""
    ids = list(ids)
    for _ in range(new):
        with torch.no_grad():
            ids.append(int(model.module(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[-new:]


def answer_ids(job: Iterator[object]) -> tuple[int, ...]:
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value.ids


def hidden(model: LanguageModel, ids: Tensor, run: Callable[[], contextlib.AbstractContextManager[None]]) -> Tensor:
    """What leaves layer 3, under hooks; read by a plain hook set after them."""
    seen: list[Tensor] = []
    with run():
        handle = model.module.model.layers[LAYER].register_forward_hook(lambda _m, _a, out: seen.append(out.clone()))
        with torch.no_grad():
            model.module(ids, use_cache=False)
        handle.remove()
    return seen[0]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_hidden_states_are_decode_of_edited_features_plus_error(tiny_model: LanguageModel, architecture: str) -> None:
    sae = make_sae(architecture)
    ids = torch.tensor([tiny_model.codec.encode(PROMPT).ids])
    everywhere = torch.ones(ids.shape[1], dtype=torch.bool)
    ours = hidden(tiny_model, ids, lambda: Steering(sae, EDITS).attached(tiny_model))
    naive = hidden(tiny_model, ids, lambda: naive_hooks(tiny_model, sae, EDITS, everywhere))
    plain = hidden(tiny_model, ids, contextlib.nullcontext)
    assert (ours - plain).norm() > 1.0
    torch.testing.assert_close(ours, naive, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_greedy_text_is_that_of_the_naive_computation(tiny_model: LanguageModel, architecture: str) -> None:
    sae = make_sae(architecture)
    tokens = tiny_model.codec.encode(PROMPT)
    with naive_hooks(tiny_model, sae, EDITS, torch.ones(128, dtype=torch.bool)):
        naive = naive_greedy(tiny_model, list(tokens.ids), 30)
    # A random model says special tokens, and the naive hooks steer them like any other.
    ours = answer_ids(generate(tiny_model, tokens, sae=sae, edits=EDITS, max_tokens=30, skip_special=False))
    assert list(ours) == naive[: len(ours)]
    assert list(ours) != naive_greedy(tiny_model, list(tokens.ids), 30)[: len(ours)]


@pytest.mark.parametrize(
    ("positions", "steered"), [("prompt", (True, False)), ("generated", (False, True)), ("all", (True, True))]
)
def test_prompt_and_each_new_token_are_steered_as_asked(
    tiny_model: LanguageModel, positions: str, steered: tuple[bool, bool]
) -> None:
    sae = make_sae("jumprelu")
    tokens = tiny_model.codec.encode(PROMPT)
    keep = torch.tensor([steered[0]] * len(tokens) + [steered[1]] * 60)
    with naive_hooks(tiny_model, sae, EDITS, keep):
        naive = naive_greedy(tiny_model, list(tokens.ids), 25)
    how = {"max_tokens": 25, "positions": positions, "skip_special": False}
    ours = answer_ids(generate(tiny_model, tokens, sae=sae, edits=EDITS, **how))  # type: ignore[arg-type]
    assert list(ours) == naive[: len(ours)]


def test_special_tokens_are_left_alone_unless_asked(tiny_model: LanguageModel) -> None:
    sae = make_sae("relu")
    tokens = tiny_model.codec.encode(PROMPT, prepend_bos=True)
    assert tokens.special[0]
    ids = torch.tensor([tokens.ids])
    plain = hidden(tiny_model, ids, contextlib.nullcontext)
    for skip in (True, False):
        steering = Steering(sae, EDITS, skip_special=skip)
        steering.aim(tokens.special, [False] * len(tokens))
        ours = hidden(tiny_model, ids, lambda steering=steering: steering.attached(tiny_model))
        naive = hidden(
            tiny_model,
            ids,
            lambda skip=skip: naive_hooks(tiny_model, sae, EDITS, ~torch.tensor(tokens.special) | (not skip)),
        )
        torch.testing.assert_close(ours, naive, rtol=1e-4, atol=2e-5)
        assert torch.equal(ours[0, 0], plain[0, 0]) is skip


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_clamping_at_the_natural_value_changes_nothing(tiny_model: LanguageModel, architecture: str) -> None:
    """One token, all 64 features clamped to what they are anyway."""
    sae = make_sae(architecture)
    ids = torch.tensor([tiny_model.codec.encode("z").ids])
    x = tiny_model.run_to(sae.config.hook_point, ids)  # type: ignore[arg-type]
    natural = sae.encode(x)[0, 0]
    steering = Steering(sae, [Edit(i, "clamp", float(natural[i])) for i in range(FEATURES)])
    with steering.attached(tiny_model):
        steered = tiny_model.logits(ids)
    torch.testing.assert_close(steered, tiny_model.logits(ids), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", ["relu", "jumprelu", "gated", "layer_norm"])
def test_the_cheap_path_gives_the_numbers_of_the_full_encode(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sae = make_sae(architecture)
    assert sae.independent
    x = torch.randn(40, 16) * 3
    cheap = Steering(sae, EDITS).delta(x)
    monkeypatch.setattr(sae, "encode_some", lambda x, ids: sae.encode(x)[..., ids])
    torch.testing.assert_close(cheap, Steering(sae, EDITS).delta(x), rtol=1e-5, atol=1e-5)


def test_the_cheap_path_does_not_encode_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    sae = make_sae("jumprelu")
    monkeypatch.setattr(sae, "encode", lambda _: pytest.fail("a full encode"))
    assert Steering(sae, EDITS).delta(torch.randn(5, 16)).shape == (5, 16)


def test_adding_needs_no_encode_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    sae = make_sae("topk")
    monkeypatch.setattr(sae, "encode", lambda _: pytest.fail("an encode"))
    delta = Steering(sae, [Edit(5, "add", 2.0)]).delta(torch.randn(3, 16))
    torch.testing.assert_close(delta, (2.0 * sae.W_dec[5]).expand(3, -1))


def test_long_prompts_are_steered_in_parts_with_the_same_numbers() -> None:
    sae = make_sae("topk")
    x = torch.randn(1, 700, 16)
    steering = Steering(sae, EDITS)
    whole = x + torch.stack([steering.delta(x[0, i : i + 1])[0] for i in range(700)])
    torch.testing.assert_close(steering(x), whole, rtol=1e-4, atol=2e-5)


def test_batched_rows_are_steered_alike() -> None:
    steering = Steering(make_sae("gated"), EDITS)
    x = torch.randn(3, 7, 16)
    torch.testing.assert_close(steering(x), torch.cat([steering(row[None]) for row in x]), rtol=1e-5, atol=1e-5)  # type: ignore[misc]


def test_half_precision_is_computed_in_float32_and_cast_back() -> None:
    sae = make_sae("relu")
    x = torch.randn(1, 9, 16).bfloat16()
    steering = Steering(sae, EDITS)
    out = steering(x)
    assert out is not None
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, (x.float() + steering.delta(x[0].float())).bfloat16())
