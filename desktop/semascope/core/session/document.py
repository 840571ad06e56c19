"""What a session is: one frozen document with everything a person made or chose.

Nothing here reads or writes anything (`file` does) and nothing changes in place: an edit makes a new `Session` that
shares all untouched parts with the old one. What a person says about features belongs to a dictionary, not to a
session's current choice of one, so notes and pins are filed under the fingerprint of their SAE.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, TypeVar

from semascope.core.saes.checked import Check
from semascope.core.saes.kept import KeptReading

Kind = Literal["model", "sae", "harvest", "corpus"]
Mode = Literal["clamp", "scale", "add", "ablate"]
KINDS: tuple[Kind, ...] = ("model", "sae", "harvest", "corpus")
MODES: tuple[Mode, ...] = ("clamp", "scale", "add", "ablate")

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Reference:
    """A file or folder that a session uses but does not contain.

    Attributes:
        path: An absolute path, or a place in the embedded demo such as "demo:model" (see `places`).
        sha256: Its fingerprint when it was last opened, or "" before that; tells a moved file from another one.
        name: What to call it when it can't be found.
        kind: What it is.
    """

    path: str
    sha256: str
    name: str
    kind: Kind


@dataclass(frozen=True)
class Dictionary:
    """An SAE that a session works with, and the harvest that was made with it.

    Attributes:
        sae: The SAE, or None where its harvest does not tell.
        harvest: The harvest, or None.
        selected: The feature that was shown when another dictionary became the current one.
    """

    sae: Reference | None = None
    harvest: Reference | None = None
    selected: int | None = None

    @property
    def key(self) -> str:
        """What tells it from the others: the SAE's fingerprint wherever that is known; "" where there is nothing."""
        if self.sae is not None:
            return self.sae.sha256 or self.sae.path
        return self.harvest.path if self.harvest is not None else ""


@dataclass(frozen=True)
class FeatureNote:
    """What a person wrote about a feature. An empty note is never stored."""

    label: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""


@dataclass(frozen=True)
class Pin:
    """A feature kept at hand, with its slider. Its colour is its place among the pins.

    Attributes:
        feature: The feature's number in its SAE.
        strength: The slider, in multiples of the feature's maximum activation in the harvest (for "scale": the factor
            less 1). 0 does nothing, except for "ablate", which has no strength.
        mode: What the slider does to the activation.
        enabled: False while muted.
    """

    feature: int
    strength: float = 0.0
    mode: Mode = "clamp"
    enabled: bool = True

    def __post_init__(self) -> None:
        if self.feature < 0 or not math.isfinite(self.strength) or self.mode not in MODES:
            raise ValueError(f"not a pin: {self}")


@dataclass(frozen=True)
class SteerSettings:
    """What is asked when steering, and how the answer is sampled.

    Attributes:
        prompt: The text, or the user's message where `chat` is set.
        chat: Whether the model's chat template goes round the prompt.
        max_tokens: The longest answer, in tokens.
        temperature: 0 is greedy.
        seed: The same seed gives baseline and steered answer the same luck.
    """

    prompt: str = ""
    chat: bool = True
    max_tokens: int = 48
    temperature: float = 0.7
    seed: int = 7


@dataclass(frozen=True)
class AppliedEdit:
    """What was done to one feature for an answer: `value` in the SAE's own units (for "scale": the factor)."""

    feature: int
    mode: Mode
    value: float
    label: str = ""


@dataclass(frozen=True)
class Answer:
    """A baseline and a steered answer that were kept, with all that is needed to make them again.

    Attributes:
        prompt: The text asked.
        edits: What was steered.
        settings: How it was sampled.
        baseline: The answer without edits.
        steered: The answer with them.
        model: The name of the model.
        sae: The fingerprint of the SAE.
        made: When, as ISO 8601 in UTC, or "".
    """

    prompt: str
    edits: tuple[AppliedEdit, ...]
    settings: SteerSettings
    baseline: str
    steered: str
    model: str = ""
    sae: str = ""
    made: str = ""


Notes = Mapping[int, FeatureNote]


@dataclass(frozen=True)
class Session:
    """The whole document.

    Attributes:
        model, corpus: What is open, or None.
        sae, harvest: The current dictionary's, or None.
        dictionaries: All that are open, in the order they were opened in, the current one among them; what each had
            selected is up to date for the others only.
        list_all: Whether the features panel lists the features of all of them.
        readings: How SAEs are read where a person chose it, by fingerprint.
        checks: The last self-check of each SAE, by fingerprint.
        notes: What was written about features, by SAE fingerprint, then by feature.
        pins: Pinned features in order, by SAE fingerprint.
        prompts: Prompts kept for later, oldest first.
        prompt: The text in the prompt panel.
        prompt_chat: Whether the chat template goes round it.
        steer: The steering panel's settings.
        selected: The feature that is shown, or None.
        search: The text in the features panel's search bar.
        sort: Its sort column and whether it descends.
        answers: Answers kept, oldest first.
    """

    model: Reference | None = None
    sae: Reference | None = None
    harvest: Reference | None = None
    corpus: Reference | None = None
    notes: Mapping[str, Notes] = field(default_factory=dict)
    pins: Mapping[str, tuple[Pin, ...]] = field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    prompt: str = ""
    prompt_chat: bool = False
    steer: SteerSettings = SteerSettings()
    selected: int | None = None
    search: str = ""
    sort: tuple[str, bool] = ("density", True)
    answers: tuple[Answer, ...] = ()
    dictionaries: tuple[Dictionary, ...] = ()
    list_all: bool = False
    readings: Mapping[str, KeptReading] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("notes", "pins", "readings", "checks"):
            object.__setattr__(self, name, frozen_map(getattr(self, name)))
        object.__setattr__(self, "dictionaries", _with_current(self.dictionaries, self.sae, self.harvest))

    @property
    def key(self) -> str:
        """The current dictionary's key; "" while there is none."""
        return Dictionary(self.sae, self.harvest).key

    @property
    def dictionary(self) -> str:
        """The fingerprint that notes and pins are filed under now; "" while no SAE is known."""
        return self.sae.sha256 if self.sae else ""

    @property
    def current_pins(self) -> tuple[Pin, ...]:
        """The pins of the current SAE."""
        return self.pins.get(self.dictionary, ())

    @property
    def current_notes(self) -> Notes:
        """The notes on the current SAE's features."""
        return self.notes.get(self.dictionary, _NO_NOTES)

    def note(self, feature: int) -> FeatureNote:
        """The note on a feature of the current SAE; an empty one where nothing was written."""
        return self.current_notes.get(feature, _EMPTY_NOTE)


def _with_current(
    others: tuple[Dictionary, ...], sae: Reference | None, harvest: Reference | None
) -> tuple[Dictionary, ...]:
    """`others` with these references in the place of their dictionary, or at the end if it is a new one."""
    current = Dictionary(sae, harvest)
    if not current.key or any((each.sae, each.harvest) == (sae, harvest) for each in others):
        return others
    if all(each.key != current.key for each in others):
        return (*others, current)
    return tuple(replace(each, sae=sae, harvest=harvest) if each.key == current.key else each for each in others)


def frozen_map(items: Mapping[K, V]) -> Mapping[K, V]:
    """A read-only copy of `items`, or `items` itself where it is read-only already."""
    return items if isinstance(items, MappingProxyType) else MappingProxyType(dict(items))


_NO_NOTES: Notes = MappingProxyType({})
_EMPTY_NOTE = FeatureNote()
