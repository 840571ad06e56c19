"""What a harvest would take, and why it can't be: decided before it starts, in words. No QWidget, no torch.

The engine checks everything again when it starts; this is for the person who is still choosing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from semascope.core.corpus.readers import corpus_files
from semascope.core.errors import UserError
from semascope.core.harvest.settings import check_room, estimate
from semascope.jobs.infos import ModelInfo, SAEInfo

BYTES_PER_TOKEN = 4.2  # of English prose under a vocabulary of 50 k; JSON and other languages differ
_FEWEST = 8  # tokens of a context: fewer hold no context to speak of


@dataclass(frozen=True)
class Plan:
    """A harvest that is being planned.

    Attributes:
        corpus: Files and folders of text.
        tokens: The most tokens to read, or None for all.
        context: Tokens of a context.
        out: The folder to make.
    """

    corpus: tuple[Path, ...]
    tokens: int | None
    context: int
    out: Path | None


def problem(plan: Plan, model: ModelInfo | None, sae: SAEInfo | None) -> str:
    """One sentence that says why this can't be done, or ""."""
    if model is None or sae is None:
        missing = " and ".join(
            name for name, info in (("a model", model), ("an SAE that fits it", sae)) if info is None
        )
        return f"A harvest needs {missing}. Open that first."
    if not plan.corpus:
        return "Choose what to read: text, JSON Lines, CSV or Parquet files, or a folder of them."
    gone = next((path for path in plan.corpus if not path.exists()), None)
    if gone is not None:
        return f"There is nothing at {gone}."
    if plan.context > model.context:
        return f"{model.name} reads at most {model.context:,} tokens at once; choose a smaller context."
    if plan.context < _FEWEST:
        return f"A context of fewer than {_FEWEST} tokens says little; choose a larger one."
    if plan.out is None or not plan.out.name:
        return "Choose where to keep the harvest."
    if plan.out.exists() and (not plan.out.is_dir() or any(plan.out.iterdir())):
        return f"{plan.out} exists already; choose a new name."
    return _no_room(plan, sae)


def cost(plan: Plan, sae: SAEInfo, rate: float | None) -> str:
    """What it takes, in a sentence: tokens, memory, disk, and time where a rate (tokens/s) is known."""
    tokens, size = corpus_tokens(plan), estimate(sae.features, corpus_tokens(plan))
    about = "" if plan.tokens and plan.tokens <= tokens else "about "
    words = (
        f"{about}{tokens:,} tokens for {sae.features:,} features: {_bytes(size.memory)} of memory beside the model, "
        f"{_bytes(size.disk)} of disk while it runs, "
    )
    if rate:
        return f"{_capital(words)}about {_time(tokens / rate)} at {rate:,.0f} tokens a second."
    return f"{_capital(words)}and a time that can be told after the first few seconds."


def corpus_tokens(plan: Plan) -> int:
    """How many tokens will be read, by the size of the files (exact only where the plan's limit is what ends it)."""
    size = sum(file.stat().st_size for file in corpus_files(plan.corpus) if file.is_file())
    rounded = int(float(f"{max(1.0, size / BYTES_PER_TOKEN):.2g}"))
    return min(rounded, plan.tokens) if plan.tokens else rounded


def _no_room(plan: Plan, sae: SAEInfo) -> str:
    assert plan.out is not None
    try:
        check_room(estimate(sae.features, corpus_tokens(plan)), plan.out.parent.absolute())
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"The corpus or the place for the harvest can't be read: {error.strerror or error}."
    return ""


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
