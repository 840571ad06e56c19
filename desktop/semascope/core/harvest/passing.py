"""The pass over the corpus: window by window, tile by tile, with checkpoints. Torch through `forward` alone.

1. The first tiles are read and held back until enough tokens are known to fix the sink rule and the histogram's edges.
2. Every tile, those first, is encoded where its positions count, and folded.
3. At most a minute apart, everything is written down as a checkpoint, with the place in the corpus it stands for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from semascope.core.errors import UserError
from semascope.core.fit import fit
from semascope.core.harvest import sinks, tiles
from semascope.core.harvest.accumulate import Accumulators
from semascope.core.harvest.forward import Read
from semascope.core.harvest.partial import Checkpoint, Partial
from semascope.core.harvest.scratch import ContextLog
from semascope.core.harvest.settings import Settings
from semascope.core.harvest.sinks import SinkRule
from semascope.core.harvest.source import Place, Source, Window
from semascope.core.harvest.statistics import histogram_edges
from semascope.core.progress import Job, Meter

if TYPE_CHECKING:
    from semascope.core.models.model import LanguageModel
    from semascope.core.saes.sae import SAE

CHECKPOINT_SECONDS = 30.0
_TILES_FOR_EDGES = 4  # they are encoded twice


@dataclass
class Counts:
    """What a pass has seen.

    Attributes:
        tokens: Counted ones: neither special nor sinks.
        special, sinks: Tokens left out, each counted once, as what it was first.
        contexts: Contexts run.
        documents: Documents begun.
        seconds: Time spent on the pass, over all resumptions.
    """

    tokens: int = 0
    special: int = 0
    sinks: int = 0
    contexts: int = 0
    documents: int = 0
    seconds: float = 0.0

    @property
    def read(self) -> int:
        """All tokens run through the model."""
        return self.tokens + self.special + self.sinks


@dataclass(frozen=True)
class _Stand:
    """How far the pass is: the window under way, where it begins in the log, and how many of its tiles are folded."""

    place: Place = field(default_factory=Place)
    mark: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    folded: int = 0


class _Step(NamedTuple):
    """A tile, and where the pass stands once it is folded."""

    tile: tiles.Tile
    stand: _Stand


class _Held(NamedTuple):
    """A tile's activations, and where the pass stands once they are folded."""

    read: Read
    stand: _Stand


