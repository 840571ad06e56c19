"""Every hook point of every family, on tiny random models of the real classes.

What a place holds is recorded here with plain torch hooks on the modules that the makers' code names (`families`), never
through our own tree; the rest are identities of the architectures and `transformers`' own hidden states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import SITES, HookPoint
from semascope.core.models.model import LanguageModel
from tests.core.models.families import FAMILIES, LAYERS, Family, language_model, part

IDS = torch.randint(3, 250, (2, 11), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=list(FAMILIES))
def model(request: pytest.FixtureRequest) -> LanguageModel:
    made = language_model(request.param)
    made.name = request.param
    return made


@pytest.fixture
def family(model: LanguageModel) -> Family:
    return FAMILIES[model.name]


def there(model: LanguageModel) -> Iterator[HookPoint]:
    """The hook points that the family has, by its names."""
    family = FAMILIES[model.name]
    for layer in range(LAYERS):
        names = family.of(layer)
        absent = {"resid_mid": names.parallel, "mlp_act": not names.last, "embed": layer > 0}
        yield from (HookPoint(site, layer) for site in SITES if not absent.get(site))


def recorded(model: LanguageModel, modules: dict[str, nn.Module]) -> dict[str, tuple[Tensor, Tensor]]:
    """What each module was given and what it gave in one pass, by plain hooks."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            given = args[0] if args else kwargs.get("hidden_states", kwargs.get("input"))
            seen[name] = (given.clone(), (output[0] if isinstance(output, tuple) else output).clone())

        return hook

    handles = [module.register_forward_hook(keep(name), with_kwargs=True) for name, module in modules.items()]
    with torch.inference_mode():
        model.module(input_ids=IDS, use_cache=False)
    for handle in handles:
        handle.remove()
    return seen


def normalised(x: Tensor, kind: str, config: Any) -> Tensor:
    """torch's own norms without a weight, with the epsilon of the model's settings."""
    if kind == "layer":
        names = ("layer_norm_epsilon", "layer_norm_eps")
        epsilon = next(getattr(config, name) for name in names if hasattr(config, name))
        return nn.functional.layer_norm(x, x.shape[-1:], eps=epsilon)
    return nn.functional.rms_norm(x, x.shape[-1:], eps=config.rms_norm_eps)


def expected(model: LanguageModel, family: Family) -> dict[HookPoint, Tensor]:
    """Every activation, by the makers' names."""
    config = model.module.config.get_text_config()
    modules = {"embedding": part(model.module, family.embedding)}
    for layer in range(LAYERS):
        names, block = family.of(layer), part(model.module, f"{family.blocks}.{layer}")
        inner = [names.attention, f"{names.attention}.{names.projection}", names.mlp, names.attention_norm]
        inner += [names.mlp_norm, names.behind_attention, names.behind_mlp]
        inner += [f"{names.mlp}.{names.last}"] if names.last else []
        modules |= {f"{layer}": block} | {f"{layer}.{name}": block.get_submodule(name) for name in inner if name}
    seen = recorded(model, modules)
    found = {HookPoint("embed", 0): seen["embedding"][1]}
    for layer in range(LAYERS):
        names = family.of(layer)

        def given(name: str, layer: int = layer) -> Tensor:
            return seen[f"{layer}.{name}"][0]

        def gave(name: str, layer: int = layer) -> Tensor:
            return seen[f"{layer}.{name}"][1]

        sites = {
            "resid_pre": seen[f"{layer}"][0],
            "resid_post": seen[f"{layer}"][1],
            "attn_in": gave(names.attention_norm),
            "attn_norm": normalised(given(names.attention_norm), names.norm, config),
            "attn_z": given(f"{names.attention}.{names.projection}"),
            "attn_raw": gave(names.attention),
            "attn_out": gave(names.behind_attention or names.attention),
            "mlp_in": gave(names.mlp_norm),
            "mlp_norm": normalised(given(names.mlp_norm), names.norm, config),
            "mlp_raw": gave(names.mlp),
            "mlp_out": gave(names.behind_mlp or names.mlp),
        }
        if not names.parallel:
            sites["resid_mid"] = given(names.mlp_norm)
        if names.last:
            sites["mlp_act"] = given(f"{names.mlp}.{names.last}")
        found |= {HookPoint(site, layer): value for site, value in sites.items()}
    return found


