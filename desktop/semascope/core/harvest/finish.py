"""The end of a harvest: from accumulators and scratch files to the files that `store` opens.

Works through the features a chunk at a time, so that beside the accumulators it needs little memory. Effects come from the
model's unembedding and the SAE's decoder, which are tensors; everything else is numpy.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semascope.core.features import logits, neighbours
from semascope.core.harvest import choice
from semascope.core.harvest.accumulate import Accumulators
from semascope.core.harvest.arrays import Stream, Written, write_arrays
from semascope.core.harvest.scratch import ContextLog
from semascope.core.harvest.strings import write_strings
from semascope.core.models.hookpoint import STREAM, HookPoint

if TYPE_CHECKING:
    from torch import Tensor

    from semascope.core.models.model import LanguageModel
    from semascope.core.saes.sae import SAE

NONE = 0xFFFFFFFF
_CHUNK = 512
_WORK = 4e9
_TOO_MUCH_WORK = 2e13

Steps = Generator[float, None, Any]


def write_files(folder: Path, model: LanguageModel, sae: SAE, kept: Accumulators, log: ContextLog) -> Steps:
    """Write every file but `harvest.json`; yields the share done, between 0 and 1; returns what was written, by file name.

    Raises:
        OSError: The disk is full, or a file can't be written.
    """
    files: dict[str, Written] = {}
    examples = yield from _part(0.0, 0.1, _examples(kept, log))
    tokens = examples.pop("top_token")
    documents = np.unique(examples["context_document"])
    kept.intervals.keys = kept.intervals.keys[:0]  # no longer needed, and the largest array there is
    statistics = {
        **{name: getattr(kept.statistics, name) for name in kept.statistics.ARRAYS},
        "decoder_norm": sae.decoder_norms().cpu().numpy().astype(np.float32),
        "top_token": tokens,
    }
    files["statistics.safetensors"] = yield from _file(folder / "statistics.safetensors", statistics, 0.1)
    files["examples.safetensors"] = yield from _file(folder / "examples.safetensors", examples, 0.15)
    examples.clear()
    effects = yield from _part(0.2, 0.9, _effects(model, sae))
    files["effects.safetensors"] = yield from _file(folder / "effects.safetensors", effects, 0.9)
    names = log.names()
    path = folder / "strings.sqlite"
    rows = write_strings(path, model.codec, model.vocabulary, ((int(i), names[i]) for i in documents))
    for row in rows:
        yield 0.92 + 0.08 * min(1.0, row / (model.vocabulary + len(documents)))
    files[path.name] = Written(path.stat().st_size, "")
    return files


def _part(start: float, stop: float, steps: Steps) -> Steps:
    """The same steps as a part of the whole."""
    try:
        while True:
            yield start + (stop - start) * next(steps)
    except StopIteration as end:
        return end.value


def _file(path: Path, arrays: dict[str, Any], share: float) -> Steps:
    written = Written(0, "")
    for written in write_arrays(path, arrays):  # noqa: B007 - the last one is the whole
        yield share
    return written


def _examples(kept: Accumulators, log: ContextLog) -> Steps:
    """The arrays of `examples.safetensors`, and "top_token" of the statistics."""
    features = len(kept.statistics.count)
    index, tokens = log.index(), log.tokens()
    shape = (features, choice.EXAMPLES)
    context = np.empty(shape, dtype=np.uint32)
    activation = np.empty(shape, dtype=np.float32)
    peak = np.empty(shape, dtype=np.uint16 if int(index["length"].max()) <= 1 << 16 else np.uint32)
    slot = np.empty(shape, dtype=np.uint8)
    nonzero = np.empty(shape, dtype=np.uint8)
    words = np.empty((features, choice.TOP_TOKENS), dtype=np.int32)
    chunks = [slice(start, min(start + _CHUNK, features)) for start in range(0, features, _CHUNK)]
    for chunk in chunks:
        some = choice.choose(kept, chunk.start, chunk.stop)
        there = some.context >= 0
        windows = choice.windows_of(kept, chunk.start, some.slot, there)
        context[chunk] = np.where(there, some.context, NONE)
        activation[chunk], peak[chunk], slot[chunk] = some.activation, some.peak, some.slot
        nonzero[chunk] = choice.sparse(windows)[0]
        words[chunk] = choice.top_tokens(some, windows, index, tokens)
        yield chunk.stop / features
    used = np.unique(context)
    used = used[used != NONE].astype(np.int64)
    for chunk in chunks:
        here = context[chunk]
        context[chunk] = np.where(here == NONE, NONE, np.searchsorted(used, here))
        yield 1.0

    def stream(part: int) -> Iterator[NDArray]:
        for chunk in chunks:
            there = context[chunk] != NONE
            yield choice.sparse(choice.windows_of(kept, chunk.start, slot[chunk], there))[part]

    offset = np.concatenate(([0], np.cumsum(nonzero.sum(axis=1, dtype=np.int64))))
    return {
        "context": context,
        "activation": activation,
        "peak": peak,
        "nonzero": nonzero,
        "window_offset": offset,
        "window_position": Stream(np.uint8, (int(offset[-1]),), stream(1)),
        "window_value": Stream(np.float16, (int(offset[-1]),), stream(2)),
        "top_token": words,
        **choice.compact(log, used),
    }


def _effects(model: LanguageModel, sae: SAE) -> Steps:
    """The arrays of `effects.safetensors`; logit effects only where the SAE writes to the residual stream."""
    decoder: Tensor = sae.written()
    features, width = decoder.shape
    arrays: dict[str, list[NDArray]] = {}
    unembedding = model.unembedding()
    direct = width == unembedding.weight.shape[1] and all(_adds(model, hook) for hook in sae.config.writes)
    lens = logits.LogitLens(unembedding) if direct else None
    step = max(1, min(_CHUNK, int(_WORK / (2 * width * unembedding.weight.shape[0]))))
    for start in range(0, features if lens else 0, step):
        found = lens.strongest(decoder[start : start + step]) if lens else None
        for name, column in found._asdict().items() if found else ():
            arrays.setdefault(name, []).append(column)
        yield 0.7 * min(1.0, (start + step) / features)

    exact = 2.0 * features * features * width <= _TOO_MUCH_WORK or decoder.device.type != "cpu"
    inverse = neighbours.inverse_norms(decoder)
    step = max(1, min(_CHUNK, int(_WORK / (2 * width * features))))
    for start in range(0, features if exact else 0, step):
        near = neighbours.nearest(decoder, inverse, start, min(start + step, features))
        arrays.setdefault("neighbour", []).append(near.ids)
        arrays.setdefault("cosine", []).append(near.cosines)
        yield 0.7 + 0.3 * min(1.0, (start + step) / features)
    return {name: np.concatenate(columns) for name, columns in arrays.items()}


def _adds(model: LanguageModel, hook: HookPoint) -> bool:
    """Whether what is written at `hook` reaches the residual stream as it is, with no norm on the way."""
    if not hook.site.endswith("_raw"):
        return hook.site in STREAM
    added = replace(hook, site=hook.site.replace("raw", "out"))
    return model.tree.tap(hook) == model.tree.tap(added)


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write `harvest.json`.

    Raises:
        OSError: The disk is full, or the file can't be written.
    """
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    (folder / "harvest.json").write_text(text, encoding="utf-8")
