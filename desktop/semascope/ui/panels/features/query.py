"""What the features panel is asked to show, and the numpy that answers it: ids in order. No Qt, no widgets.

Text and order are `core.features.table`'s; this adds the filters that depend on the session (labels, pins).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from semascope.core.features.table import order, search
from semascope.core.harvest.store import Harvest


@dataclass(frozen=True)
class Query:
    """Which features, in which order.

    Attributes:
        text: found in labels and top tokens; "" for all.
        alive: only features that fired.
        labelled: only features with a label.
        pinned: only pinned features.
        density_below: only features on fewer than this share of tokens; None for all.
        sort: "pin", "token", or one of `core.features.table.SORTS`.
        descending: the largest first.
    """

    text: str = ""
    alive: bool = True
    labelled: bool = False
    pinned: bool = False
    density_below: float | None = None
    sort: str = "density"
    descending: bool = True


def answer(harvest: Harvest, query: Query, labels: Mapping[int, str], pins: tuple[int, ...]) -> np.ndarray:
    """The ids that a query shows, uint32, in its order."""
    mask = np.ones(harvest.features, bool)
    if query.alive:
        mask &= np.asarray(harvest.count) > 0
    if query.density_below is not None:
        mask &= np.asarray(harvest.density) < query.density_below
    if query.labelled:
        mask &= _only([id for id, label in labels.items() if label], harvest.features)
    if query.pinned:
        mask &= _only(pins, harvest.features)
    if query.text.strip():
        mask &= search(harvest, query.text.strip(), labels)
    if query.sort == "pin":
        return _pins_first(mask, pins, query.descending)
    if query.sort == "token":
        return _by_token(harvest, mask, query.descending)
    return order(harvest, query.sort, query.descending, mask, labels)


def _by_token(harvest: Harvest, mask: np.ndarray, descending: bool) -> np.ndarray:
    """By the spelling of the top token, of equals by id; features without one last."""
    places = np.argsort(np.array([piece.strip() for piece in harvest.strings.pieces_folded]), kind="stable")
    rank = np.empty(len(places) + 1, np.int64)
    rank[places] = -np.arange(len(places)) if descending else np.arange(len(places))
    rank[-1] = len(places)  # −1, no token, takes this one
    ids = np.flatnonzero(mask).astype(np.uint32)
    return ids[np.argsort(rank[harvest.top_token[ids, 0]], kind="stable")]


def _only(ids: list[int] | tuple[int, ...], count: int) -> np.ndarray:
    mask = np.zeros(count, bool)
    mask[[id for id in ids if 0 <= id < count]] = True
    return mask


def _pins_first(mask: np.ndarray, pins: tuple[int, ...], descending: bool) -> np.ndarray:
    first = np.array([id for id in pins if id < len(mask) and mask[id]], np.uint32)
    rest = np.flatnonzero(mask & ~_only(pins, len(mask))).astype(np.uint32)
    return np.concatenate([first, rest] if descending else [rest, first[::-1]])
