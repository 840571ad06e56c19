"""What a harvest says about itself: the summary that is printed, and `harvest.json`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semascope import __version__
from semascope.core.harvest import choice, intervals, top
from semascope.core.harvest.accumulate import BEFORE, WIDTH, Accumulators
from semascope.core.harvest.arrays import Written
from semascope.core.harvest.settings import Settings
from semascope.core.harvest.store import FORMAT, VERSION
from semascope.core.models.hookpoint import hooks_text

if TYPE_CHECKING:
    from semascope.core.harvest.passing import Counts, Pass
    from semascope.core.models.model import LanguageModel
    from semascope.core.saes.sae import SAE


@dataclass(frozen=True)
class HarvestSummary:
    """What a harvest comes to; the JSON of `semascope harvest`.

    Attributes:
        tokens: Tokens that count: the denominator of every density.
        contexts: Contexts run.
        features: Features of the SAE.
        alive: Features that fired at least once.
        seconds: Time the pass took, resumptions included.
        tokens_per_second: Counted tokens over seconds.
        excluded: Tokens left out, by reason: "special" and "sinks".
    """

    tokens: int
    contexts: int
    features: int
    alive: int
    seconds: float
    tokens_per_second: float
    excluded: dict[str, int]


def summarise(settings: Settings, counts: Counts, kept: Accumulators) -> HarvestSummary:
    """The summary of a pass that has come to its end."""
    return HarvestSummary(
        tokens=counts.tokens,
        contexts=counts.contexts,
        features=settings.features,
        alive=int((kept.statistics.count > 0).sum()),
        seconds=round(counts.seconds, 3),
        tokens_per_second=round(counts.tokens / max(counts.seconds, 1e-9), 1),
        excluded={"special": counts.special, "sinks": counts.sinks},
    )


def describe(
    model: LanguageModel,
    sae: SAE,
    settings: Settings,
    done: Pass,
    summary: HarvestSummary,
    out: Path,
    corpus: Sequence[Path],
    files: Mapping[str, Written],
) -> dict[str, Any]:
    """The content of `harvest.json`: what it is of, how it was computed, what it holds.

    Args:
        model, sae, settings: What was run.
        done: The pass.
        summary: Its summary.
        out: The folder's final name.
        corpus: What was read.
        files: The other files of the folder.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"semascope {__version__}",
        "model": {
            "name": model.name,
            "path": _from(out, model.path),
            "architecture": model.architecture,
            "layers": model.n_layers,
            "d_model": model.d_model,
            "sha256": model.fingerprint,
        },
        "sae": {
            "name": sae.path.name if sae.path else sae.config.model_name,
            "path": _from(out, sae.path),
            "format": sae.config.format,
            "architecture": sae.config.architecture,
            "kind": sae.config.kind,
            "encoders": sae.config.encoders,
            "d_in": sae.config.d_in,
            "d_out": sae.config.d_out,
            "d_sae": sae.config.features,
            "read": {
                "processing": sae.config.processing,
                "scale": sae.config.scale,
                "normalize": sae.config.normalize,
                "threshold_factor": sae.config.threshold_factor,
                "hooks": hooks_text(sae.config.reads),
                "hooks_out": hooks_text(sae.config.writes),
                "mask_first": sae.config.mask_first,
                "mask_ids": list(sae.config.mask_ids),
            },
            "sha256": sae.fingerprint,
        },
        "corpus": {
            "names": [path.name for path in corpus],
            "documents": done.counts.documents,
            "sha256": settings.corpus,
        },
        "hook_point": settings.hook_point,
        "context": settings.context,
        "prepend_bos": settings.prepend_bos,
        "seed": settings.seed,
        "limit": settings.tokens,
        "computed": {
            "device": settings.device,
            "dtype": settings.dtype,
            "encoder_dtype": str(sae.dtype).removeprefix("torch."),
            "threads": settings.threads,
            "tile_tokens": settings.tile_tokens,
            "independent_of_batch_tokens": settings.device == "cpu",
        },
        "counts": asdict(summary),
        "sink_rule": done.rule.to_json() if done.rule else None,
        "examples": {
            "top": top.KEEP,
            "intervals": intervals.INTERVALS,
            "samples": intervals.SAMPLES,
            "window": WIDTH,
            "before": BEFORE,
        },
        "logit_effects": "W_U (gain * d), centred for LayerNorm, mean over the vocabulary subtracted",
        "top_tokens": f"{choice.TOP_TOKENS} tokens with the highest activation summed over the kept examples",
        "images": None,
        "files": {name: asdict(written) for name, written in files.items()},
    }


def _from(out: Path, path: Path | None) -> str | None:
    """`path` as seen from the harvest's folder, so that a harvest can move together with what it was made from."""
    if path is None:
        return None
    try:
        return Path(os.path.relpath(path.expanduser().absolute(), out)).as_posix()
    except ValueError:  # another drive
        return str(path)
