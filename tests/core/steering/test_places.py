"""Steering dictionaries of several hook points against plain hooks and plain formulas."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.saes.layered import LayeredSAE
from semascope.core.steering.apply import Steering
from semascope.core.steering.edits import Edit
from semascope.core.steering.generate import generate
from semascope.core.steering.measure import measure
from semascope.core.steering.places import passed
from tests.core.saes.make_layers import config, naive_decode, naive_encode, tensors
from tests.core.steering.conftest import WIDTH
from tests.core.steering.test_exact import PROMPT, answer_ids, naive_edit, naive_greedy

SIZE, PLACES = 24, 4
TRANSCODERS = ("transcoder_set", "cross_layer_transcoder")
CROSSCODERS = ("crosscoder", "causal crosscoder")
EDITS = (
    Edit(3, "clamp", 3.0),
    Edit(30, "scale", -2.0),
    Edit(31, "ablate"),
    Edit(55, "add", 2.0),
    Edit(80, "clamp", 1.0),
)


def make(kind: str, activation: str = "relu") -> tuple[LayeredSAE, dict[str, Tensor], tuple[Edit, ...]]:
    """A dictionary of the tiny model's first layers, its tensors, and edits of features it has."""
    own = tensors(kind, activation, sizes=(SIZE,) * PLACES, width=WIDTH)
    sae = LayeredSAE(config(kind, activation, sizes=(SIZE,) * PLACES, width=WIDTH), own)
    return sae, own, tuple(edit for edit in EDITS if edit.feature < sae.config.features)


