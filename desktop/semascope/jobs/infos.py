"""What the engine tells of what is open: frozen values of strings and numbers. No torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from semascope.core.saes.reading import Reading


@dataclass(frozen=True)
class ModelInfo:
    """The open model. `chat` says whether it has a chat template."""

    path: Path
    name: str
    architecture: str
    fingerprint: str
    layers: int
    d_model: int
    vocabulary: int
    context: int
    device: str
    dtype: str
    chat: bool


@dataclass(frozen=True)
class SAEInfo:
    """An open SAE: what it is and how it is read; see `core.saes.config.SAEConfig` for what the fields mean.

    Attributes:
        fingerprint: Its identity: requests, notes, pins and harvests name it by this.
        hook_point, hook_out: Where it reads and writes in one line: "resid_post.15", "mlp_in.0-25"; "" where unknown.
        d_sae: Features of each encoder.
        features: All features: what ids run up to.
        reads, writes: Each place by itself.
        kind: "sae", "transcoder", "transcoder_set", "cross_layer_transcoder" or "crosscoder".
        l0: Mean number of active features that its makers state, or None.
        dtype: How its weights are stored.
        computes_in: What it computes in.
        mapped: Whether its matrices stay in the file.
        bytes: The memory it takes, about.
        reading: What a person changed about how it is read, on top of what its files say.
        problems: Sentences about what could not be known or looks wrong.
        notes: Sentences about how it is read that a person should know although nothing is wrong.
    """

    path: Path
    name: str
    fingerprint: str
    format: str
    architecture: str
    hook_point: str
    hook_out: str
    d_in: int
    d_out: int
    d_sae: int
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kind: str = "sae"
    features: int = 0
    encoders: int = 1
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    activation: str = ""
    k: int | None = None
    l0: float | None = None
    normalize: str = "none"
    processing: str = "raw"
    scale: float = 1.0
    subtracts_b_dec: bool = False
    skip: bool = False
    mask_first: int = 0
    mask_ids: tuple[int, ...] = ()
    model_name: str = ""
    prepend_bos: bool | None = None
    dtype: str = "float32"
    computes_in: str = "float32"
    mapped: bool = False
    bytes: int = 0
    reading: Reading = field(default_factory=Reading)

    def __post_init__(self) -> None:
        if not self.features:
            object.__setattr__(self, "features", self.d_sae * self.encoders)


@dataclass(frozen=True)
class EngineInfo:
    """What the engine holds and on which device, with its free memory in bytes (None where it can't be told).

    `sae` is the current one of `saes`, which stand in the order they were opened in.
    """

    device: str
    free_memory: int | None
    model: ModelInfo | None = None
    sae: SAEInfo | None = None
    saes: tuple[SAEInfo, ...] = ()
