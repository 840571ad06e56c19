"""Activations of a few thousand tokens at some hook points, and how well a pairing of model and SAE explains them.

What the self-check (`check`) measures with: a corpus's contexts, run through the model once, their activations held in
bounded memory, and every way of reading measured on the same ones.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semascope.core.corpus.contexts import Context, cut_contexts
from semascope.core.corpus.readers import Document, read_documents
from semascope.core.errors import UserError
from semascope.core.harvest.settings import tile_tokens
from semascope.core.harvest.sinks import SinkRule
from semascope.core.harvest.tiles import cut_tiles
from semascope.core.masking import Mask
from semascope.core.models.hookpoint import Hooks
from semascope.core.models.model import LanguageModel
from semascope.core.progress import Job, Meter
from semascope.core.saes.checked import Measured
from semascope.core.saes.fitted import FittedSAE
from semascope.core.saes.memory import parameters

MEMORY = 256 << 20
"""The most bytes of activations that a sample holds."""

_BEGINNINGS = (8_000, 200_000, None)
"""Characters of a document that are read: of many documents their beginnings, of few more of each."""
_DOCUMENTS = 16  # tokenised at once
_WORK = 1e9  # multiplications between two reports: some hundredths of a second of a processor's core
_WORK_ON_DEVICE = 2e11
_FEWEST_ROWS, _MOST_ROWS = 16, 256  # tokens in a block; for fewer, reading the weights would take most of the time
_MOST_ACTIVATIONS = 1 << 25  # feature activations held dense at once


def some_contexts(
    model: LanguageModel, corpus: Sequence[Path], tokens: int, length: int, prepend_bos: bool, mask: Mask
) -> Job[list[Context]]:
    """Contexts of a corpus, in order, with at least `tokens` tokens that count, or all of them.

    Raises:
        UserError: The corpus can't be read, or no token of it counts.
    """
    meter = Meter(tokens, "tokens")
    for characters in _BEGINNINGS:
        contexts: list[Context] = []
        counted, whole = 0, True
        documents = read_documents(corpus)
        while counted < tokens and (some := list(itertools.islice(documents, _DOCUMENTS))):
            whole = whole and all(_beginning(document, characters) is document for document in some)
            beginnings = (_beginning(document, characters) for document in some)
            for context in cut_contexts(beginnings, model.codec, length, prepend_bos, mask):
                if counted < tokens:
                    contexts.append(context)
                    counted += int((~context.special).sum())
            yield meter.at(min(counted, tokens), "reading the corpus")
        if counted >= tokens or whole:
            break
    if not counted:
        raise UserError("No token of the corpus counts: all are special tokens.", "Choose a corpus of plain text.")
    return contexts


def _beginning(document: Document, characters: int | None) -> Document:
    if characters is None or document.messages or len(document.text) <= characters:
        return document
    return replace(document, text=document.text[:characters])


@dataclass(frozen=True, eq=False)
class Sample:
    """Activations of some contexts.

    Attributes:
        hooks: Where they were read.
        columns: The columns of `x` that belong to each of them.
        x: Shape (tokens, widths together), in the model's dtype, in the computer's memory.
        counted: Which tokens are neither special nor left out by the SAE's makers, bool, shape (tokens,).
        starts: Where each context begins, and where the last one ends.
    """

    hooks: Hooks
    columns: tuple[slice, ...]
    x: Tensor
    counted: Tensor
    starts: tuple[int, ...]

    @property
    def contexts(self) -> int:
        """How many contexts it holds."""
        return len(self.starts) - 1

    def at(self, hooks: Hooks, tokens: slice | Tensor) -> Tensor:
        """Activations at some of its hook points side by side, shape (tokens, width)."""
        rows = self.x[tokens]
        return torch.cat([rows[:, self.columns[self.hooks.index(hook)]] for hook in hooks], dim=-1)


def collect(
    model: LanguageModel, hooks: Hooks, contexts: Sequence[Context], note: str = "running the model"
) -> Job[Sample]:
    """Run contexts through the model and keep their activations at `hooks`; no more of them than `MEMORY` allows.

    Raises:
        UserError: A hook point isn't in this model, or no text passes it.
    """
    widths = [model.width(hook) for hook in hooks]
    most = max(1, MEMORY // (4 * sum(widths)))
    fitting = itertools.accumulate(len(context.ids) for context in contexts)
    kept = contexts[: max(1, sum(tokens <= most for tokens in fitting))]
    size = tile_tokens(model.device.type, str(model.dtype).removeprefix("torch."), torch.get_num_threads(), None)
    meter = Meter(sum(len(context.ids) for context in kept), "tokens")
    found: dict[int, tuple[Tensor, np.ndarray]] = {}  # by context, so that the first tokens are always the same ones
    done = 0
    for tile in cut_tiles(kept, 0, size):
        x = model.run_to(hooks, torch.from_numpy(tile.ids)).cpu()
        for row, (context, length) in enumerate(zip(tile.contexts.tolist(), tile.lengths.tolist(), strict=True)):
            found[context] = x[row, :length], tile.counted[row, :length]
        done += tile.tokens
        yield meter.at(done, note)
    parts, counted = zip(*(found[context] for context in sorted(found)), strict=True)
    edges = list(itertools.accumulate(widths, initial=0))
    return Sample(
        hooks,
        tuple(itertools.starmap(slice, itertools.pairwise(edges))),
        torch.cat(parts),
        torch.from_numpy(np.concatenate(counted)),
        tuple(itertools.accumulate((len(part) for part in parts), initial=0)),
    )


def counted_tokens(fitted: FittedSAE, sample: Sample) -> Tensor:
    """Indices of the tokens to measure on: those that count, and are a sink neither where it reads nor where it writes."""
    keep = sample.counted.numpy().copy()
    for hooks in {fitted.hooks, fitted.hooks_out}:
        norms = sample.at(hooks, slice(None)).float().norm(dim=-1).numpy()
        if np.isfinite(norms[keep]).any():
            keep &= ~SinkRule.estimate(norms[keep]).mask(norms)
    return torch.from_numpy(np.flatnonzero(keep))


def measure(fitted: FittedSAE, sample: Sample, most: int | None = None, note: str = "measuring") -> Job[Measured]:
    """How well an SAE, read in one way, explains a sample, and how many features it takes.

    What is to be explained is what it reconstructs: of centred activations what centring leaves, of one head its part.
    What it is told of each token beforehand, such as the mean that layer norm takes off, is explained by nobody.

    Args:
        fitted: The SAE as it reads the model.
        sample: Activations at its hook points, and perhaps others.
        most: At most so many tokens.
        note: For the progress.
    """
    chosen = counted_tokens(fitted, sample)[:most]
    meter = Meter(len(chosen), "tokens")
    done = 0
    residual = squares = active = 0.0
    total: Tensor | None = None
    alive = torch.zeros(fitted.config.features, dtype=torch.bool)
    for x, target, keep in _blocks(fitted, sample, chosen):
        entered = fitted.enter(x)
        x_hat, f = fitted.sae.reconstruct(entered)
        f, target = f[keep], target[keep]
        told = torch.zeros_like(x_hat[keep])
        if fitted.config.normalize == "layer_norm" and not fitted.config.is_transcoder:
            told += entered[keep].mean(dim=-1, keepdim=True)
        asked = (target - fitted.leave(told, target)).double()
        residual += float((target - fitted.leave(x_hat[keep], target)).double().square().sum())
        squares += float(asked.square().sum())
        total = asked.sum(dim=0) if total is None else total + asked.sum(dim=0)
        active += float((f != 0).sum())
        alive |= (f != 0).any(dim=0).cpu()
        done += len(target)
        yield meter.at(done, note)
    tokens = max(1, done)
    variance = squares - (float(total.square().sum()) / tokens if total is not None else 0.0)
    return Measured(
        explained=1 - residual / variance if variance > 0 else math.nan,
        l0=active / tokens / fitted.config.encoders,
        dead_share=1 - float(alive.float().mean()),
        norm=float(sample.at(fitted.hooks, chosen).float().norm(dim=-1).median()) if done else math.nan,
        tokens=done,
    )


def _blocks(fitted: FittedSAE, sample: Sample, chosen: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Chosen tokens in blocks: what the SAE reads, the target, both on its device, float32, and which of the rows count."""
    if fitted.sequential:  # a token needs all those before it
        for start, stop in itertools.pairwise(sample.starts):
            keep = chosen[(chosen >= start) & (chosen < stop)] - start
            if len(keep):
                yield *_both(fitted, sample, slice(start, stop)), keep.to(fitted.device)
        return
    for rows in torch.split(chosen, _rows(fitted)):
        yield *_both(fitted, sample, rows), torch.arange(len(rows), device=fitted.device)


def _both(fitted: FittedSAE, sample: Sample, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
    x = sample.at(fitted.hooks, rows).to(fitted.device).float()
    if fitted.hooks_out == fitted.hooks:
        return x, x
    return x, sample.at(fitted.hooks_out, rows).to(fitted.device).float()


def _rows(fitted: FittedSAE) -> int:
    """Tokens in a block: as many as are quickly done, and few enough to hold their features."""
    work = _WORK if fitted.device.type == "cpu" else _WORK_ON_DEVICE
    # A token takes about as many multiplications as there are parameters; a mapped SAE is read whole for each block.
    quick = _MOST_ROWS if fitted.sae.mapped else int(work / parameters(fitted.config))
    return max(1, min(_MOST_ROWS, max(_FEWEST_ROWS, quick), _MOST_ACTIVATIONS // fitted.config.features))
