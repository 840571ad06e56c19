"""Every format's name for a place in the model as a `HookPoint`, and TransformerLens' name for a `HookPoint`.

Releases speak three dialects: TransformerLens ("blocks.15.hook_resid_post"), Hugging Face module paths with a side
("model.layers.15.output", Gemma Scope 2) and module paths without one ("layers.15", EleutherAI sparsify). A place that
is none of our hook points gives None and a sentence, so that no feature is ever read in the wrong place silently. Which
module of a real model a hook point is, `core.models.tree` says.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from semascope.core.models.hookpoint import HookPoint


class Place(NamedTuple):
    """Where a name points: a hook point, or None and a sentence that says why."""

    hook: HookPoint | None
    problem: str = ""


def place_problems(*places: Place) -> list[str]:
    """What is wrong with the places, each sentence once."""
    return list(dict.fromkeys(place.problem for place in places if place.problem))


NOWHERE = Place(None, "It does not say which layer and hook point it was made for.")

_LENS = {
    "resid_pre": "hook_resid_pre",
    "resid_post": "hook_resid_post",
    "mlp_in": "mlp.hook_in",
    "mlp_out": "hook_mlp_out",
    "attn_z": "attn.hook_z",
    "attn_out": "hook_attn_out",
}
_FROM_LENS = {lens: site for site, lens in _LENS.items()}

# Real places that are no hook point of ours, and what they are.
_LENS_ELSEWHERE = {
    "hook_resid_mid": "the residual stream between attention and MLP",
    "hook_mlp_in": "the residual stream before the MLP's norm",
    "hook_attn_in": "the residual stream before the attention's norm",
    "ln1.hook_normalized": "the attention's input before the norm's gain",
    "ln2.hook_normalized": "the MLP's input before the norm's gain",
    "mlp.hook_post": "the hidden neurons of the MLP",
    "mlp.hook_pre": "the hidden neurons of the MLP before their activation function",
}


def transformer_lens_name(hook: HookPoint) -> str:
    """What TransformerLens and SAELens call `hook`, for instance "blocks.15.hook_resid_post"."""
    return f"blocks.{hook.layer}.{_LENS[hook.site]}"


def from_transformer_lens(name: str, model_name: str = "") -> Place:
    """The hook point of a TransformerLens name such as "blocks.15.hook_resid_post"."""
    if name == "hook_embed":
        # Without learned positions the embedding is the first block's input; GPT-2 and its like add positions to it.
        return Place(HookPoint("resid_pre", 0)) if is_gemma(model_name) else _elsewhere(name, "the token embedding")
    match = re.fullmatch(r"blocks\.(\d{1,4})\.(.{1,80})", name)
    if match is None:
        return _unknown(name)
    layer, place = int(match[1]), match[2]
    if site := _FROM_LENS.get(place):
        return Place(HookPoint(site, layer))
    if place == "mlp.hook_out":
        if has_post_norms(model_name):
            return _elsewhere(name, "the MLP's output before the norm that follows it")
        return Place(HookPoint("mlp_out", layer))
    return _elsewhere(name, _LENS_ELSEWHERE[place]) if place in _LENS_ELSEWHERE else _unknown(name)


_BLOCK = r"(?:[a-z_]+\.)*?(?:layers|h)\.(\d{1,4})"
_ATTENTION = r"(?:self_attn|attn|attention)"
_PROJECTION = r"(?:o_proj|c_proj|dense)"


def from_module_side(name: str, model_name: str = "") -> Place:
    """The hook point of a module path and side such as "model.layers.15.self_attn.o_proj.input"."""
    match = re.fullmatch(_BLOCK + r"(?:\.(.{1,80}))?\.(input|output)", name)
    if match is None:
        return _unknown(name)
    layer, module, side = int(match[1]), match[2], match[3]
    if module is None:
        return Place(HookPoint("resid_pre" if side == "input" else "resid_post", layer))
    if re.fullmatch(rf"{_ATTENTION}\.{_PROJECTION}", module) and side == "input":
        return Place(HookPoint("attn_z", layer))
    if (module, side) in (("mlp", "input"), ("pre_feedforward_layernorm", "output")):
        return Place(HookPoint("mlp_in", layer))
    if module == "post_feedforward_layernorm" and side == "output":
        return Place(HookPoint("mlp_out", layer))
    if module == "post_attention_layernorm" and side == "output":
        # One name, two places: Gemma 2 and later norm what attention adds, Llama norms what the MLP is given.
        return Place(HookPoint("attn_out" if has_post_norms(model_name) else "mlp_in", layer))
    if module == "pre_feedforward_layernorm" and side == "input":
        return _elsewhere(name, _LENS_ELSEWHERE["hook_mlp_in"])
    if side == "output" and (module == "mlp" or re.fullmatch(_ATTENTION, module)):
        if has_post_norms(model_name):
            return _elsewhere(name, f"the output of {module} before the norm that follows it")
        return Place(HookPoint("mlp_out" if module == "mlp" else "attn_out", layer))
    return _unknown(name)


def from_module(name: str, side: str, model_name: str = "") -> Place:
    """The hook point on one side of a module whose path carries none, such as "layers.15" or "h.3.mlp"."""
    if name.rsplit(".", 1)[-1] in ("embed_tokens", "embed_in") and side == "output":
        return Place(HookPoint("resid_pre", 0))  # rotary models: the embedding is the first block's input
    return from_module_side(f"{name}.{side}", model_name)


def is_gemma(model_name: str) -> bool:
    """Whether a model's name says Gemma, of any generation."""
    return "gemma" in model_name.lower()


def has_post_norms(model_name: str) -> bool:
    """Whether a model's name says Gemma 2 or later, which norms what attention and MLP give before adding it."""
    return re.search(r"gemma-?[2-9]", model_name.lower()) is not None


def _elsewhere(name: str, what: str) -> Place:
    return Place(None, f"It hooks into {what} ({name}), which is none of Semascope's hook points.")


def _unknown(name: str) -> Place:
    return Place(None, f"Its hook point “{name[:80]}” is not known.") if name else NOWHERE
