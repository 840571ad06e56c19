"""What a list of features is made of: the harvests of one dictionary or of all, one after the other. No Qt, no widgets.

Rows of the table are numbered through all of them: row numbers of a dictionary begin where those of the one before end. With
one dictionary a row's number is its feature's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from semascope.core.harvest.store import Harvest
from semascope.core.models.hookpoint import HookPoint, parse_hooks
from semascope.core.session.document import Session
from semascope.state.dictionaries import OpenDictionary

Sources = tuple[object, object]


@dataclass(frozen=True, eq=False)
class Part:
    """One dictionary's share of the list.

    Attributes:
        dictionary: The dictionary; it has a harvest.
        harvest: Its harvest.
        first: The row number of its feature 0.
        labels: Labels of its features: a person's, else those that came with the harvest.
        pins: Its pinned features in order.
        sources: What the labels were made from, to see whether they must be made anew.
    """

    dictionary: OpenDictionary
    harvest: Harvest
    first: int
    labels: Mapping[int, str] = field(default_factory=dict)
    pins: tuple[int, ...] = ()
    sources: Sources = (None, None)

    @property
    def key(self) -> str:
        return self.dictionary.key

    def updated(self, session: Session) -> Part:
        """With the labels and pins that a session has; this one, if they are the same."""
        notes = session.notes.get(self.key)
        sources = (notes, self.harvest.labels)
        pins = tuple(pin.feature for pin in session.pins.get(self.key, ()))
        if all(a is b for a, b in zip(sources, self.sources, strict=True)) and self.sources[1] is not None:
            return self if pins == self.pins else replace(self, pins=pins)
        own = {id: note.label for id, note in notes.items() if note.label} if notes else {}
        return replace(self, labels={**self.harvest.labels, **own}, pins=pins, sources=sources)


class Listing:
    """The parts, in order."""

    def __init__(self, parts: Sequence[Part] = ()) -> None:
        self.parts = tuple(parts)
        self._firsts = [part.first for part in self.parts]

    @classmethod
    def of(cls, dictionaries: Sequence[OpenDictionary], session: Session) -> Listing:
        """Those of some dictionaries that have a harvest."""
        parts: list[Part] = []
        first = 0
        for dictionary in dictionaries:
            if dictionary.harvest is not None:
                parts.append(Part(dictionary, dictionary.harvest, first).updated(session))
                first += dictionary.harvest.features
        return cls(parts)

    def updated(self, session: Session) -> Listing:
        """With the labels and pins that a session has; this one, if they are the same."""
        parts = [part.updated(session) for part in self.parts]
        return self if all(a is b for a, b in zip(parts, self.parts, strict=True)) else Listing(parts)

    def same_rows(self, other: Listing) -> bool:
        """Whether row numbers mean the same in both."""
        return [(part.key, id(part.harvest)) for part in self.parts] == [
            (part.key, id(part.harvest)) for part in other.parts
        ]

    def __bool__(self) -> bool:
        return bool(self.parts)

    @cached_property
    def rows(self) -> int:
        """How many features there are in all."""
        return sum(part.harvest.features for part in self.parts)

    @property
    def alive(self) -> int:
        return sum(part.harvest.alive for part in self.parts)

    @property
    def labelled(self) -> int:
        return sum(1 for part in self.parts for label in part.labels.values() if label)

    @property
    def largest_id(self) -> int:
        """The largest number of a feature."""
        return max((part.harvest.features for part in self.parts), default=1) - 1

    def locate(self, row: int) -> tuple[Part, int]:
        """The dictionary and the feature of a row number."""
        part = self.parts[bisect_right(self._firsts, row) - 1]
        return part, row - part.first

    def row_of(self, key: str, feature: int | None) -> int | None:
        """The row number of a feature; None where it isn't in the list."""
        part = next((part for part in self.parts if part.key == key), None)
        if part is None or feature is None or not 0 <= feature < part.harvest.features:
            return None
        return part.first + feature

    @cached_property
    def says_places(self) -> bool:
        """Whether the rows belong to different places, so that each says its own."""
        return len(self.parts) > 1 or any(part.dictionary.layered for part in self.parts)

    @cached_property
    def one_site(self) -> str:
        """The site that all places have in common, so that their layer says enough; "" when they have none."""
        sites = {(hook.tower, hook.site) if hook else None for part in self.parts for hook in _places(part)}
        site = next(iter(sites), None)
        return ".".join(filter(None, site)) if site is not None and len(sites) == 1 else ""

    def place(self, row: int) -> str:
        """Where a row's feature is read."""
        part, feature = self.locate(row)
        return part.dictionary.place_of(feature)

    def short_place(self, row: int) -> str:
        """The same as a narrow column says it: "15" where all have the site in common, else "post.15"."""
        place = self.place(row)
        if self.one_site:
            return place.removeprefix(f"{self.one_site}.")
        return place.replace("resid_", "")

    @cached_property
    def ranks(self) -> dict[str, np.ndarray]:
        """By dictionary: the rank of each of its places among all, int64, for the order by place."""
        every = {(*_sorting(place), place) for part in self.parts for place in part.dictionary.places or ("",)}
        rank = {place: number for number, (*_, place) in enumerate(sorted(every))}
        return {
            part.key: np.array([rank[place] for place in part.dictionary.places or ("",)], np.int64)
            for part in self.parts
        }


def _places(part: Part) -> Sequence[HookPoint | None]:
    places = part.dictionary.places
    return parse_hooks(",".join(places)) if places else (None,)


def _sorting(place: str) -> tuple[int, str]:
    """By layer, then by site."""
    site, _, layer = place.rpartition(".")
    return (int(layer) if layer.isdecimal() else -1, site)
