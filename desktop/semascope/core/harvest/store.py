"""A harvest on the disk, opened: numpy and SQLite only, so that reading needs neither model nor torch.

Arrays are memory maps: opening reads a few kilobytes, and a feature's page a few more. What the arrays mean is in `run`
and `finish`, which write them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semascope.core.errors import UserError, from_os_error
from semascope.core.harvest.arrays import map_arrays
from semascope.core.harvest.intervals import bounds
from semascope.core.harvest.sinks import SinkRule
from semascope.core.harvest.strings import Strings
from semascope.core.models.hookpoint import Hooks, parse_hooks

FORMAT = "semascope-harvest"
VERSION = 1
_LONGEST_JSON = 64 << 20
_NONE = 0xFFFFFFFF
_SPREAD = 4


@dataclass(frozen=True, eq=False)
class Example:
    """A feature in a context.

    Attributes:
        activation: The peak.
        tokens: One string a token, around the peak.
        activations: The feature's activation on each token, float32, shape (len(tokens),); 0 where it does not count. Kept
            with the precision of float16.
        special: Whether each token does not count: a special token, or an attention sink.
        position: Index of the peak in `tokens`.
        start: Index in the document's tokens of the first of `tokens` (−1: a BOS that was put in front).
        document: Name of the document.
        interval: The interval (low, high] of activation it is a sample of; None for a max-activating example.
    """

    activation: float
    tokens: tuple[str, ...]
    activations: NDArray[np.float32]
    special: NDArray[np.bool_]
    position: int
    start: int
    document: str
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Logits:
    """Logit effects of a feature: (token, effect), strongest first; empty where the SAE does not write to the residual stream."""

    positive: list[tuple[str, float]]
    negative: list[tuple[str, float]]


class _Stored(NamedTuple):
    """One example as it is stored: its context, its peak in it, and where its window's values begin and end."""

    context: int
    peak: int
    activation: float
    window: int
    window_end: int


