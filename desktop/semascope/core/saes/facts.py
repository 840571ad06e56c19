"""What SAELens' config has no field for, kept in its metadata under "semascope", so that converting an SAE loses nothing.

Written by `save`, read by `formats.saelens`. Imports no torch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.models.hookpoint import hooks_text, parse_hooks
from semascope.core.saes.config import PROCESSINGS, SAEConfig
from semascope.core.saes.hooks import from_transformer_lens, transformer_lens_name

KEY = "semascope"

_PLAIN = SAEConfig(format="", architecture="", activation="", d_in=0, d_out=0, d_sae=0)


def facts(config: SAEConfig) -> dict[str, Any]:
    """The metadata of an SAE: what its release says, and what SAELens could not tell again."""
    kept = config.metadata.get(KEY)
    own: dict[str, Any] = dict(kept) if isinstance(kept, dict) else {}
    for name in ("processing", "scale", "rectify", "mask_first", "l0", "head"):
        if getattr(config, name) != getattr(_PLAIN, name):
            own[name] = getattr(config, name)
    if config.mask_ids:
        own["mask_ids"] = list(config.mask_ids)
    for name, hooks in (("reads", config.reads), ("writes", config.writes)):
        if any(not _reads_back(str(hook), transformer_lens_name(hook), config.model_name) for hook in hooks):
            own[name] = hooks_text(hooks)
    if config.format not in ("saelens", ""):
        own["converted_from"] = config.format
    if config.notes:
        own["notes"] = list(config.notes)
    return {**config.metadata, **({KEY: own} if own else {})}


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
    notes = own.content.get("notes")
    hooks = {name: parse_hooks(own.text(name)) for name in ("reads", "writes") if own.text(name)}
    return replace(
        config,
        processing=processing,
        scale=own.number("scale", config.scale),
        rectify=own.flag("rectify", config.rectify),
        mask_first=own.whole("mask_first") or config.mask_first,
        mask_ids=tuple(each for each in ids if isinstance(each, int)) if isinstance(ids, list) else config.mask_ids,
        l0=own.number("l0", 0.0) if "l0" in own else config.l0,
        head=config.head if own.whole("head") is None else own.whole("head"),
        notes=tuple(str(note)[:500] for note in notes) if isinstance(notes, list) else config.notes,
        # A place that SAELens has no name for is known after all.
        problems=tuple(p for p in config.problems if not hooks or "hook point" not in p),
        **hooks,
    )
