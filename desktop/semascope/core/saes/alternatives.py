"""How else an SAE might be read: the ways that releases are known to be misread, for the self-check to try.

What its files leave out or get wrong is the form of its activations (`formats.md`, section 6), a scale that was never
folded into the weights, a normalisation named nowhere, and the hook point. Only combinations that make sense together are
tried, about ten at one place. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import STREAM, HookPoint, Hooks, hooks_text
from semascope.core.saes.config import NORMALISATIONS, SAEConfig
from semascope.core.saes.reading import Reading

if TYPE_CHECKING:
    from semascope.core.models.model import LanguageModel

_AROUND = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "mlp_in", "mlp_norm", "attn_raw", "mlp_raw")
"""Sites of one layer that a dictionary of the residual stream's width may belong to, in the order of trying."""
_MLP_INPUTS = ("mlp_in", "mlp_norm", "resid_mid", "resid_pre")
_MLP_OUTPUTS = ("mlp_out", "mlp_raw")


@dataclass(frozen=True)
class Places:
    """Where an SAE may read and write."""

    reads: Hooks
    writes: Hooks


def forms(config: SAEConfig, model: LanguageModel) -> list[str]:
    """The forms of activations that are worth telling apart at an SAE's hook points; its own is the first."""
    found: list[str] = [config.processing]
    if not model.centrable or any(hook.tower for hook in config.reads):
        return found
    if any(hook.site in STREAM for hook in (*config.reads, *config.writes)):
        found += ["raw", "centred"]
    elif len(config.reads) == 1 and config.reads[0].site == "attn_z":
        found += ["raw", "folded"]
    # Where nothing is folded but what is centred, "folded" is "centred" by another name.
    same = {"folded": "centred"} if any(hook.site in STREAM for hook in config.reads) else {}
    return [found[0], *(form for form in dict.fromkeys(found[1:]) if form not in (found[0], same.get(found[0])))]


def readings(config: SAEConfig, model: LanguageModel, natural: float) -> Iterator[Reading]:
    """Other forms, scales and normalisations at the same hook points.

    Args:
        config: The SAE as it is read now.
        model: The model.
        natural: √d / mean‖x‖ there, the factor that brings activations to the norm √d, as training does; 1 for about 1.
    """
    scales = [1.0] * (config.scale != 1.0)
    scales += [natural, float(f"{1 / natural:.3g}")] * (natural != 1.0)
    for form in forms(config, model):
        changed = Reading(processing=form if form != config.processing else None)
        if changed:
            yield changed
        yield from (replace(changed, scale=scale) for scale in scales if scale != config.scale)
        if config.activation == "jumprelu" and config.encoders == 1 and not changed:
            yield from (Reading(threshold=config.threshold_factor * each) for each in scales if each != 1.0)
        if len(config.reads) == 1 and not config.is_transcoder:
            yield from (replace(changed, normalize=way) for way in _normalisations(config, first=not changed))


def _normalisations(config: SAEConfig, first: bool) -> Iterator[str]:
    for way in NORMALISATIONS:
        told_apart = way != "expected_average_only_in"  # which does nothing, as "none"
        if told_apart and way != config.normalize and (first or way != "layer_norm"):  # which centres by itself
            yield way


def neighbours(config: SAEConfig, model: LanguageModel) -> list[Places]:
    """Other hook points of the same width at the same layer, and the same ones a layer before and after."""
    if not config.reads or config.head is not None or any(hook.tower for hook in (*config.reads, *config.writes)):
        return []
    found = [*_other_sites(config), *_other_layers(config, model.n_layers)]
    taken = {_canonical(Places(config.reads, config.writes))}
    return list(_new(found, config, model, taken))


def everywhere(config: SAEConfig, model: LanguageModel) -> Iterator[list[Places]]:
    """Hook points in every layer, of an SAE whose files name none: the likeliest first, then what is left to try."""
    layers = range(model.n_layers)
    taken: set[Places] = set()
    if config.is_transcoder:
        for read in ("mlp_in", "mlp_norm", "resid_mid"):
            found = [Places((HookPoint(read, i),), (HookPoint("mlp_out", i),)) for i in layers]
            yield list(_new(found, config, model, taken))
        return
    for sites in (("resid_post", "attn_z", "mlp_act"), ("mlp_out", "attn_out"), ("mlp_in", "resid_mid")):
        places = [HookPoint(site, i) for site in sites for i in layers]
        if "resid_post" in sites:
            places.insert(0, HookPoint("resid_pre", 0))
        yield list(_new([Places((place,), (place,)) for place in places], config, model, taken))


