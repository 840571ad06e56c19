"""A harvest from beginning to end: check, claim the place, pass over the corpus, write the files, give the folder its name."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from semascope.core.corpus.readers import corpus_files
from semascope.core.errors import UserError, from_os_error
from semascope.core.fingerprint import fingerprint
from semascope.core.fit import fit
from semascope.core.harvest import finish
from semascope.core.harvest.arrays import Written
from semascope.core.harvest.partial import Partial
from semascope.core.harvest.passing import Pass
from semascope.core.harvest.record import HarvestSummary, describe, summarise
from semascope.core.harvest.settings import Settings, check_room, estimate, form_of, tile_tokens
from semascope.core.harvest.source import Source
from semascope.core.harvest.store import Harvest
from semascope.core.masking import Mask
from semascope.core.models.hookpoint import hooks_text
from semascope.core.progress import Job, Progress
from semascope.core.prompt import begins_with_bos

if TYPE_CHECKING:
    from semascope.core.models.model import LanguageModel
    from semascope.core.saes.sae import SAE


def harvest(
    model: LanguageModel,
    sae: SAE,
    corpus_paths: Sequence[str | Path],
    out: str | Path,
    *,
    tokens: int | None = None,
    context: int = 128,
    batch_tokens: int | None = None,
    resume: bool = False,
    seed: int = 0,
) -> Job[HarvestSummary]:
    """Harvest a corpus into the folder `out`.

    The result depends on the corpus, the model, the SAE, `context`, `tokens` and `seed` alone: on the processor, not on
    `batch_tokens`, nor on interruptions. On an accelerator `batch_tokens` is the size of a forward pass, and kernels may
    round differently for another size; `harvest.json` says which was used.

    Closing the generator leaves nothing under the final name; after the first few thousand tokens, `<out>.partial`
    stays, and `resume=True` goes on from it.

    Args:
        model: The model.
        sae: An SAE for one of its hook points.
        corpus_paths: Files and folders to read.
        out: The folder to make: new, or empty.
        tokens: The most tokens to read; None for the whole corpus.
        context: Tokens of a context, with its BOS.
        batch_tokens: Tokens folded between two reports of progress; None for one forward pass.
        resume: Go on with an unfinished harvest, if there is one.
        seed: For the interval samples.

    Raises:
        UserError: Model and SAE don't fit, the corpus can't be read, the place is taken, the disk is or becomes full.
    """
    out = Path(out).expanduser().absolute()
    settings = _settings(model, sae, corpus_paths, tokens, context, batch_tokens, seed)
    running: Pass | None = None
    try:
        partial = Partial(out, resume)
    except OSError as error:
        raise from_os_error(error, f"write the harvest to {out}") from error
    if partial.whole:  # killed when only the name was missing
        partial.publish()
        return HarvestSummary(**Harvest.open(out).info["counts"])
    try:
        size = sum(file.stat().st_size for file in corpus_files(corpus_paths))
        if not partial.resumable:
            check_room(estimate(settings.features, tokens or size // 3, settings.tile_tokens), partial.path)
        paths = [Path(path) for path in corpus_paths]
        source = Source(paths, model.codec, context, settings.prepend_bos, tokens, Mask.of(sae.config))
        running = Pass(model, sae, settings, source, partial, size)
        yield from running.run(batch_tokens or 1)
        summary = yield from _finish(model, sae, settings, running, partial, paths)
        running.close()
        running = None
        partial.publish()
        return summary
    except OSError as error:
        raise from_os_error(error, f"write the harvest to {out}") from error
    finally:
        if running is not None:
            with contextlib.suppress(OSError):  # a full disk may also refuse this; then the last checkpoint stands
                running.save()
            running.close()
        partial.leave()


def _settings(
    model: LanguageModel,
    sae: SAE,
    corpus_paths: Sequence[str | Path],
    tokens: int | None,
    context: int,
    batch_tokens: int | None,
    seed: int,
) -> Settings:
    fitted = fit(model, sae)
    if not 2 <= context <= model.context:
        raise UserError(
            f"A context of {context} tokens is not possible with this model.",
            f"Choose between 2 and {model.context}.",
        )
    for name, value in (("tokens", tokens), ("batch tokens", batch_tokens)):
        if value is not None and value < 1:
            raise UserError(f"The number of {name} must be at least 1, not {value}.")
    try:
        corpus = fingerprint(corpus_files(corpus_paths))
    except OSError as error:
        raise from_os_error(error, "read the corpus") from error
    threads = torch.get_num_threads()
    dtype = str(model.dtype).removeprefix("torch.")
    return Settings(
        model=model.fingerprint,
        sae=sae.fingerprint,
        corpus=corpus,
        hook_point=hooks_text(fitted.hooks),
        form=form_of(sae.config),
        features=sae.config.features,
        context=context,
        prepend_bos=begins_with_bos(model, sae),
        tokens=tokens,
        tile_tokens=tile_tokens(model.device.type, dtype, threads, batch_tokens),
        seed=seed,
        device=model.device.type,
        dtype=dtype,
        threads=threads,
    )


def _finish(
    model: LanguageModel, sae: SAE, settings: Settings, running: Pass, partial: Partial, paths: list[Path]
) -> Job[HarvestSummary]:
    """Write every file of the harvest."""
    kept = running.kept
    assert kept is not None
    steps = finish.write_files(partial.path, model, sae, kept, running.log)
    while True:
        try:
            share = next(steps)
        except StopIteration as end:
            files: dict[str, Written] = end.value
            break
        yield Progress(round(100 * share), 100, "steps", note="writing effects and examples")
    summary = summarise(settings, running.counts, kept)
    finish.write_record(partial.path, describe(model, sae, settings, running, summary, partial.out, paths, files))
    return summary
