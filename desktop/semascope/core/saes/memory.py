"""How much memory an SAE takes, said before it is loaded. Imports no torch."""

from __future__ import annotations

from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import GLU

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
"""By the dtype computed in."""


def parameters(config: SAEConfig) -> int:
    """How many numbers an SAE has, but for a few vectors of its width."""
    writes = max(config.places, len(config.writes))
    if config.kind == "cross_layer_transcoder":
        decoded = config.d_sae * config.d_out * writes * (writes + 1) // 2
    elif config.kind == "crosscoder":
        decoded = config.features * config.d_out * writes
    else:
        decoded = config.features * config.d_out
    # A crosscoder's encoders read a place each, or one reads them all.
    encoded = (config.d_sae * config.places if config.kind == "crosscoder" else config.features) * config.d_in
    if config.architecture.startswith(GLU):
        encoded *= 2
    skip = config.d_in * config.d_out * config.encoders if config.skip else 0
    attention = config.temporal.weights if config.temporal else 0
    return encoded + decoded + skip + attention + 3 * config.features


def bytes_needed(config: SAEConfig, dtype: str = "float32") -> int:
    """Memory an SAE takes once it is open with its weights as `dtype`."""
    return parameters(config) * BYTES[dtype]


_BLOCKS = 256 << 20
"""What a mapped SAE has in memory of its matrices at once."""


def bytes_mapped(config: SAEConfig) -> int:
    """Memory an SAE takes with encoder and decoder left in their file: its vectors, and a block of each matrix."""
    skip = config.d_in * config.d_out * config.encoders if config.skip else 0
    vectors = 3 * config.features + config.d_in * config.places + config.d_out * max(1, len(config.writes))
    return 4 * (vectors + skip) + min(_BLOCKS, bytes_needed(config))


def choices(config: SAEConfig, mappable: bool) -> dict[str, int]:
    """Bytes of memory by how it may be opened: "float32", "bfloat16" and, where the format allows it, "mapped"."""
    found = {dtype: bytes_needed(config, dtype) for dtype in ("float32", "bfloat16")}
    return found | ({"mapped": bytes_mapped(config)} if mappable else {})
