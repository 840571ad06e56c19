"""Every format's name for a place in the model as a `HookPoint`, and TransformerLens' name for a `HookPoint`.

Releases speak three dialects: TransformerLens ("blocks.15.hook_resid_post"), Hugging Face module paths with a side
("model.layers.15.output", Gemma Scope 2) and module paths without one ("layers.15", EleutherAI sparsify). A place that
is none of our hook points gives None and a sentence, so that no feature is ever read in the wrong place silently. Which
module of a real model a hook point is, `core.models.tree` says.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from semascope.core.models.hookpoint import HookPoint, Hooks


class Place(NamedTuple):
    """Where a name points: a hook point, or None and a sentence that says why."""

    hook: HookPoint | None
    problem: str = ""

    @property
    def hooks(self) -> Hooks:
        """The hook point by itself, () for none."""
        return () if self.hook is None else (self.hook,)


def place_problems(*places: Place) -> list[str]:
    """What is wrong with the places, each sentence once."""
    return list(dict.fromkeys(place.problem for place in places if place.problem))


NOWHERE = Place(
    None, "It does not say which layer and hook point it was made for: give the place, for instance resid_post.8."
)

_LENS = {
    "resid_pre": "hook_resid_pre",
    "resid_mid": "hook_resid_mid",
    "resid_post": "hook_resid_post",
    "attn_norm": "ln1.hook_normalized",
    "attn_z": "attn.hook_z",
    "attn_out": "hook_attn_out",
    "mlp_in": "mlp.hook_in",
    "mlp_norm": "ln2.hook_normalized",
    "mlp_act": "mlp.hook_post",
    "mlp_out": "hook_mlp_out",
    "mlp_raw": "mlp.hook_out",
    "attn_in": "attn.hook_in",
    "attn_raw": "attn.hook_out",
}
# The inputs of attention and MLP before their norms are the residual stream, whatever they are called.
_FROM_LENS = {lens: site for site, lens in _LENS.items()} | {"hook_attn_in": "resid_pre", "hook_mlp_in": "resid_mid"}

_RAW = {"mlp_out": "mlp_raw", "attn_out": "attn_raw"}
"""What a module adds, and what it gives: one place but in models that norm it between."""

_LENS_ELSEWHERE = {
    "mlp.hook_pre": "the hidden neurons of the MLP before their activation function",
    "attn.hook_q": "the queries of the attention heads",
    "attn.hook_k": "the keys of the attention heads",
    "attn.hook_v": "the values of the attention heads",
    "attn.hook_result": "what each attention head adds by itself",
}


def transformer_lens_name(hook: HookPoint) -> str:
    """What TransformerLens and SAELens call `hook`, for instance "blocks.15.hook_resid_post"; "" in an image tower."""
    if hook.tower:
        return ""
    site = hook.normed if hook.site in _RAW and hook.normed == _RAW[hook.site] else hook.site
    return "hook_embed" if site == "embed" else f"blocks.{hook.layer}.{_LENS[site]}"


def from_transformer_lens(name: str, model_name: str = "", tower: str = "") -> Place:
    """The hook point of a TransformerLens name such as "blocks.15.hook_resid_post".

    SAELens also runs plain `transformers` models; then the name is a module's path, and means its output.
    """
    if name == "hook_embed":
        # Gemma adds no positions: its embedding, with its factor, is the first block's input.
        return Place(HookPoint("resid_pre", 0) if is_gemma(model_name) else HookPoint("embed", 0, tower))
    match = re.fullmatch(r"blocks\.(\d{1,4})\.(.{1,80})", name)
    if match is None:
        return from_module(name, "output", model_name) if "." in name else _unknown(name)
    layer, place = int(match[1]), match[2]
    if site := _FROM_LENS.get(place):
        plain = site.replace("raw", "out")  # the same place where no norm follows
        return Place(_by_norms(plain, site, layer, tower, model_name))
    return _elsewhere(name, _LENS_ELSEWHERE[place]) if place in _LENS_ELSEWHERE else _unknown(name)


_BLOCK = r"(?P<above>(?:[a-z_]+\.)*?)(?:layers|layer|h|blocks)\.(?P<layer>\d{1,4})"
_ATTENTION = r"(?:self_attn|attn|attention|linear_attn)"
_VISION = ("vision", "visual")


def from_module_side(name: str, model_name: str = "") -> Place:
    """The hook point of a module path and side such as "model.layers.15.self_attn.o_proj.input"."""
    path, _, side = name.rpartition(".")
    if side not in ("input", "output"):
        return _unknown(name)
    if path.rsplit(".", 1)[-1] in ("embed_tokens", "embed_in") and side == "output":
        return Place(HookPoint("resid_pre", 0))  # rotary models: the embedding is the first block's input
    if path.rsplit(".", 1)[-1] == "wte" and side == "output":
        return Place(HookPoint("embed", 0))
    match = re.fullmatch(_BLOCK + r"(?:\.(?P<module>.{1,80}))?", path)
    if match is None:
        return _unknown(name)
    tower = "vision" if any(word in match["above"] for word in _VISION) else ""
    plain, normed = (_site_of_module(match["module"] or "", side, each) for each in (False, True))
    return Place(_by_norms(plain, normed, int(match["layer"]), tower, model_name)) if plain else _unknown(name)


def _by_norms(plain: str, normed: str, layer: int, tower: str, model_name: str) -> HookPoint:
    """The site `plain`, or `normed` in a model with norms behind its modules; the model itself decides if its name doesn't."""
    norms = has_post_norms(model_name)
    if norms is None:
        return HookPoint(plain, layer, tower, "" if normed == plain else normed)
    return HookPoint(normed if norms else plain, layer, tower)


