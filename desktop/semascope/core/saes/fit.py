"""Does an SAE fit a model? In sentences, from the settings alone, so that it can be said before either is loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from semascope.core.models.hookpoint import STREAM, HookPoint
from semascope.core.saes.config import SAEConfig

Widths = Callable[[HookPoint], int | None]
"""The width of a model's activations at a hook point; None where it is not known."""

_NORMED = frozenset({"attn_in", "attn_norm", "mlp_in", "mlp_norm"})  # as wide as the stream they are normed from


def stream_widths(d_model: int) -> Widths:
    """The widths that a model's settings tell: those of the residual stream and of what is normed from it."""

    def width(hook: HookPoint) -> int | None:
        return d_model if (hook.site in STREAM or hook.site in _NORMED) and not hook.tower else None

    return width


def fits(config: SAEConfig, layers: int, width: Widths, model: str = "this model", images: int = 0) -> list[str]:
    """What keeps an SAE from being used on a model; nothing when it fits.

    Args:
        config: The SAE.
        layers: Number of the model's blocks.
        width: How wide the model's activations are; it may raise nothing for layers that are there.
        model: The model's name, for the sentences.
        images: Number of blocks of its image tower, 0 for none.
    """
    if not config.reads:
        return list(config.problems) or ["This SAE does not say which layer and hook point it was made for."]
    return list(dict.fromkeys(_misfits(config, layers, width, model, images)))


def _misfits(config: SAEConfig, layers: int, width: Widths, model: str, images: int) -> Iterator[str]:
    if len(config.reads) != config.places:
        yield f"This SAE reads {config.places} hook points, not {len(config.reads)}."
    if config.places > 1 and config.writes and len(config.writes) != config.places:
        yield f"This SAE writes to {config.places} hook points, not {len(config.writes)}."
    for place, wanted, verb in (
        *((place, config.d_in, "reads") for place in config.reads),
        *((place, config.d_out, "gives") for place in config.writes if config.is_transcoder),
    ):
        blocks = images if place.tower else layers
        if place.tower and not images:
            yield f"This SAE belongs to an image tower; {model} has none."
        elif place.layer >= blocks:
            whose = f"the image tower of {model}" if place.tower else model
            yield f"This SAE belongs to layer {place.layer}; the layers of {whose} are 0 to {blocks - 1}."
        elif config.head is None and (there := width(place)) not in (None, wanted):
            yield f"This SAE {verb} activations of width {wanted}; {model} has {there} at {place}."


_SAME = {"gpt2small": "gpt2", "gpt2small124m": "gpt2", "gpt2124m": "gpt2"}


def other_model(config: SAEConfig, names: Iterable[str]) -> str:
    """A remark on an SAE whose files name another model than this one; "" where they name none, or this one.

    Args:
        config: The SAE.
        names: What the model is called: its folder, and by its own settings.
    """
    wanted = _plain(config.model_name)
    called = [name for name in names if name]
    if not wanted or not called or any(wanted == _plain(name) for name in called):
        return ""
    return f"By its files it was made for {config.model_name[:120]}, and this is {called[0][:120]}."


def _plain(name: str) -> str:
    """A model's name without its publisher, and however it is punctuated."""
    letters = re.sub(r"[^a-z0-9.]+", "", name.rstrip("/").rsplit("/", 1)[-1].lower()).removesuffix("hf")
    return _SAME.get(letters, letters)
