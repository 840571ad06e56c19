"""All features of a harvest as a table: find and order, by numpy over whole columns. Millions of rows are planned for.

A sort costs one pass over a column of 64-bit keys (value above, id below, so that equal values stay in the order of their
ids), and is kept for the next time; a filter then only drops ids from a kept order.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from semascope.core.harvest.store import Harvest

SORTS = ("density", "max", "id", "label")

_orders: weakref.WeakKeyDictionary[Harvest, dict[tuple[str, bool], NDArray[np.uint32]]] = weakref.WeakKeyDictionary()


def order(
    harvest: Harvest,
    sort: str = "density",
    descending: bool = True,
    mask: NDArray[np.bool_] | None = None,
    labels: Mapping[int, str] | None = None,
) -> NDArray[np.uint32]:
    """Feature ids in the order of a column, uint32; equal values by id, ascending.

    Args:
        harvest: The harvest.
        sort: One of `SORTS`. Features without a label come last, whatever the direction.
        descending: The largest first.
        mask: Which features to list, shape (m,); None for all.
        labels: Labels by feature, for "label"; None for those that came with the harvest.
    """
    if sort == "label":
        ids = _by_label(harvest, harvest.labels if labels is None else labels, descending)
    else:
        kept = _orders.setdefault(harvest, {})
        if (sort, descending) not in kept:
            kept[sort, descending] = _by_column(harvest, sort, descending)
        ids = kept[sort, descending]
    return ids if mask is None else ids[mask[ids]]


def search(harvest: Harvest, text: str, labels: Mapping[int, str] | None = None) -> NDArray[np.bool_]:
    """Which features have `text` in their label or in one of their top tokens, whatever the case; bool, shape (m,)."""
    wanted = text.casefold()
    found = features_of_tokens(harvest, _tokens_with(harvest, wanted))
    labels = harvest.labels if labels is None else labels
    hits = [feature for feature, label in labels.items() if wanted in label.casefold() and feature < harvest.features]
    found[hits] = True
    return found


def features_of_tokens(harvest: Harvest, tokens: Iterable[int]) -> NDArray[np.bool_]:
    """Which features have one of `tokens` among their top tokens; bool, shape (m,)."""
    return np.asarray(_contains(harvest.top_token, tokens).any(axis=1))


def promoters(harvest: Harvest, token: str) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """The features that have a token among those they promote most, and the effect on it, strongest first.

    The token is meant without its leading space ("dog" is " dog" too); its case counts if a token has just that.
    """
    pieces = harvest.strings.pieces_stripped
    tokens = [i for i, piece in enumerate(pieces) if piece == token.strip()]
    tokens = tokens or [i for i, piece in enumerate(pieces) if piece.casefold() == token.strip().casefold()]
    if "positive" not in harvest.effects:
        return np.zeros(0, np.uint32), np.zeros(0, np.float32)
    hit = _contains(harvest.effects["positive"], tokens)
    ids = np.flatnonzero(hit.any(axis=1))
    effect = np.where(hit[ids], harvest.effects["positive_effect"][ids], -np.inf).max(axis=1, initial=-np.inf)
    by_effect = np.lexsort((ids, -effect))
    return ids[by_effect].astype(np.uint32), effect[by_effect].astype(np.float32)


def _contains(columns: NDArray[np.int32], tokens: Iterable[int]) -> NDArray[np.bool_]:
    """Which entries are among `tokens`, shape of `columns`; by a table of the vocabulary, where −1 is the last entry."""
    table = np.zeros(max(int(columns.max(initial=-1)) + 2, 1), dtype=np.bool_)
    table[[token for token in tokens if token < len(table) - 1]] = True
    return np.asarray(table[columns], dtype=np.bool_)


def _tokens_with(harvest: Harvest, wanted: str) -> list[int]:
    return [i for i, piece in enumerate(harvest.strings.pieces_folded) if wanted in piece]


def _by_column(harvest: Harvest, sort: str, descending: bool) -> NDArray[np.uint32]:
    if sort == "id":
        ids = np.arange(harvest.features, dtype=np.uint32)
        return ids[::-1] if descending else ids
    if sort == "density":
        column = harvest.count.astype(np.uint32)  # the same order
    elif sort == "max":
        column = np.ascontiguousarray(harvest.maximum).view(np.uint32)  # floats above zero sort as their bits do
    else:
        raise ValueError(f"no column {sort!r}; there are {', '.join(SORTS)}")
    keys = (~column if descending else column).astype(np.uint64) << np.uint64(32)
    keys |= np.arange(harvest.features, dtype=np.uint64)
    keys.sort()
    return keys.astype(np.uint32)  # the lower half


def _by_label(harvest: Harvest, labels: Mapping[int, str], descending: bool) -> NDArray[np.uint32]:
    named = {feature: label for feature, label in labels.items() if label and 0 <= feature < harvest.features}
    first = sorted(sorted(named), key=lambda feature: named[feature].casefold(), reverse=descending)
    rest = np.ones(harvest.features, dtype=np.bool_)
    rest[first] = False
    return np.concatenate([np.array(first, dtype=np.uint32), np.flatnonzero(rest).astype(np.uint32)])
