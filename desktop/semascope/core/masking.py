"""Which tokens do not count: special ones, and those that an SAE's makers left out. One rule, numpy only.

Some SAEs were never shown the first positions of a context (`mask_first`) or certain tokens (`mask_ids`), and what they give
there means nothing. Such tokens are treated as special ones are, everywhere: shown grey, not steered unless asked, and in no
statistic, example or search.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from semascope.core.saes.config import SAEConfig


@dataclass(frozen=True)
class Mask:
    """What an SAE's makers left out, besides special tokens.

    Attributes:
        first: How many positions at the start of a context, a BOS included.
        ids: Token ids.
    """

    first: int = 0
    ids: tuple[int, ...] = ()

    @classmethod
    def of(cls, config: SAEConfig | None) -> Mask:
        """That of an SAE; of none, nothing is left out."""
        return cls() if config is None else cls(config.mask_first, config.mask_ids)

    def __bool__(self) -> bool:
        return self.first > 0 or bool(self.ids)

    def tokens(self, special: Collection[int]) -> NDArray[np.int64]:
        """The ids of all tokens that never count, given those of the special ones."""
        return np.fromiter({*special, *self.ids}, dtype=np.int64)

    def marks(self, ids: Sequence[int] | NDArray[np.int32], never: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which tokens of a context do not count, bool, shape (n,).

        Args:
            ids: The context, from its first position on.
            never: What `tokens` gave.
        """
        marked = np.isin(np.asarray(ids), never)
        marked[: self.first] = True
        return marked

    def __str__(self) -> str:
        """For people: "the first 4 positions and 3 tokens", "" for none."""
        positions = "the first position" if self.first == 1 else f"the first {self.first} positions"
        tokens = "one token" if len(self.ids) == 1 else f"{len(self.ids)} tokens"
        return " and ".join([positions] * (self.first > 0) + [tokens] * bool(self.ids))