def _other_sites(config: SAEConfig) -> Iterator[Places]:
    read, written = ({hook.site for hook in hooks} for hooks in (config.reads, config.writes))
    if len(read) != 1 or len(written) != 1:
        return
    if config.is_transcoder:
        for site in _MLP_INPUTS:
            yield Places(_sited(config.reads, site), config.writes)
        for site in _MLP_OUTPUTS:
            yield Places(config.reads, _sited(config.writes, site))
    else:
        for site in _AROUND:
            yield Places(_sited(config.reads, site), _sited(config.writes, site))


def _other_layers(config: SAEConfig, layers: int) -> Iterator[Places]:
    for step in (-1, 1):
        moved = [hook.layer + step for hook in (*config.reads, *config.writes)]
        if all(0 <= layer < layers for layer in moved):
            yield Places(
                tuple(hook.at(hook.layer + step) for hook in config.reads),
                tuple(hook.at(hook.layer + step) for hook in config.writes),
            )


def _sited(hooks: Hooks, site: str) -> Hooks:
    return tuple(replace(hook, site=site) for hook in hooks)


def _new(found: list[Places], config: SAEConfig, model: LanguageModel, taken: set[Places]) -> Iterator[Places]:
    """Those that are in the model, are as wide as they must be, and are not the same place by another name."""
    for places in found:
        same = _canonical(places)
        if same in taken or not _fits(places, config, model):
            continue
        taken.add(same)
        yield places


def _canonical(places: Places) -> Places:
    """What flows out of a block flows into the next one."""
    return Places(*(tuple(_earliest(hook) for hook in hooks) for hooks in (places.reads, places.writes)))


def _earliest(hook: HookPoint) -> HookPoint:
    return HookPoint("resid_post", hook.layer - 1) if hook.site == "resid_pre" and hook.layer else hook


def _fits(places: Places, config: SAEConfig, model: LanguageModel) -> bool:
    try:
        widths = {model.width(hook) for hook in places.reads}, {model.width(hook) for hook in places.writes}
        distinct = places.reads[0].site.removesuffix("_raw") != places.reads[0].site
        # Without a post-norm the raw place is the same module.
        if distinct and model.tree.tap(places.reads[0]) == model.tree.tap(_cooked(places.reads[0])):
            return False
        written = places.writes[0]
        if written.site.endswith("_raw") and model.tree.tap(written) == model.tree.tap(_cooked(written)):
            return False
    except UserError:
        return False
    return widths == ({config.d_in}, {config.d_out})


def _cooked(hook: HookPoint) -> HookPoint:
    return replace(hook, site=hook.site.replace("_raw", "_out"))


def merged(first: Reading, change: Reading) -> Reading:
    """`first` with what `change` says instead."""
    return Reading(
        change.hooks or first.hooks,
        change.hooks_out or first.hooks_out,
        change.processing or first.processing,
        first.scale if change.scale is None else change.scale,
        change.normalize or first.normalize,
        first.threshold if change.threshold is None else change.threshold,
    )


def changes(reading: Reading) -> tuple[int, ...]:
    """How much a reading changes, for sorting: fewer things first, then those that releases leave out more often."""
    changed = (
        reading.processing,
        reading.scale,
        reading.hooks,
        reading.hooks_out,
        reading.normalize,
        reading.threshold,
    )
    asked = [thing is not None and thing != () for thing in changed]
    return (sum(asked), *(i for i, there in enumerate(asked) if there))


def words(change: Reading) -> str:
    """What a reading changes, to follow a number: "at resid_pre.8, with activations mean-centred"."""
    parts = []
    if change.hooks:
        parts.append(f"at {hooks_text(change.hooks)}")
    if change.hooks_out and change.hooks_out != change.hooks:
        parts.append(f"writing to {hooks_text(change.hooks_out)}")
    if change.processing is not None:
        parts.append(
            {
                "raw": "with activations as the model computes them",
                "centred": "with activations mean-centred",
                "folded": "with activations as TransformerLens gives them by default",
            }[change.processing]
        )
    if change.scale is not None:
        parts.append("with no scale" if change.scale == 1 else f"with activations multiplied by {change.scale:.3g}")
    if change.threshold is not None:
        parts.append(f"with thresholds multiplied by {change.threshold:.3g}")
    if change.normalize is not None:
        parts.append(
            {
                "layer_norm": "with every activation centred and divided by its standard deviation",
                "constant_norm_rescale": "with every activation rescaled to the norm √d",
            }.get(change.normalize, "without normalisation")
        )
    return ", ".join(parts) or "as its files say"