def test_every_site_is_where_the_makers_code_has_it(model: LanguageModel, family: Family) -> None:
    found = expected(model, family)
    assert set(found) == set(there(model))
    for hook, value in found.items():
        read = model.run_to(hook, IDS)
        assert read.shape == (*IDS.shape, model.width(hook)), hook
        if hook.site in ("attn_norm", "mlp_norm"):
            torch.testing.assert_close(read, value, atol=1e-5, rtol=1e-5, msg=str(hook))
        else:
            assert torch.equal(read, value), hook


def test_a_place_that_a_family_lacks_is_refused_in_words(model: LanguageModel) -> None:
    lacking = {HookPoint(site, layer) for site in SITES for layer in range(LAYERS)} - set(there(model))
    for hook in lacking:
        with pytest.raises(UserError, match=r"no resid_mid|mixture of experts|not those of a layer"):
            model.run_to(hook, IDS)


def test_the_residual_stream_is_that_of_transformers(model: LanguageModel) -> None:
    with torch.no_grad():
        hidden = model.module(input_ids=IDS, output_hidden_states=True, use_cache=False).hidden_states
    for layer in range(LAYERS):
        assert torch.equal(model.run_to(HookPoint("resid_pre", layer), IDS), hidden[layer])
        if layer + 1 < LAYERS:  # the last of transformers' hidden states is behind the final norm
            assert torch.equal(model.run_to(HookPoint("resid_post", layer), IDS), hidden[layer + 1])


def test_attention_and_mlp_add_up_to_the_block(model: LanguageModel, family: Family) -> None:
    for layer in range(LAYERS):
        sites = ("resid_pre", "attn_out", "mlp_out", "resid_post")
        pre, attention, mlp, post = (model.run_to(HookPoint(site, layer), IDS) for site in sites)
        torch.testing.assert_close(pre + attention + mlp, post, atol=1e-4, rtol=1e-4)
        if not family.of(layer).parallel:
            mid = model.run_to(HookPoint("resid_mid", layer), IDS)
            assert torch.equal(mid, pre + attention)
            assert torch.equal(mid + mlp, post)


def test_normalised_inputs_become_the_inputs_by_the_norms_gain(model: LanguageModel, family: Family) -> None:
    for layer in range(LAYERS):
        names, block = family.of(layer), part(model.module, f"{family.blocks}.{layer}")
        for part_of, norm in (("attn", names.attention_norm), ("mlp", names.mlp_norm)):
            module = block.get_submodule(norm)
            read = model.run_to(HookPoint(f"{part_of}_norm", layer), IDS)
            scaled = read * (1.0 + module.weight if names.norm == "one plus" else module.weight)
            if names.norm == "layer":
                scaled = scaled + module.bias
            torch.testing.assert_close(scaled, model.run_to(HookPoint(f"{part_of}_in", layer), IDS))


def test_several_are_read_in_one_pass_side_by_side(model: LanguageModel) -> None:
    hooks = tuple(reversed(list(there(model))))
    hooks = (*hooks, hooks[3])  # one of them twice
    passes: list[None] = []
    handle = model.module.register_forward_pre_hook(lambda *_: passes.append(None))
    read = model.run_to(hooks, IDS)
    handle.remove()
    assert len(passes) == 1
    assert read.shape[-1] == model.width(hooks) == sum(model.width(hook) for hook in hooks)
    for hook, value in zip(hooks, read.split([model.width(hook) for hook in hooks], dim=-1), strict=True):
        assert torch.equal(value, model.run_to(hook, IDS)), hook
    assert torch.equal(model.run_to((hooks[2],), IDS), model.run_to(hooks[2], IDS))


def test_nothing_behind_the_last_one_is_computed(model: LanguageModel) -> None:
    ran: list[None] = []
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.module.modules()]
    handle = model.tree.blocks[1].register_forward_pre_hook(lambda *_: ran.append(None))
    model.run_to((HookPoint("resid_post", 0), HookPoint("mlp_in", 0)), IDS)
    handle.remove()
    assert not ran
    assert hooks == [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.module.modules()]


