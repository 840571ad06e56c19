"""What SAELens' config has no field for, kept in its metadata under "semascope", so that converting an SAE loses nothing.

Written by `save`, read by `formats.saelens`. Imports no torch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.models.hookpoint import hooks_text, parse_hooks
from semascope.core.saes.config import PROCESSINGS, Processing, SAEConfig
from semascope.core.saes.hooks import from_transformer_lens, transformer_lens_name

KEY = "semascope"

_PLAIN = SAEConfig(format="", architecture="", activation="", d_in=0, d_out=0, d_sae=0)
_FIELDS = ("scale", "rectify", "denormalize", "mask_first", "l0", "head")
_PLACES = (
    "hook_name",
    "hook_name_out",
    "hook_point",
    "hook_layer",
    "hook_point_layer",
    "hf_hook_name",
    "hf_hook_name_out",
)


def facts(config: SAEConfig) -> dict[str, Any]:
    """The metadata of an SAE: what its release says, and what SAELens could not tell again.

    Another release than SAELens may mean something else by one of SAELens' names, so its words are kept apart ("release").
    """
    kept = config.metadata.get(KEY)
    own: dict[str, Any] = {"processing": config.processing}
    for name in ("converted_from", "release"):
        if isinstance(kept, dict) and name in kept:
            own[name] = kept[name]
    for name in _FIELDS:
        if getattr(config, name) != getattr(_PLAIN, name):
            own[name] = getattr(config, name)
    if config.is_transcoder and config.apply_b_dec_to_input:  # which no transcoder of SAELens does
        own["subtracts_b_dec"] = True
    if config.mask_ids:
        own["mask_ids"] = list(config.mask_ids)
    for name, hooks in (("reads", config.reads), ("writes", config.writes)):
        if any(not _reads_back(str(hook), transformer_lens_name(hook), config.model_name) for hook in hooks):
            own[name] = hooks_text(hooks)
    own |= {name: list(said) for name, said in (("notes", config.notes), ("problems", config.problems)) if said}
    if config.format in ("saelens", ""):
        return {**{name: value for name, value in config.metadata.items() if name not in _PLACES}, KEY: own}
    own["converted_from"] = config.format
    if config.metadata:
        own["release"] = dict(config.metadata)
    return {KEY: own}


def _reads_back(hook: str, name: str, model: str) -> bool:
    return bool(name) and str(from_transformer_lens(name, model).hook) == hook


def with_facts(config: SAEConfig, about: Fields) -> SAEConfig:
    """`config` with what `facts` wrote into its metadata.

    Raises:
        UserError: It is not what was written.
    """
    own = about.section(KEY) if isinstance(about.content.get(KEY), dict) else Fields({}, KEY)
    processing = own.text("processing", config.processing)
    if processing not in PROCESSINGS:
        raise UserError(f"{own.source} names the processing “{processing[:40]}”, which is not known.")
    ids = own.content.get("mask_ids")
    notes, problems = own.content.get("notes"), own.content.get("problems")
    reads, writes = (parse_hooks(own.text(name)) if own.text(name) else () for name in ("reads", "writes"))
    return replace(
        config,
        reads=reads or config.reads,
        writes=writes or config.writes,
        processing=cast("Processing", processing),
        scale=own.number("scale", config.scale),
        rectify=own.flag("rectify", config.rectify),
        apply_b_dec_to_input=own.flag("subtracts_b_dec", config.apply_b_dec_to_input),
        denormalize=own.flag("denormalize", config.denormalize),
        mask_first=own.whole("mask_first") or config.mask_first,
        mask_ids=tuple(each for each in ids if isinstance(each, int)) if isinstance(ids, list) else config.mask_ids,
        l0=own.number("l0", 0.0) if "l0" in own else config.l0,
        head=config.head if own.whole("head") is None else own.whole("head"),
        notes=_sentences(notes) if isinstance(notes, list) else config.notes,
        # What was known of its place when it was saved, the place may have been told since.
        problems=tuple(
            problem
            for problem in (_sentences(problems) if isinstance(problems, list) else config.problems)
            if not ("hook point" in problem and (reads or config.reads))
        ),
    )


def _sentences(said: list[Any]) -> tuple[str, ...]:
    return tuple(str(sentence)[:500] for sentence in said[:100])
