"""Activations to learn from: a corpus run through the model once, its activations kept on disk and read in shuffled order.

1. The corpus is tokenised; documents are set aside for measuring (about one in fifty), the other contexts are shuffled.
2. As many contexts as the buffer holds are run up to the hook point, the counted positions' activations written as bf16.
3. The trainer reads them in a random order, as often as it likes; then the buffer is filled with the next contexts.

A corpus that fits in the buffer is thus run through the model once, however many passes are made over it. Special tokens
and attention sinks (`method.md`, "Which positions count") are left out: their norms would rule the loss.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semascope.core.atomic import atomic_file
from semascope.core.corpus.contexts import cut_contexts
from semascope.core.corpus.readers import read_documents
from semascope.core.errors import UserError, from_os_error
from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.progress import Job, Meter

SINK_MULTIPLE = 4.0
_HELD_OUT_ONE_IN = 50
_HELD_OUT_TOKENS = 120_000
_BATCH_TOKENS = 1024
_PROBE_CONTEXTS = 64


@dataclass(frozen=True, eq=False)
class TokenTable:
    """Contexts as rows of a table.

    Attributes:
        ids: Token ids, int32, shape (contexts, length), padded with 0.
        counted: Whether a position holds a token that is not special, bool, shape (contexts, length).
        held_out: Whether a context is kept for measuring, bool, shape (contexts,).
    """

    ids: NDArray[np.int32]
    counted: NDArray[np.bool_]
    held_out: NDArray[np.bool_]

    def rows(self, held_out: bool) -> NDArray[np.int64]:
        """The indices of the contexts that are (not) held out."""
        return np.flatnonzero(self.held_out == held_out)


def tokenise(
    model: LanguageModel, corpus: list[Path], held_out: list[Path], length: int, prepend_bos: bool
) -> Job[TokenTable]:
    """Cut a corpus into contexts; `held_out` is kept for measuring, or without it some documents of the corpus.

    Raises:
        UserError: The corpus can't be read or is too small to learn from.
    """
    ids: list[NDArray[np.int32]] = []
    counted: list[NDArray[np.bool_]] = []
    held: list[bool] = []
    meter = Meter(None, "tokens")
    seen = held_tokens = 0
    cut = functools.partial(cut_contexts, codec=model.codec, length=length, prepend_bos=prepend_bos)
    learned = ((context, False) for context in cut(read_documents(corpus)))
    kept = ((context, True) for context in cut(read_documents(held_out))) if held_out else ()
    for context, keep in itertools.chain(learned, kept):
        if not held_out:
            keep = context.document % _HELD_OUT_ONE_IN == 7 and held_tokens < _HELD_OUT_TOKENS
        pad = length - len(context.ids)
        ids.append(np.pad(context.ids, (0, pad)))
        counted.append(np.pad(~context.special, (0, pad)))
        held.append(keep)
        seen += len(context.ids)
        held_tokens += len(context.ids) if keep else 0
        if len(ids) % 2048 == 0:
            yield meter.at(seen, "reading the corpus")
    table = TokenTable(np.stack(ids), np.stack(counted), np.array(held))
    if table.counted[~table.held_out].sum() < 1000 or not held_tokens:
        raise UserError(
            "The corpus is too small to learn from.", "Use at least a few thousand tokens in some fifty documents."
        )
    return table


def forward(
    model: LanguageModel, hook: HookPoint, table: TokenTable, rows: NDArray[np.int64]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Activations of some contexts, batch by batch: shape (batch, tokens, width), and which positions hold counted tokens.

    Contexts of like length share a batch, so little padding is computed; the order of `rows` is not kept.
    """
    used = np.maximum(1, table.counted.shape[1] - table.counted[:, ::-1].argmax(axis=1))
    order = rows[np.argsort(used[rows], kind="stable")]
    at = 0
    while at < len(order):
        longest = int(used[order[min(at + _BATCH_TOKENS // int(used[order[at]]), len(order) - 1)]])
        batch = order[at : at + max(1, _BATCH_TOKENS // longest)]
        width = int(used[batch].max())
        ids = torch.from_numpy(table.ids[batch, :width].astype(np.int64))
        yield model.run_to(hook, ids), torch.from_numpy(table.counted[batch, :width]).to(model.device)
        at += len(batch)


def median_norm(model: LanguageModel, hook: HookPoint, table: TokenTable) -> float:
    """The median norm of counted activations on some contexts of the corpus, the yardstick for sinks."""
    rows = table.rows(held_out=False)
    some = rows[:: max(1, len(rows) // _PROBE_CONTEXTS)][:_PROBE_CONTEXTS]
    norms = [x[counted].float().norm(dim=-1) for x, counted in forward(model, hook, table, some)]
    return float(torch.cat(norms).median())


class ActivationBuffer:
    """A file of activations, filled with one part of the corpus after the other.

    Attributes:
        capacity: The most activations it holds.
        count: How many it holds now.
        part: Which part of the corpus they are from, or None before the first is filled.
    """

    def __init__(self, folder: Path, width: int, capacity: int) -> None:
        self._file = folder / "activations.bf16"
        self._state = folder / "activations.json"
        self._width = width
        self.capacity = capacity
        self.count = 0
        self.part: int | None = None
        if self._state.is_file():  # what an interrupted training left
            state = json.loads(self._state.read_text())
            if state["width"] == width and state["capacity"] == capacity:
                self.part, self.count = state["part"], state["count"]

    def fill(
        self,
        model: LanguageModel,
        hook: HookPoint,
        table: TokenTable,
        rows: NDArray[np.int64],
        sink_norm: float,
        part: int,
    ) -> Job[None]:
        """Run `rows` of the table through the model and keep the activations, replacing what is here."""
        self.part = None
        self._state.unlink(missing_ok=True)
        meter = Meter(int(table.counted[rows].sum()), "tokens")
        count = seen = 0
        try:
            with self._file.open("wb") as out:
                for x, counted in forward(model, hook, table, rows):
                    x = x[counted]
                    seen += len(x)
                    kept = x[x.float().norm(dim=-1) <= sink_norm][: self.capacity - count]
                    out.write(kept.to("cpu", torch.bfloat16).contiguous().view(torch.int16).numpy().tobytes())
                    count += len(kept)
                    yield meter.at(seen, "collecting activations")
            with atomic_file(self._state) as temporary:
                temporary.write_text(
                    json.dumps({"part": part, "count": count, "width": self._width, "capacity": self.capacity})
                )
        except OSError as error:
            raise from_os_error(error, f"keep activations in {self._file.parent}") from error
        self.part, self.count = part, count

    def batches(self, size: int, seed: int, first: int) -> Iterator[Tensor]:
        """Shuffled batches of shape (size, width), float32, from batch number `first` on; an incomplete one is left out."""
        stored = torch.from_file(str(self._file), shared=False, size=self.count * self._width, dtype=torch.bfloat16)
        rows = stored.view(self.count, self._width)
        order = torch.from_numpy(np.random.default_rng(seed).permutation(self.count))
        for batch in range(first, self.count // size):
            yield rows[order[batch * size : (batch + 1) * size]].float()

    def sample(self, size: int, seed: int) -> Tensor:
        """A random sample without repeats, shape (≤ size, width), float32."""
        return next(self.batches(min(size, self.count), seed, 0))