@contextlib.contextmanager
def naive(
    model: LanguageModel, kind: str, activation: str, own: dict[str, Tensor], edits: Sequence[Edit]
) -> Iterator[None]:
    """Plain hooks that add decode(edited f) − decode(f) at each place, with f of what flows there."""
    blocks = model.module.model.layers
    seen: list[Tensor] = []

    def differences(x: list[Tensor]) -> Tensor:
        """(batch, tokens, places, d), with the layers that were not passed yet taken as nothing fires there."""
        blank = [*x, *(torch.zeros_like(x[0]) for _ in range(PLACES - len(x)))]
        f = naive_encode(own, torch.stack(blank, dim=-2), activation)
        changed = []
        for e, each in enumerate(f):
            here = [Edit(edit.feature - e * SIZE, edit.mode, edit.value) for edit in edits if edit.feature // SIZE == e]
            known = e < len(x) if "W_enc.1" in own else len(x) == PLACES
            changed.append(naive_edit(each, tuple(here)) - each if known else torch.zeros_like(each))
        biases = {
            name: torch.zeros_like(tensor) if name.startswith("b_dec") else tensor for name, tensor in own.items()
        }
        return naive_decode(biases, changed)

    def before_mlp(_module: object, args: tuple[Tensor, ...]) -> None:
        seen.append(args[0])

    def after_mlp(_module: object, _args: object, out: Tensor) -> Tensor:
        return out + differences(seen)[..., len(seen) - 1, :]

    def after_block(_module: object, _args: object, out: Tensor) -> Tensor:
        seen.append(out)
        return out + differences(seen)[..., -1, :] if len(seen) == PLACES else out

    def begin(_module: object, _args: object) -> None:
        seen.clear()

    handles = [blocks[0].register_forward_pre_hook(begin)]
    for at in range(PLACES):
        if "crosscoder" in kind:
            handles.append(blocks[at].register_forward_hook(after_block))
        else:
            handles.append(blocks[at].mlp.register_forward_pre_hook(before_mlp))
            handles.append(blocks[at].mlp.register_forward_hook(after_mlp))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def hidden(model: LanguageModel, ids: Tensor) -> Tensor:
    """What leaves every block, (layers, batch, tokens, d)."""
    seen: list[Tensor] = []
    handles = [
        block.register_forward_hook(lambda _m, _a, out: seen.append(out.clone())) for block in model.module.model.layers
    ]
    with torch.no_grad():
        model.module(ids, use_cache=False)
    for handle in handles:
        handle.remove()
    return torch.stack(seen)


@pytest.mark.parametrize("kind", [*TRANSCODERS, *CROSSCODERS])
@pytest.mark.parametrize("activation", ["relu", "jumprelu", "topk"])
def test_hidden_states_are_those_of_the_definition(tiny_model: LanguageModel, kind: str, activation: str) -> None:
    sae, own, edits = make(kind, activation)
    ids = torch.tensor([tiny_model.codec.encode(PROMPT).ids])
    plain = hidden(tiny_model, ids)
    with Steering(sae, edits).attached(tiny_model):
        ours = hidden(tiny_model, ids)
    with naive(tiny_model, kind, activation, own, edits):
        theirs = hidden(tiny_model, ids)
    assert (ours - plain).norm() > 1.0
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    if "crosscoder" in kind:  # nothing before its last place is touched
        assert torch.equal(ours[: PLACES - 1], plain[: PLACES - 1])


@pytest.mark.parametrize("kind", [*TRANSCODERS, *CROSSCODERS])
def test_a_cached_answer_is_that_of_whole_passes(tiny_model: LanguageModel, kind: str) -> None:
    sae, own, edits = make(kind, "jumprelu")
    tokens = tiny_model.codec.encode(PROMPT)
    with naive(tiny_model, kind, "jumprelu", own, edits):
        theirs = naive_greedy(tiny_model, list(tokens.ids), 30)
    ours = answer_ids(generate(tiny_model, tokens, sae=sae, edits=edits, max_tokens=30, skip_special=False))
    assert list(ours) == theirs[: len(ours)]
    assert list(ours) != naive_greedy(tiny_model, list(tokens.ids), 30)[: len(ours)]


@pytest.mark.parametrize("kind", TRANSCODERS)
def test_only_the_tokens_aimed_at_are_steered(tiny_model: LanguageModel, kind: str) -> None:
    sae, _, edits = make(kind)
    ids = torch.tensor([tiny_model.codec.encode(PROMPT).ids])
    plain = hidden(tiny_model, ids)
    steering = Steering(sae, edits, positions="generated")
    count = ids.shape[1]
    steering.aim([False] * count, [at >= 10 for at in range(count)])
    with steering.attached(tiny_model):
        ours = hidden(tiny_model, ids)
    assert torch.equal(ours[:, :, :10], plain[:, :, :10])
    assert (ours[:, :, 10:] - plain[:, :, 10:]).abs().amax(dim=(0, 1, 3)).min() > 1e-3
    steering.aim([False] * count, [False] * count)
    with steering.attached(tiny_model):
        assert torch.equal(hidden(tiny_model, ids), plain)


def test_clamping_to_what_it_is_changes_nothing(tiny_model: LanguageModel) -> None:
    sae, _, _ = make("cross_layer_transcoder")
    ids = torch.tensor([tiny_model.codec.encode(PROMPT).ids])
    plain = hidden(tiny_model, ids)
    with Steering(sae, [Edit(i, "scale", 1.0 + 1e-9) for i in range(SIZE * PLACES)]).attached(tiny_model):
        torch.testing.assert_close(hidden(tiny_model, ids), plain, rtol=1e-5, atol=1e-5)


def test_the_random_control_is_as_long_at_every_place(tiny_model: LanguageModel) -> None:
    sae, _, edits = make("cross_layer_transcoder")
    prompt = tiny_model.codec.encode(PROMPT)
    job = measure(tiny_model, prompt, Steering(sae, edits), [40, 41, 42], [50, 51])
    while True:
        try:
            next(job)
        except StopIteration as end:
            effect = end.value
            break
    assert effect.kl > 1e-3
    assert effect.random_kl > 1e-3


def test_a_feature_that_writes_only_to_what_was_passed_is_refused(tiny_model: LanguageModel) -> None:
    own = tensors("crosscoder", sizes=(SIZE,) * 2, width=WIDTH)
    own["b_enc.1"], own["W_dec.1.1"] = own["b_enc.0"], own.pop("W_dec.0.1")
    sae = LayeredSAE(config("crosscoder", sizes=(SIZE,) * 2, width=WIDTH, encoders=2), own)
    with (
        pytest.raises(UserError, match="Feature 3 writes nothing"),
        Steering(sae, [Edit(3, "clamp", 1.0)]).attached(tiny_model),
    ):
        pass
    with Steering(sae, [Edit(SIZE + 3, "clamp", 1.0)]).attached(tiny_model):
        pass


def test_one_that_does_not_say_where_it_writes_is_refused(tiny_model: LanguageModel) -> None:
    own = tensors("cross_layer_transcoder", sizes=(SIZE,) * 2, width=WIDTH)
    sae = LayeredSAE(config("cross_layer_transcoder", sizes=(SIZE,) * 2, width=WIDTH, writes=()), own)
    with pytest.raises(UserError, match="where what it gives belongs"), Steering(sae, EDITS[:1]).attached(tiny_model):
        pass


def test_a_dictionary_of_a_deeper_model_is_refused(tiny_model: LanguageModel) -> None:
    sae = LayeredSAE(
        config("transcoder_set", sizes=(8,) * 9, width=WIDTH), tensors("transcoder_set", sizes=(8,) * 9, width=WIDTH)
    )
    with pytest.raises(UserError, match="layer 5"), Steering(sae, [Edit(3, "clamp", 1.0)]).attached(tiny_model):
        pass


def test_hook_points_are_met_in_the_order_of_a_pass(tiny_model: LanguageModel) -> None:
    sites = [
        "resid_pre",
        "attn_norm",
        "attn_in",
        "attn_z",
        "attn_out",
        "resid_mid",
        "mlp_norm",
        "mlp_in",
        "mlp_act",
        "mlp_out",
    ]
    hooks = [HookPoint("embed", 0)]
    hooks += [HookPoint(site, layer) for layer in range(3) for site in (*sites, "resid_post")]
    met: list[HookPoint] = []
    with contextlib.ExitStack() as stack:
        for hook in hooks:
            stack.enter_context(tiny_model.editing(hook, lambda _x, hook=hook: met.append(hook)))
        tiny_model.logits(torch.tensor([[5, 6, 7]]))
    assert sorted(met, key=passed) == hooks
    # A norm's two readings come from one module, and the last residual of a block is the next one's first.
    assert [hook for hook in met if hook.site not in ("attn_norm", "mlp_norm")] == [
        hook for hook in hooks if hook.site not in ("attn_norm", "mlp_norm")
    ]