def test_an_edit_changes_the_logits_and_none_leaves_them_bit_identical(model: LanguageModel) -> None:
    plain = model.logits(IDS)
    for hook in there(model):
        noise = torch.randn(model.width(hook), generator=torch.Generator().manual_seed(3))
        with model.editing(hook, lambda x, noise=noise: x + noise):
            assert (model.logits(IDS) - plain).abs().max() > 1e-3, hook
        with model.editing(hook, lambda _x: None):
            assert torch.equal(model.logits(IDS), plain), hook
        with model.editing(hook, lambda x: x.clone()):
            if hook.site in ("attn_norm", "mlp_norm"):
                torch.testing.assert_close(model.logits(IDS), plain, atol=2e-3, rtol=1e-3, msg=str(hook))
            else:
                assert torch.equal(model.logits(IDS), plain), hook
    assert torch.equal(model.logits(IDS), plain)


def test_an_edit_of_a_normalised_input_passes_the_norms_gain(model: LanguageModel, family: Family) -> None:
    for part_of in ("attn", "mlp"):
        with model.editing(HookPoint(f"{part_of}_norm", 1), lambda x: -3.0 * x):
            edited = model.run_to(HookPoint(f"{part_of}_in", 1), IDS)
        names = family.of(1)
        name = names.attention_norm if part_of == "attn" else names.mlp_norm
        module = part(model.module, f"{family.blocks}.1.{name}")
        bias = module.bias if names.norm == "layer" else 0.0
        plain = model.run_to(HookPoint(f"{part_of}_in", 1), IDS)
        torch.testing.assert_close(edited, -3.0 * (plain - bias) + bias, atol=1e-4, rtol=1e-4)


def test_padding_on_the_right_does_not_reach_the_tokens_before_it(model: LanguageModel) -> None:
    hook = HookPoint("resid_post", 1)
    padded = torch.cat([IDS, torch.zeros(2, 5, dtype=torch.long)], dim=1)
    padded[1, 7:] = 0
    read = model.run_to(hook, padded)
    assert read.shape == (2, 16, model.d_model)
    for row, length in enumerate((11, 7)):
        alone = model.run_to(hook, IDS[row : row + 1, :length])[0]
        torch.testing.assert_close(read[row, :length], alone, atol=1e-4, rtol=1e-4)


def test_only_paligemma_reads_its_prompt_in_both_directions(model: LanguageModel) -> None:
    hook = HookPoint("resid_post", 1)
    whole, part_of = model.run_to(hook, IDS), model.run_to(hook, IDS[:, :6])
    assert torch.allclose(whole[:, :6], part_of, atol=1e-4, rtol=1e-4) != model.sees_prompt_whole
    assert model.sees_prompt_whole == (model.name == "paligemma")


def test_steps_with_a_cache_give_the_logits_of_one_pass(model: LanguageModel) -> None:
    whole = model.logits(IDS, prompt=6)
    logits, cache = model.step(IDS[:, :6])
    torch.testing.assert_close(logits, whole[:, 5], atol=2e-3, rtol=1e-3)
    for at in range(6, 11):
        logits, cache = model.step(IDS[:, at : at + 1], cache)
        torch.testing.assert_close(logits, whole[:, at], atol=2e-3, rtol=1e-3)


def test_unembedding_repeats_the_models_own_logits(model: LanguageModel, family: Family) -> None:
    """logits = W_U (γ ⊙ normalised), with the normalised last residual computed here."""
    config = model.module.config.get_text_config()
    parts = model.unembedding()
    x = normalised(model.run_to(HookPoint("resid_post", LAYERS - 1), IDS), family.of(0).norm, config)
    assert parts.centred == model.centrable == (family.of(0).norm == "layer")
    assert parts.gain is not None
    logits = (x * parts.gain) @ parts.weight.T
    norm = model.tree.final_norm
    if isinstance(norm, nn.LayerNorm):
        logits = logits + norm.bias @ parts.weight.T
    cap = getattr(config, "final_logit_softcapping", None)
    if cap:
        logits = cap * torch.tanh(logits / cap)
    torch.testing.assert_close(logits, model.logits(IDS), atol=2e-3, rtol=1e-3)


