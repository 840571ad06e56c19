"""What SAELens' settings say of the activations: where they were taken, in what form, at which positions.

Some published folders leave it out, and SAELens itself knows it from a list of releases that it brings along. What that
list says of them is here too, and always said aloud.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from semascope.core.foreign.fields import Fields
from semascope.core.saes.config import Processing, SAEConfig
from semascope.core.saes.hooks import Place, from_module, from_module_side, from_transformer_lens

_GPT2 = re.compile(r"(?:openai-community/)?(?:gpt2(?:-\w+)?|distilgpt2)")
_MIXED = "refactor_factored_attn_matrices"


def places(about: Fields, transcoder: bool) -> tuple[Place, Place]:
    """Where it reads, and where what it gives belongs."""
    read = _place(about, about.text("hook_name") or about.text("hook_point"), about.text("hf_hook_name"))
    if head(about) is not None and (read.hook is None or read.hook.site != "attn_z"):
        read = Place(None, "It reads a part of a single attention head that is none of Semascope's hook points.")
    if not transcoder:
        return read, read
    return read, _place(about, about.text("hook_name_out"), about.text("hf_hook_name_out"))


def _place(about: Fields, lens_name: str, module_name: str) -> Place:
    """TransformerLens' name first; the module's where that says more (SAELens calls Gemma's MLP input by a wrong name)."""
    place = from_transformer_lens(lens_name, about.text("model_name"))
    if module_name and (place.hook is None or lens_name.endswith(".hook_mlp_in")):
        by_module = from_module_side(module_name, about.text("model_name"))
        if by_module.hook is None:  # a path without a side means the module's output
            by_module = from_module(module_name, "output", about.text("model_name"))
        return by_module if by_module.hook else place
    return place


def head(about: Fields) -> int | None:
    """The one head of hook_z that it reads."""
    index = about.whole("hook_head_index")
    return about.whole("hook_point_head_index") if index is None else index


def mask_first(about: Fields) -> int:
    """Positions at the start of a context that were left out of training."""
    span = about.content.get("seqpos_slice")
    first = span[0] if isinstance(span, list) and span else None
    return first if type(first) is int and 0 < first < 1 << 20 else 0


def mask_ids(about: Fields) -> tuple[int, ...]:
    """Tokens that were left out of training, where the config lists them; special ones always are."""
    ids = about.content.get("exclude_special_tokens")
    return tuple(each for each in ids if type(each) is int) if isinstance(ids, list) else ()


def mask_notes(about: Fields) -> list[str]:
    """What else the config says of the positions it was trained on."""
    span = about.content.get("seqpos_slice")
    rest = [each for each in span[1:] if each is not None] if isinstance(span, list) else []
    return [f"It was trained on the positions {span} of each context only."] if rest else []


def form(about: Fields, place: Place, normalize: str) -> tuple[Processing, list[str]]:
    """In what form it takes activations, and why, in sentences.

    Since version 3 SAELens takes them as the model computes them, but for what `model_from_pretrained_kwargs` says. Before
    (its config says `hook_point`) it took them as TransformerLens processes a model by default: known of GPT-2.
    """
    said = about.section("model_from_pretrained_kwargs").content
    early = "hook_point" in about and _GPT2.fullmatch(about.text("model_name")) is not None
    heads = place.hook is not None and place.hook.site == "attn_z"
    centres = said.get("center_writing_weights", early) is True
    folds = said.get("fold_value_biases", early) is True
    notes = []
    if said.get(_MIXED) is True and heads:
        notes.append(f"Its config says {_MIXED}, which turns the heads' outputs in a way that is not undone here.")
    if normalize == "layer_norm" and not heads:
        return "raw", notes  # which takes the mean off anyway
    if heads and folds:
        why = "SAELens before version 3 took them so" if early else "its config says fold_value_biases"
        return "folded", [*notes, f"It takes the heads' outputs without their value biases: {why}."]
    if not centres:
        return "raw", notes
    if early and "center_writing_weights" not in said:
        why = "SAELens before version 3 took those of GPT-2 so, which the folder itself does not say"
    else:
        why = "its config says center_writing_weights"
    return "centred", [*notes, f"It takes activations with their mean over the width taken off: {why}."]


class _Release(NamedTuple):
    """A release whose folders lack what SAELens' list says of them.

    Attributes:
        name: The repository.
        path: What the path of such a folder contains.
        model: The model's name as a pattern, site and widths (d_in, d_sae): what such an SAE is like under any path.
        scales: The factor of the input, by layer; where there are any, of folders that leave it out alone.
        normalize: What happens to each activation first, or "".
        centred: Whether activations were centred.
    """

    name: str
    path: str
    model: str
    site: str
    widths: tuple[int, int]
    scales: Mapping[int, float] = {}
    normalize: str = ""
    centred: bool = False


_RELEASES = (
    _Release(
        "tommmcgrath/gpt2-small-mlp-out-saes",
        r"gpt2-small-mlp-out-saes|sae_group_gpt2_blocks\.\d+\.hook_mlp_out_24576",
        r"gpt2(?:-small)?",
        "mlp_out",
        (768, 24576),
        {
            0: 1.049317316132615, 1: 2.3693984005104283, 2: 1.6411934982190302, 3: 1.8958522157897557,
            4: 1.81673478700627, 5: 1.550234472245924, 6: 1.3237742807210804, 7: 1.1042905114723296,
            8: 0.9123762783479742, 9: 0.6955335635232373, 10: 0.3619728926727644, 11: 0.2851548652550073,
        },
        centred=True,
    ),
    _Release(
        "jbloom/Gemma-2b-Residual-Stream-SAEs",
        r"gemma_2b_blocks\.12\.hook_resid_post_16384(?![^/])",
        r"(?:google/)?gemma-2b",
        "resid_post",
        (2048, 16384),
        {12: 0.21381938399317255},
    ),
    _Release(
        "JoshEngels/Mistral-7B-Residual-Stream-SAEs",
        r"Mistral-7B-Residual-Stream-SAEs|mistral_7b_layer_\d+",
        r"(?:mistralai/)?mistral-7b(?:-v0\.1)?",
        "resid_pre",
        (4096, 65536),
        normalize="constant_norm_rescale",
    ),
)  # fmt: skip


def as_listed(config: SAEConfig, path: str) -> SAEConfig:
    """`config` with what SAELens' list of releases says of the folder at `path` and the folder itself does not."""
    for release in _RELEASES:
        if not _is(release, config, path):
            continue
        scale = release.scales.get(config.reads[0].layer) if config.normalize == "expected_average_only_in" else None
        source = f"SAELens' list of releases says of {release.name}, and the folder does not"
        if scale is not None:
            config = replace(config, scale=scale, normalize="none")
            config = _noted(config, f"Activations are multiplied by {scale:.6g} first: {source}.")
        if release.normalize and config.normalize == "none":
            config = replace(config, normalize=release.normalize)
            config = _noted(config, f"Every activation is scaled to the norm √d first: {source}.")
        if release.centred and config.processing == "raw":
            config = replace(config, processing="centred")
            config = _noted(config, f"It takes activations with their mean over the width taken off: {source}.")
    return config


def _is(release: _Release, config: SAEConfig, path: str) -> bool:
    if not config.reads or config.reads[0].site != release.site:
        return False
    alike = (config.d_in, config.d_sae) == release.widths
    return re.search(release.path, path) is not None or (
        alike and re.fullmatch(release.model, config.model_name, re.IGNORECASE) is not None
    )


def _noted(config: SAEConfig, note: str) -> SAEConfig:
    return replace(config, notes=(*config.notes, note))