class Pass:
    """One pass of a corpus through a model and an SAE.

    Attributes:
        kept: The accumulators; None until the sink rule is fixed.
        rule: The sink rule; None until then.
        counts: What has been seen.
        log: The contexts read.
    """

    def __init__(
        self, model: LanguageModel, sae: SAE, settings: Settings, source: Source, partial: Partial, bytes_in_all: int
    ) -> None:
        """A pass that begins, or goes on from the partial harvest's checkpoint.

        Raises:
            UserError: The checkpoint is damaged or of other settings.
            OSError: There is no room for the scratch files.
        """
        self._model, self._sae, self._settings = model, fit(model, sae), settings
        self._source, self._partial, self._bytes = source, partial, bytes_in_all
        self._stand = _Stand()
        self._worth_saving = False
        self._saved = time.monotonic()
        self._begun = self._saved
        self._meter = Meter(settings.tokens, "tokens")
        self.kept: Accumulators | None = None
        self.rule: SinkRule | None = None
        self.counts = Counts()
        self.log = ContextLog(partial.scratch, model.vocabulary)
        if partial.resumable:
            self._resume(partial.load())
        else:
            self.log.rewind(self._stand.mark)

    def run(self, tick_tokens: int) -> Job[None]:
        """Fold the rest of the corpus; one `Progress` after about every `tick_tokens` tokens.

        Raises:
            UserError: The corpus can't be read, or no token of it counts.
            OSError: The disk is full.
        """
        held: list[_Held] = []
        since = 0
        for step in self._steps():
            if step is None:
                yield self._meter.at(self.counts.read, "reading the corpus")
                continue
            read = Read(self._model, self._sae.hooks, step.tile)
            since += step.tile.tokens
            if self.kept is None:
                held.append(_Held(read, step.stand))
                if sum(int(each.read.tile.counted.sum()) for each in held) >= sinks.ESTIMATED_FROM:
                    yield from self._begin(held)
                    held = []
            else:
                self._fold(read, step.stand)
                self._checkpoint_if_due()
            if since >= tick_tokens:
                yield self._meter.at(self.counts.read + sum(each.read.tile.tokens for each in held), "harvesting")
                since = 0
        if self.kept is None:
            yield from self._begin(held)
        self.save()

    def save(self) -> None:
        """Write a checkpoint, if the last one lacks anything, and unless a tile is half folded (Ctrl+C may come anywhere).

        Raises:
            OSError: The disk is full.
        """
        if self.kept is None or self.rule is None or not self._worth_saving:
            return
        now = time.monotonic()
        self.counts.seconds += now - self._begun
        self._begun = self._saved = now
        self.kept.flush()
        self.log.flush()
        record = {
            "settings": self._settings.to_json(),
            "rule": self.rule.to_json(),
            "counts": asdict(self.counts),
            "place": self._stand.place.to_json(),
            "mark": self._stand.mark,
            "folded": self._stand.folded,
        }
        self._partial.save(Checkpoint(self.kept.state(), record))
        self._worth_saving = False

    def close(self) -> None:
        """Let go of the scratch files."""
        self.log.close()
        self.kept = None

    def _resume(self, checkpoint: Checkpoint) -> None:
        record = checkpoint.record
        self._settings.must_equal(record["settings"])
        self.rule = SinkRule.from_json(record["rule"])
        self.counts = Counts(**record["counts"])
        self._stand = _Stand(Place(**record["place"]), record["mark"], record["folded"])
        self.kept = Accumulators(
            self._partial.scratch, self._settings.features, checkpoint.arrays["statistics.edges"], self._settings.seed
        )
        self.kept.restore(checkpoint.arrays)
        self.log.rewind(self._stand.mark)
        self._meter = Meter(self._settings.tokens, "tokens", start=self.counts.read)

    def _steps(self) -> Iterator[_Step | None]:
        """The tiles not folded yet; None whenever reading the corpus has taken a while."""
        folded = self._stand.folded
        tokens = self._stand.place.tokens
        for window in self._source.windows(self._stand.place):
            if window is None:
                yield None
                continue
            mark = self.log.mark()
            self._log(window)
            cut = tiles.cut_tiles(window.contexts, window.place.context, self._settings.tile_tokens)
            for number, tile in enumerate(cut[folded:], folded + 1):
                last = number == len(cut)
                yield _Step(tile, _Stand(window.after, self.log.mark()) if last else _Stand(window.place, mark, number))
            folded, tokens = 0, window.after.tokens
        if self._settings.tokens is None:
            self._meter.total = tokens

    def _log(self, window: Window) -> None:
        bos = self._model.codec.bos_id if self._settings.prepend_bos else None
        self.log.append(window.contexts, self._source.names, bos)
        if self._settings.tokens is None and self._source.characters:
            # The share of the bytes read so far is a fair guess at the share of the tokens.
            share = min(1.0, self._source.characters / max(1, self._bytes))
            self._meter.total = max(window.after.tokens, round(window.after.tokens / share))

    def _begin(self, held: list[_Held]) -> Job[None]:
        """Fix the sink rule and the histogram's edges by the tiles held back, and fold these."""
        norms = [read.norms[read.tile.counted.reshape(-1)] for read, _ in held]
        if not sum(map(len, norms)):
            raise UserError("No token of the corpus counts: all are special tokens.", "Choose a corpus of plain text.")
        self.rule = SinkRule.estimate(np.concatenate(norms))
        tokens = sum(read.tile.tokens for read, _ in held)
        values = []
        for read, _ in held[:_TILES_FOR_EDGES]:
            values.append(read.events(self._sae, self._places(read)).value)
            yield self._meter.at(tokens, "looking at the first tokens")
        edges = histogram_edges(np.concatenate(values))
        self.kept = Accumulators(self._partial.scratch, self._settings.features, edges, self._settings.seed)
        for read, stand in held:
            self._fold(read, stand)
            yield self._meter.at(tokens, "harvesting")

    def _places(self, read: Read) -> np.ndarray:
        """Flat indices of the positions that count."""
        assert self.rule is not None
        return np.flatnonzero(read.tile.counted.reshape(-1) & ~self.rule.mask(read.norms))

    def _fold(self, read: Read, stand: _Stand) -> None:
        assert self.kept is not None
        self._worth_saving = False
        places = self._places(read)
        if len(places):
            self.kept.fold(read.tile, places, read.events(self._sae, places))
        plain = int(read.tile.counted.sum())
        self.counts.tokens += len(places)
        self.counts.sinks += plain - len(places)
        self.counts.special += read.tile.tokens - plain
        self.counts.contexts += len(read.tile.contexts)
        self.counts.documents = max(self.counts.documents, int(read.tile.documents[-1]) + 1)
        self._stand = stand
        self._worth_saving = True

    def _checkpoint_if_due(self) -> None:
        if time.monotonic() - self._saved >= CHECKPOINT_SECONDS:
            self.save()