def test_the_shift_of_attn_z_is_what_attention_gives_for_nothing(model: LanguageModel, family: Family) -> None:
    """Where the norm's input says nothing, every value is the same, and so is their average: the part that is folded."""
    for layer in range(LAYERS):
        nothing = torch.ones(model.d_model) if family.of(layer).norm == "layer" else torch.zeros(model.d_model)
        with model.editing(HookPoint("resid_pre", layer), lambda x, nothing=nothing: nothing.expand_as(x)):
            z = model.run_to(HookPoint("attn_z", layer), IDS)
        shift = model.value_shift(layer)
        if model.name == "gpt_oss":  # its weights do not sum to 1, so that there is nothing constant to fold
            assert shift is None
        elif shift is None:
            assert torch.equal(z, torch.zeros_like(z))
        else:
            assert shift.abs().max() > 0.05
            torch.testing.assert_close(z, shift.expand_as(z), atol=1e-5, rtol=1e-4)


def test_families_with_value_biases_are_those_that_have_a_shift(model: LanguageModel) -> None:
    shifted = {"gpt2", "gpt_neox", "gpt_neox_sequential", "qwen2", "llava_onevision", "qwen2_vl", "qwen2_5_vl"}
    assert (model.value_shift(1) is not None) == (model.name in shifted)


def test_attn_z_behind_folding_is_attn_z_less_the_shift() -> None:
    """GPT-2's attention computed here with TransformerLens' folded weights: γ in W_V, no bias on the values."""
    model = language_model("gpt2")
    block = model.tree.blocks[1]
    attention, norm = block.attn, block.ln_1
    x = model.run_to(HookPoint("attn_norm", 1), IDS)
    with torch.no_grad():
        q, k, _ = attention.c_attn(x * norm.weight + norm.bias).split(32, dim=-1)
        v = x @ (norm.weight[:, None] * attention.c_attn.weight[:, 64:])
        q, k, v = (part.view(2, 11, 4, -1).transpose(1, 2) for part in (q, k, v))
        z = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
    shift = model.value_shift(1)
    assert shift is not None
    torch.testing.assert_close(z, model.run_to(HookPoint("attn_z", 1), IDS) - shift, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "qwen3_5"])
def test_normalised_inputs_are_float32_in_a_bf16_model(family: str) -> None:
    model = language_model(family)
    model.module.bfloat16()
    pre, read = model.run_to(HookPoint("resid_pre", 1), IDS), model.run_to(HookPoint("attn_norm", 1), IDS)
    assert (pre.dtype, read.dtype) == (torch.bfloat16, torch.float32)
    kind = FAMILIES[family].of(1).norm
    torch.testing.assert_close(read, normalised(pre.float(), kind, model.module.config), atol=1e-5, rtol=1e-5)
    plain = model.logits(IDS)
    with model.editing(HookPoint("attn_norm", 1), lambda _x: None):
        assert torch.equal(model.logits(IDS), plain)
    with model.editing(HookPoint("mlp_norm", 1), lambda x: x + 1):
        assert not torch.equal(model.logits(IDS), plain)


def test_a_layer_that_is_not_there_is_refused_in_words() -> None:
    model = language_model("llama")
    with pytest.raises(UserError, match="no layer 7"):
        model.run_to(HookPoint("resid_post", 7), IDS)
    with pytest.raises(UserError, match="no layer 7"):
        model.width((HookPoint("resid_post", 1), HookPoint("resid_post", 7)))


@pytest.mark.parametrize(
    "text", ["resid_post", "resid_post.x", "logits.3", "resid_post.15.2", "", "resid_post.-1", "audio.resid_post.1"]
)
def test_what_is_no_hook_point_is_refused_in_words(text: str) -> None:
    with pytest.raises(UserError, match="not a hook point"):
        HookPoint.parse(text)


def test_hook_points_round_trip() -> None:
    for site in SITES:
        for tower in ("", "vision"):
            assert HookPoint.parse(str(HookPoint(site, 15, tower))) == HookPoint(site, 15, tower)
