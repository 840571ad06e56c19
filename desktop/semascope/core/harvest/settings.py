"""What a harvest is of, and what it costs: the settings that decide its numbers, and the room it takes. No torch."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psutil

from semascope.core.errors import UserError
from semascope.core.harvest import accumulate, intervals, top
from semascope.core.harvest.scratch import ExampleScratch
from semascope.core.saes.config import SAEConfig

_TILE_ON_DEVICE = 8192
_TILE_ON_CPU = {
    "float32": 256,
    "float64": 256,
}  # larger ones gain nothing there; with 16-bit floats they gain a few per cent
_TILE_ON_CPU_NARROW = 512


@dataclass(frozen=True)
class Settings:
    """All that the numbers of a harvest depend on; an interrupted harvest is only taken up with the same ones.

    Attributes:
        model: Fingerprint of the model.
        sae: Fingerprint of the SAE.
        corpus: Fingerprint of the corpus.
        hook_point: Where activations are read.
        form: In what form the SAE takes them, and what it leaves out (`form_of`).
        features: Features of the SAE.
        context: Tokens of a context.
        prepend_bos: Whether contexts begin with a BOS.
        tokens: The most tokens to read, or None for the whole corpus.
        tile_tokens: The most tokens of one forward pass.
        seed: For the interval samples.
        device, dtype, threads: What the model was run on and in.
    """

    model: str
    sae: str
    corpus: str
    hook_point: str
    form: str
    features: int
    context: int
    prepend_bos: bool
    tokens: int | None
    tile_tokens: int
    seed: int
    device: str
    dtype: str
    threads: int

    def to_json(self) -> dict[str, Any]:
        """For a checkpoint."""
        return asdict(self)

    def must_equal(self, record: dict[str, Any]) -> None:
        """Check against the settings a partial harvest was begun with.

        Raises:
            UserError: Something differs; the sentence says what.
        """
        for field in fields(self):
            if record.get(field.name) != getattr(self, field.name):
                name = field.name.replace("_", " ")
                raise UserError(
                    f"The unfinished harvest was begun with another {name} ({record.get(field.name)}).",
                    f"Resume it with the same {name}, or delete it and begin anew.",
                )


def form_of(config: SAEConfig) -> str:
    """All of an SAE's settings that change a harvest of the same weights at the same place."""
    masked = f"{config.mask_first}:{','.join(map(str, config.mask_ids))}"
    factor = "" if config.threshold_factor == 1.0 else f" θ{config.threshold_factor!r}"
    return f"{config.processing} x{config.scale!r} {config.normalize}{factor} -{masked}"


def tile_tokens(device: str, dtype: str, threads: int, batch_tokens: int | None) -> int:
    """Tokens of one forward pass: on the processor a matter of it alone, so that results don't depend on `batch_tokens`."""
    if device == "cpu":
        return _TILE_ON_CPU.get(dtype, _TILE_ON_CPU_NARROW) * min(max(1, threads // 2), 16)
    return batch_tokens or _TILE_ON_DEVICE


@dataclass(frozen=True)
class Cost:
    """What a harvest takes beside model and SAE: the most memory, and the most disk while it runs, in bytes."""

    memory: int
    disk: int


def estimate(features: int, tokens: int, tile: int = _TILE_ON_CPU_NARROW) -> Cost:
    """The cost of a harvest of this many features over this many tokens."""
    slots = top.KEEP + intervals.SLOTS
    dense = 12 * tile * features  # a tile's activations, a mask and what an encoder needs meanwhile
    ending = 600 * features  # the examples chosen, before the last of the accumulators is given up
    scratch = ExampleScratch.size(features, slots, accumulate.WIDTH)
    return Cost(
        memory=accumulate.BYTES_PER_FEATURE * features + max(dense, ending) + (64 << 20),
        disk=scratch + (accumulate.BYTES_PER_FEATURE + 3000) * features + 5 * tokens + (16 << 20),
    )


def check_room(cost: Cost, folder: Path) -> None:
    """Refuse to begin what can't end.

    Raises:
        UserError: There is too little memory or disk.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < cost.disk:
        raise UserError(
            f"The harvest needs {_size(cost.disk)} of disk at {folder}, and {_size(free)} are free.",
            "Free some space or choose another place.",
        )
    available = int(psutil.virtual_memory().available)
    if available < cost.memory:
        raise UserError(
            f"The harvest needs {_size(cost.memory)} of memory, and {_size(available)} are free.",
            "Close other programs, or use a machine with more memory.",
        )
    if not os.access(folder, os.W_OK):
        raise UserError(f"There is no permission to write in {folder}.", "Choose another place.")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"