def _site_of_module(module: str, side: str, post_norms: bool) -> str:
    """The site at one side of a module within a block, "" where there is none.

    Args:
        module: The module's path within the block, "" for the block itself.
        side: "input" or "output".
        post_norms: Whether the model norms what attention and MLP give before adding it, as Gemma 2 and later do.
    """
    if re.fullmatch(_ATTENTION + r"\.(?:o_proj|c_proj|dense|out_proj|output\.dense)", module):
        module = "attention projection"
    elif re.fullmatch(r"mlp\.(?:down_proj|c_proj|dense_4h_to_h|fc2|linear_fc2)", module):
        module = "mlp projection"
    elif re.fullmatch(_ATTENTION, module):
        module = "attention"
    # One name, two places: Gemma 2 and later norm what attention adds, Llama norms what the MLP is given.
    if module == "post_attention_layernorm":
        module = "attention's post-norm" if post_norms else "mlp's norm"
    mlp, attention = ("mlp_raw", "attn_raw") if post_norms else ("mlp_out", "attn_out")
    return {
        ("", "input"): "resid_pre",
        ("", "output"): "resid_post",
        ("input_layernorm", "input"): "resid_pre",
        ("ln_1", "input"): "resid_pre",
        ("input_layernorm", "output"): "attn_in",
        ("ln_1", "output"): "attn_in",
        ("attention", "input"): "attn_in",
        ("attention projection", "input"): "attn_z",
        ("attention projection", "output"): attention,
        ("attention", "output"): attention,
        ("attention's post-norm", "input"): "attn_raw",
        ("attention's post-norm", "output"): "attn_out",
        ("mlp's norm", "input"): "resid_mid",
        ("ln_2", "input"): "resid_mid",
        ("pre_feedforward_layernorm", "input"): "resid_mid",
        ("mlp's norm", "output"): "mlp_in",
        ("ln_2", "output"): "mlp_in",
        ("pre_feedforward_layernorm", "output"): "mlp_in",
        ("mlp", "input"): "mlp_in",
        ("mlp projection", "input"): "mlp_act",
        ("mlp projection", "output"): mlp,
        ("mlp", "output"): mlp,
        ("post_feedforward_layernorm", "input"): "mlp_raw",
        ("post_feedforward_layernorm", "output"): "mlp_out",
    }.get((module, side), "")


def from_module(name: str, side: str, model_name: str = "") -> Place:
    """The hook point on one side of a module whose path carries none, such as "layers.15" or "h.3.mlp"."""
    place = from_module_side(f"{name}.{side}", model_name)
    return place if place.hook else _unknown(name)


def is_gemma(model_name: str) -> bool:
    """Whether a model's name says Gemma, of any generation."""
    return "gemma" in model_name.lower()


_WITH_POST_NORMS = r"(?<![a-z])gemma[-_]?[2-9](?!\d*b)|shieldgemma|medgemma|paligemma[-_]?2|olmo[-_]?[2-9]"
_WITHOUT = (
    r"gpt[-_]?(?:2|j|neo|oss)|pythia|llama|mistral|mixtral|ministral|qwen|qwq|smol|vicuna|llava|phi|opt-|bloom|falcon"
    r"|deepseek|stablelm|tinystories|gemma"
)


def has_post_norms(model_name: str) -> bool | None:
    """Whether a model norms what attention and MLP give before adding it, by its name; None when the name doesn't tell."""
    name = model_name.lower()
    return True if re.search(_WITH_POST_NORMS, name) else False if re.search(_WITHOUT, name) else None


def _elsewhere(name: str, what: str) -> Place:
    return Place(None, f"It hooks into {what} ({name}), which is none of Semascope's hook points.")


def _unknown(name: str) -> Place:
    return Place(None, f"Its hook point “{name[:80]}” is not known.") if name else NOWHERE
