"""What the features panel is asked to show, and the numpy that answers it: ids in order. No Qt, no widgets.

Text and order are `core.features.table`'s; this adds the filters that depend on the session (labels, pins).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from semascope.core.features.table import order, search
from semascope.core.harvest.store import Harvest

SORTS = ("pin", "id", "label", "density", "max")


@dataclass(frozen=True)
class Query:
    """Which features, in which order.

    Attributes:
        text: found in labels and top tokens; "" for all.
        alive: only features that fired.
        labelled: only features with a label.
        pinned: only pinned features.
        density_below: only features on fewer than this share of tokens; None for all.
        sort: one of SORTS.
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
    return order(harvest, query.sort, query.descending, mask, labels)


def _only(ids: list[int] | tuple[int, ...], count: int) -> np.ndarray:
    mask = np.zeros(count, bool)
    mask[[id for id in ids if 0 <= id < count]] = True
    return mask


def _pins_first(mask: np.ndarray, pins: tuple[int, ...], descending: bool) -> np.ndarray:
    first = np.array([id for id in pins if id < len(mask) and mask[id]], np.uint32)
    rest = np.flatnonzero(mask & ~_only(pins, len(mask))).astype(np.uint32)
    return np.concatenate([first, rest] if descending else [rest, first[::-1]])