class Harvest:
    """An opened harvest, read-only; may be used from several threads.

    Attributes:
        path: Its folder.
        info: `harvest.json`.
        features: Number of features, m.
        tokens: Tokens that count, the denominator of every density.
        hooks: Where activations were read.
        hook_point: The first of these places.
        sink_rule: Which positions were left out.
        count: Tokens on which each feature fires, int64, shape (m,).
        maximum: float32, shape (m,).
        decoder_norm: ‖d_i‖, float32, shape (m,).
        histogram_edges: float32, shape (B + 1,).
        histograms: uint32, shape (m, B + 2): below the first edge, the bins, from the last edge up.
        top_token: Ids of each feature's top tokens, int32, shape (m, 5); −1 where there are fewer.
        labels: Labels that came with the harvest, by feature.
        strings: The vocabulary and the documents' names.
    """

    def __init__(self, path: Path) -> None:
        """Use `open`."""
        self.path = path
        self.info: dict[str, Any] = _read_record(path)
        self.features = int(self.info["counts"]["features"])
        self.tokens = int(self.info["counts"]["tokens"])
        self.hooks: Hooks = parse_hooks(self.info["hook_point"])
        self.hook_point = self.hooks[0]
        self.sink_rule = SinkRule.from_json(self.info["sink_rule"])
        statistics = self._map("statistics.safetensors")
        self._examples = self._map("examples.safetensors")
        self._effects = self._map("effects.safetensors")
        self.count: NDArray[np.int64] = statistics["count"]
        self.maximum: NDArray[np.float32] = statistics["maximum"]
        self.decoder_norm: NDArray[np.float32] = statistics["decoder_norm"]
        self.histogram_edges: NDArray[np.float32] = statistics["edges"]
        self.histograms: NDArray[np.uint32] = statistics["histogram"]
        self.top_token: NDArray[np.int32] = statistics["top_token"]
        self._total: NDArray[np.float64] = statistics["total"]
        self.strings = Strings(path / "strings.sqlite")
        self.labels = _read_labels(path / "labels.json")
        rows = (*statistics.values(), *(self._examples[name] for name in ("context", "activation", "peak", "nonzero")))
        if any(len(array) != self.features for array in rows if array is not self.histogram_edges):
            raise ValueError("arrays of different lengths")

    @classmethod
    def open(cls, path: str | Path) -> Harvest:
        """Open a harvest's folder.

        Raises:
            UserError: It is no harvest, of a later version, or damaged.
        """
        folder = Path(path).expanduser()
        try:
            return cls(folder)
        except OSError as error:
            raise from_os_error(error, f"open the harvest {folder}") from error
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise UserError(f"The harvest {folder} is damaged.", "Make it again, or copy it again.") from error

    def close(self) -> None:
        """Let go of the files; the object is not to be used any more."""
        self.strings.close()

    @cached_property
    def density(self) -> NDArray[np.float64]:
        """The share of tokens on which each feature fires, float64, shape (m,)."""
        return self.count / max(self.tokens, 1)

    @cached_property
    def mean(self) -> NDArray[np.float32]:
        """Mean activation over the tokens on which each feature fires (0 where on none), float32, shape (m,)."""
        return (self._total / np.maximum(self.count, 1)).astype(np.float32)

    @cached_property
    def alive(self) -> int:
        """How many features fired at least once."""
        return int(np.count_nonzero(self.count))

    def histogram(self, feature: int) -> NDArray[np.int64]:
        """Events by size, int64, shape (B + 2,): below the first edge, the bins, from the last edge up."""
        return np.asarray(self.histograms[feature], dtype=np.int64)

    def top_tokens(self, feature: int) -> list[str]:
        """The tokens on which a feature fires, by activation summed over its kept examples, at most five."""
        return self.strings.pieces(token for token in self.top_token[feature] if token >= 0)

    def examples(self, feature: int) -> list[Example]:
        """Max-activating examples, strongest first; then samples of each interval, highest interval first."""
        shape = self.info["examples"]
        top, intervals, samples = int(shape["top"]), int(shape["intervals"]), int(shape["samples"])
        stored = self._stored(feature)
        examples = [self._example(one, None) for one in stored[:top] if one is not None]
        for interval in reversed(range(intervals)):
            low, high = (float(bound[0]) for bound in bounds(self.maximum[feature : feature + 1], interval))
            places = stored[top + interval * samples : top + (interval + 1) * samples]
            some = [self._example(one, (low, high)) for one in places if one is not None]
            examples += sorted(some, key=lambda example: -example.activation)
        return examples

    def logits(self, feature: int) -> Logits:
        """Logit effects, strongest first."""
        if "positive" not in self._effects:
            return Logits([], [])
        return Logits(*(self._effect(feature, sign) for sign in ("positive", "negative")))

    def neighbours(self, feature: int) -> list[tuple[int, float]]:
        """The nearest features by cosine of decoder directions, nearest first: (feature, cosine)."""
        if "neighbour" not in self._effects:
            return []
        ids, cosines = self._effects["neighbour"][feature], self._effects["cosine"][feature]
        return [(int(i), float(cosine)) for i, cosine in zip(ids, cosines, strict=True) if i >= 0]

    @property
    def effects(self) -> dict[str, NDArray]:
        """The arrays of `effects.safetensors`, for searches over all features."""
        return self._effects

    def _stored(self, feature: int) -> list[_Stored | None]:
        """What is stored of a feature's examples, by place; None where there is none."""
        arrays = self._examples
        ends = np.cumsum(arrays["nonzero"][feature], dtype=np.int64) + int(arrays["window_offset"][feature])
        rows = zip(
            arrays["context"][feature].tolist(),
            arrays["peak"][feature].tolist(),
            arrays["activation"][feature].tolist(),
            [int(arrays["window_offset"][feature]), *ends[:-1].tolist()],
            ends.tolist(),
            strict=True,
        )
        return [None if row[0] == _NONE else _Stored(*row) for row in rows]

    def _example(self, stored: _Stored, interval: tuple[float, float] | None) -> Example:
        arrays, shape = self._examples, self.info["examples"]
        width, before = int(shape["window"]), int(shape["before"])
        begin, end = arrays["context_offset"][stored.context : stored.context + 2].tolist()
        start = min(max(stored.peak - before, 0), max(end - begin - width, 0))
        stop = min(start + width, end - begin)
        # A few tokens more on either side, since a character may be spread over up to four.
        near = max(start - _SPREAD, 0)
        strings, _ = self.strings.texts(arrays["token"][begin + near : min(begin + stop + _SPREAD, end)].tolist())

        values = np.zeros(width, dtype=np.float32)
        window = slice(stored.window, stored.window_end)
        values[arrays["window_position"][window]] = arrays["window_value"][window]
        values = values[: stop - start]
        return Example(
            activation=stored.activation,
            tokens=strings[start - near : stop - near],
            activations=np.maximum(values, 0),
            special=values < 0,
            position=stored.peak - start,
            start=int(arrays["context_start"][stored.context]) + start,
            document=self.strings.document(int(arrays["context_document"][stored.context])),
            interval=interval,
        )

    def _effect(self, feature: int, sign: str) -> list[tuple[str, float]]:
        pieces = self.strings.pieces(self._effects[sign][feature])
        return list(zip(pieces, self._effects[f"{sign}_effect"][feature].tolist(), strict=True))

    def _map(self, name: str) -> dict[str, NDArray]:
        recorded = self.info["files"][name]["size"]
        path = self.path / name
        if not path.is_file() or path.stat().st_size != recorded:
            raise UserError(
                f"The harvest {self.path} is damaged: {name} is missing or truncated.",
                "Make it again, or copy it again.",
            )
        return map_arrays(path)


def _read_record(path: Path) -> dict[str, Any]:
    """`harvest.json`, known to be of this format and version."""
    file = path / "harvest.json"
    if not file.is_file():
        raise UserError(f"{path} is not a harvest.", "A harvest is a folder with a harvest.json.")
    if file.stat().st_size > _LONGEST_JSON:
        raise ValueError("too long")
    record = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise UserError(f"{path} is not a harvest.", "Its harvest.json is something else.")
    if record.get("version") != VERSION:
        raise UserError(
            f"The harvest {path} has version {record.get('version')}; this program reads version {VERSION}.",
            "Open it with a newer program.",
        )
    return record


def _read_labels(path: Path) -> dict[int, str]:
    """Labels by feature; none where there is no file."""
    if not path.is_file():
        return {}
    labels = json.loads(path.read_text(encoding="utf-8"))
    return {int(feature): str(label) for feature, label in labels.items()}
