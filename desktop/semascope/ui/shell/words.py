"""How the shell says what is open: names, numbers and devices in the fewest words. No Qt."""

from __future__ import annotations

from pathlib import Path

from semascope.core.harvest.store import Harvest
from semascope.jobs.infos import ModelInfo, SAEInfo

_ACTIVATIONS = {
    "standard": "ReLU",
    "gated": "Gated",
    "jumprelu": "JumpReLU",
    "topk": "TopK",
    "abstopk": "AbsTopK",
    "groupmax": "GroupMax",
    "tanh_relu": "tanh of ReLU",
    "batchtopk": "BatchTopK",
    "matryoshka_batchtopk": "Matryoshka",
    "matching_pursuit": "Matching pursuit",
    "temporal": "Temporal",
}
_USED_IN = (
    "skip_cross_layer_transcoder", "cross_layer_transcoder", "skip_transcoder_set", "transcoder_set",
    "skip_crosscoder", "crosscoder", "skip_transcoder", "transcoder",
)  # fmt: skip
_DTYPES = {"bfloat16": "bf16", "float32": "fp32", "float16": "fp16"}


def device(name: str) -> str:
    """ "cuda:0" as people write it."""
    kind, _, number = name.partition(":")
    words = {"cpu": "CPU", "cuda": "CUDA", "mps": "Apple GPU"}.get(kind, kind)
    return f"{words} {number}" if number not in ("", "0") else words


def architecture(name: str) -> str:
    """ "jumprelu_skip_transcoder" as people write it."""
    used_in = next((part for part in _USED_IN if name.endswith(part)), "")
    activation = name.removesuffix(used_in).rstrip("_")
    shown = _ACTIVATIONS.get(activation, activation)
    if not used_in:
        return shown
    use = used_in.replace("_", " ").replace("cross layer", "cross-layer")
    return f"{shown} {use}" if shown else use[:1].upper() + use[1:]


def hook(name: str) -> str:
    """ "resid_post.15" with a space, as a title."""
    return name.replace(".", " ")


def count(number: int) -> str:
    """1,038,336 as "1.0 M": two figures are enough for a chip."""
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M")):
        if number >= size:
            return f"{number / size:.1f} {letter}"
    return f"{number / 1000:.0f} k" if number >= 10_000 else f"{number:,}"


def short(fingerprint: str) -> str:
    """Enough of a fingerprint to tell two apart by eye."""
    return fingerprint.removeprefix("sha256:")[:16]


def harvest_name(harvest: Harvest) -> str:
    """The folder's name; the folder above it where that says nothing."""
    path = Path(harvest.path)
    return path.parent.name if path.name == "harvest" else path.name


def model_facts(info: ModelInfo) -> str:
    return f"{_DTYPES.get(info.dtype, info.dtype)} · {device(info.device)}"


def sae_facts(info: SAEInfo) -> str:
    return f"{architecture(info.architecture)} · {info.features:,}"


def dtype(name: str) -> str:
    """ "bfloat16" as people write it."""
    return _DTYPES.get(name, name)


def bytes_(count: int) -> str:
    """An amount of memory: "1.2 GB", "340 MB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6)):,} MB"
