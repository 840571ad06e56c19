"""What the features panel is asked to show, and the numpy that answers it: row numbers in order. No Qt, no widgets.

Text and order within one harvest are `core.features.table`'s; this adds the filters that depend on the session (labels, pins),
and merges several harvests by one pass over their concatenated columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semascope.core.features.table import order, search
from semascope.ui.panels.features.listing import Listing, Part

_UNPINNED = 1 << 40  # after every pin, in whatever dictionary


@dataclass(frozen=True)
class Query:
    """Which features, in which order.

    Attributes:
        text: found in labels and top tokens; "" for all.
        alive: only features that fired.
        labelled: only features with a label.
        pinned: only pinned features.
        density_below: only features on fewer than this share of tokens; None for all.
        sort: "pin", "token", "place", or one of `core.features.table.SORTS`.
        descending: the largest first.
    """

    text: str = ""
    alive: bool = True
    labelled: bool = False
    pinned: bool = False
    density_below: float | None = None
    sort: str = "density"
    descending: bool = True


def answer(listing: Listing, query: Query) -> np.ndarray:
    """The row numbers that a query shows, uint32, in its order; equal ones by number."""
    if not listing:
        return np.zeros(0, np.uint32)
    masks = [_mask(part, query) for part in listing.parts]
    if query.sort in ("density", "max", "id", "label") and len(masks) == 1:
        part = listing.parts[0]
        return order(part.harvest, query.sort, query.descending, masks[0], part.labels)
    ids = [np.flatnonzero(mask) for mask in masks]
    rows = np.concatenate([part.first + some for part, some in zip(listing.parts, ids, strict=True)]).astype(np.uint32)
    last, key = _keys(listing, query.sort, ids)
    if query.descending:
        key = -key
    if query.sort == "pin":  # the first pin is what a person looks for first
        key = -key
    listed: np.ndarray = rows[np.lexsort((key, last)) if last.any() else np.argsort(key, kind="stable")]
    return listed


def _mask(part: Part, query: Query) -> np.ndarray:
    """Which features of a dictionary pass the filters, bool, shape (m,)."""
    harvest = part.harvest
    mask = np.ones(harvest.features, bool)
    if query.alive:
        mask &= np.asarray(harvest.count) > 0
    if query.density_below is not None:
        mask &= np.asarray(harvest.density) < query.density_below
    if query.labelled:
        mask &= _only([id for id, label in part.labels.items() if label], harvest.features)
    if query.pinned:
        mask &= _only(part.pins, harvest.features)
    if query.text.strip():
        mask &= search(harvest, query.text.strip(), part.labels)
    return mask


def _only(ids: Sequence[int], count: int) -> np.ndarray:
    mask = np.zeros(count, bool)
    mask[[id for id in ids if 0 <= id < count]] = True
    return mask


def _keys(listing: Listing, sort: str, ids: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What to sort some features of each part by: whether they come last in either direction, and the value."""
    none = np.zeros(sum(map(len, ids)), bool)
    parts = list(zip(listing.parts, ids, strict=True))
    match sort:
        case "density":
            return none, np.concatenate([part.harvest.density[some] for part, some in parts])
        case "max":
            return none, np.concatenate([np.asarray(part.harvest.maximum[some], np.float64) for part, some in parts])
        case "id":
            return none, np.concatenate([some.astype(np.int64) for _, some in parts])
        case "place":
            return none, np.concatenate([_place_ranks(listing, part, some) for part, some in parts])
        case "pin":
            return none, np.concatenate([_pin_places(part, some) for part, some in parts])
    return _by_words([_labels(part, some) if sort == "label" else _tokens(part, some) for part, some in parts])


Spelling = tuple[list[str], np.ndarray]
"""Words, and for each feature the place of its own among them, −1 for none."""


def _by_words(spelled: list[Spelling]) -> tuple[np.ndarray, np.ndarray]:
    """Features in alphabetical order, those without a word last."""
    rank = {word: number for number, word in enumerate(sorted({word for words, _ in spelled for word in words}))}
    keys = [np.array([*(rank[word] for word in words), 0], np.int64)[index] for words, index in spelled]
    return np.concatenate([index < 0 for _, index in spelled]), np.concatenate(keys)


def _place_ranks(listing: Listing, part: Part, ids: np.ndarray) -> np.ndarray:
    ranks = listing.ranks[part.key]
    encoders = part.dictionary.encoders if part.dictionary.layered else 1
    places = ids * encoders // max(part.harvest.features, 1)
    ranked: np.ndarray = ranks[np.minimum(places, len(ranks) - 1)]
    return ranked


def _pin_places(part: Part, ids: np.ndarray) -> np.ndarray:
    """The place among the pins; unpinned features follow."""
    places = np.full(part.harvest.features, _UNPINNED, np.int64)
    for place, feature in reversed(list(enumerate(part.pins))):
        if feature < len(places):
            places[feature] = place
    found: np.ndarray = places[ids]
    return found


def _labels(part: Part, ids: np.ndarray) -> Spelling:
    named = [(id, label) for id, label in part.labels.items() if label and 0 <= id < part.harvest.features]
    index = np.full(part.harvest.features, -1, np.int64)
    index[[id for id, _ in named]] = np.arange(len(named))
    return [label.casefold() for _, label in named], index[ids]


def _tokens(part: Part, ids: np.ndarray) -> Spelling:
    """The spelling of the top tokens."""
    top = np.asarray(part.harvest.top_token[ids, 0])
    tokens, index = np.unique(top, return_inverse=True)
    pieces = part.harvest.strings.pieces_folded
    return [pieces[token].strip() if token >= 0 else "" for token in tokens.tolist()], np.where(top < 0, -1, index)
