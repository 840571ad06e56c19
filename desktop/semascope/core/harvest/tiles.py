"""Tiles: contexts grouped into the small batches that the model is given. Numpy only.

A tile is one forward pass. Which contexts share a tile depends on the corpus alone: contexts are taken in windows of fixed
number, sorted by length within a window, and cut where a tile is full. So the same corpus makes the same tiles, the
same shapes reach the same kernels, and a harvest is equal bit for bit, however many tiles lie between two reports of
progress. Sorting leaves little padding: a tile is as long as its longest context, rounded up a little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semascope.core.corpus.contexts import Context

WINDOW = 1024
_ROUND = 8


@dataclass(frozen=True, eq=False)
class Tile:
    """Contexts that are run together, padded on the right.

    Attributes:
        ids: Token ids, int64, shape (rows, length); padding is token 0.
        counted: Positions that are real and neither special nor masked, bool, shape (rows, length).
        lengths: Real tokens of each row, int64, shape (rows,).
        contexts: Each row's context, by its index in the corpus, int64, shape (rows,).
        documents: Each row's document, by its index in the corpus, int64, shape (rows,).
        starts: Index in the document's tokens of each row's first token, int64, shape (rows,).
    """

    ids: NDArray[np.int64]
    counted: NDArray[np.bool_]
    lengths: NDArray[np.int64]
    contexts: NDArray[np.int64]
    documents: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def tokens(self) -> int:
        """Real tokens, special ones included."""
        return int(self.lengths.sum())


def cut_tiles(window: Sequence[Context], first: int, tile_tokens: int) -> list[Tile]:
    """The tiles of a window of contexts.

    Args:
        window: Contexts in corpus order.
        first: Index in the corpus of the first one.
        tile_tokens: The most tokens of a tile, padding included; a longer context has a tile to itself.
    """
    order = sorted(range(len(window)), key=lambda i: len(window[i].ids))  # stable: equal lengths stay in corpus order
    tiles: list[Tile] = []
    rows: list[int] = []
    for i in order:
        if rows and (len(rows) + 1) * _padded(len(window[i].ids)) > tile_tokens:
            tiles.append(_tile(window, rows, first))
            rows = []
        rows.append(i)
    if rows:
        tiles.append(_tile(window, rows, first))
    return tiles


def _padded(length: int) -> int:
    return -(-length // _ROUND) * _ROUND


def _tile(window: Sequence[Context], rows: list[int], first: int) -> Tile:
    rows = sorted(rows)
    contexts = [window[i] for i in rows]
    lengths = np.array([len(context.ids) for context in contexts], dtype=np.int64)
    shape = (len(rows), _padded(int(lengths.max())))
    ids = np.zeros(shape, dtype=np.int64)
    counted = np.zeros(shape, dtype=np.bool_)
    for row, context in enumerate(contexts):
        ids[row, : len(context.ids)] = context.ids
        counted[row, : len(context.ids)] = ~context.special
    return Tile(
        ids,
        counted,
        lengths,
        np.array(rows, dtype=np.int64) + first,
        np.array([context.document for context in contexts], dtype=np.int64),
        np.array([context.start for context in contexts], dtype=np.int64),
    )
