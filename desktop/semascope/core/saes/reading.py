"""How activations are handed to an SAE, where a person knows better than its files: hook point, form, scale, normalisation.

Releases leave these out or get them wrong, and a wrong one is silent: features fire on nothing that means anything. The
self-check (`check`) tries alternatives; what is chosen is a `Reading`, kept with the SAE. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import Hooks, hooks_text, parse_hooks
from semascope.core.saes.config import NORMALISATIONS, PROCESSINGS, Processing, SAEConfig


@dataclass(frozen=True)
class Reading:
    """What to change about how an SAE is read; a field left alone changes nothing.

    Attributes:
        hooks: Read here. Of an SAE the output belongs here too; of a transcoder it stays where it was.
        hooks_out: Write there.
        processing: One of `config.PROCESSINGS`, or None.
        scale: Multiply activations by this first, and divide reconstructions by it; or None.
        normalize: One of `config.NORMALISATIONS`, or None.
        threshold: Multiply thresholds by this; or None. Some were saved without a factor that their weights contain.
    """

    hooks: Hooks = ()
    hooks_out: Hooks = ()
    processing: str | None = None
    scale: float | None = None
    normalize: str | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.processing is not None and self.processing not in PROCESSINGS:
            raise UserError(f"“{self.processing}” is not a form of activations.", f"One of {', '.join(PROCESSINGS)}.")
        if self.normalize is not None and self.normalize not in NORMALISATIONS:
            raise UserError(f"“{self.normalize}” is not a normalisation.", f"One of {', '.join(NORMALISATIONS)}.")
        if self.scale is not None and not (math.isfinite(self.scale) and self.scale > 0):
            raise UserError(f"{self.scale} is not a scale.", "Give a number above 0.")
        if self.threshold is not None and not (math.isfinite(self.threshold) and self.threshold > 0):
            raise UserError(f"{self.threshold} is not a factor of thresholds.", "Give a number above 0.")

    def __bool__(self) -> bool:
        return self != Reading()

    def apply(self, config: SAEConfig) -> SAEConfig:
        """`config` as it is read by this."""
        reads = self.hooks or config.reads
        given = self.hooks_out or (config.writes if config.is_transcoder and config.writes else ()) or reads
        return replace(
            config,
            reads=reads,
            writes=given,
            processing=cast("Processing", self.processing or config.processing),
            scale=config.scale if self.scale is None else self.scale,
            threshold_factor=config.threshold_factor if self.threshold is None else self.threshold,
            normalize=self.normalize or config.normalize,
            # What the files could not say has been said.
            problems=tuple(problem for problem in config.problems if not (self.hooks and _about_place(problem))),
        )

    def __str__(self) -> str:
        """For people: "at resid_pre.8, centred, scale 0.285"."""
        return ", ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        if self.hooks:
            yield f"at {hooks_text(self.hooks)}"
        if self.hooks_out:
            yield f"writing to {hooks_text(self.hooks_out)}"
        if self.processing is not None:
            yield self.processing
        if self.scale is not None:
            yield f"scale {self.scale:.4g}"
        if self.threshold is not None:
            yield f"thresholds × {self.threshold:.4g}"
        if self.normalize is not None:
            yield f"normalised by {self.normalize}"

    def to_json(self) -> dict[str, Any]:
        """What a session and a harvest keep."""
        whole = {
            "hooks": hooks_text(self.hooks),
            "hooks_out": hooks_text(self.hooks_out),
            "processing": self.processing,
            "scale": self.scale,
            "normalize": self.normalize,
            "threshold": self.threshold,
        }
        return {name: value for name, value in whole.items() if value not in ("", None)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Reading:
        """The reading that `to_json` wrote.

        Raises:
            UserError: The record holds no such reading.
        """
        texts = {name: record.get(name) for name in ("hooks", "hooks_out", "processing", "normalize")}
        numbers = {name: record.get(name) for name in ("scale", "threshold")}
        if any(not isinstance(text, str | None) for text in texts.values()) or any(
            not isinstance(number, float | int | None) for number in numbers.values()
        ):
            raise UserError("This is not a way of reading an SAE.")
        try:
            scale, threshold = (None if number is None else float(number) for number in numbers.values())
        except OverflowError as error:
            raise UserError("This is not a way of reading an SAE.") from error
        return cls(
            parse_hooks(texts["hooks"]) if texts["hooks"] else (),
            parse_hooks(texts["hooks_out"]) if texts["hooks_out"] else (),
            texts["processing"],
            scale,
            texts["normalize"],
            threshold,
        )


def _about_place(problem: str) -> bool:
    """Whether a problem is that the hook point is not known; `hooks` writes these sentences."""
    return "hook point" in problem
