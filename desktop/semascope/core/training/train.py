"""Learn a dictionary: `train` runs the corpus through the model, learns from the activations, measures, and writes the SAE.

The result is a SAELens folder: a BatchTopK dictionary as JumpReLU with one threshold (the mean of the smallest activation
each batch kept, Bussmann et al. 2024, section 3), a TopK one as TopK. Decoder rows have norm 1 in the model's own units,
so an activation is how far the residual stream moves along the feature. The folder's metadata say what it was learned
from and how good it is.

Work in progress lives in `<out>.partial`: tokens and activations, and a checkpoint every two minutes. A training that was
cancelled or killed goes on from there; the order of the batches depends on the seed alone.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from semascope import __version__
from semascope.core.atomic import atomic_file
from semascope.core.corpus.readers import corpus_files
from semascope.core.errors import UserError, from_os_error
from semascope.core.fingerprint import fingerprint
from semascope.core.models.device import dtype_name
from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.progress import Job, Meter
from semascope.core.saes import open_sae
from semascope.core.saes.save import write_saelens
from semascope.core.training.buffer import SINK_MULTIPLE, ActivationBuffer, TokenTable, median_norm, tokenise
from semascope.core.training.dictionary import Dictionary
from semascope.core.training.evaluate import Quality, measure

_CHECKPOINT_SECONDS = 120.0
_BUFFER_BYTES = 8 << 30
_THRESHOLD_MEMORY = 0.99
_TICK_SECONDS = 0.2


@dataclass(frozen=True)
class TrainSettings:
    """What to learn, and how.

    Attributes:
        hook: Where activations are read.
        features: How many features.
        k: Mean number of active features a token.
        architecture: `batchtopk` or `topk`.
        tokens: Activations to learn from in all; beyond the corpus's own it is passed over again. None: one pass.
        context: Tokens a context.
        batch: Activations a step.
        learning_rate: Peak of Adam's rate: risen to over the first twentieth, fallen to 0 over the last quarter.
        prepend_bos: Whether contexts begin with a BOS; None: as the tokenizer does.
        dtype: How the result's tensors are stored.
        seed: Of shuffling and of the start.
    """

    hook: HookPoint
    features: int
    k: int = 32
    architecture: str = "batchtopk"
    tokens: int | None = None
    context: int = 128
    batch: int = 1024
    learning_rate: float = 8e-4
    prepend_bos: bool | None = None
    dtype: str = "float32"
    seed: int = 0


@dataclass(frozen=True)
class TrainResult:
    """A finished training: where the SAE is, the activations it saw, and its quality on held-out text."""

    out: Path
    tokens: int
    quality: Quality


def train(
    model: LanguageModel,
    corpus: list[Path],
    out: Path,
    settings: TrainSettings,
    *,
    held_out: list[Path] | None = None,
    resume: bool = False,
) -> Job[TrainResult]:
    """Learn a dictionary from a model's activations on local text.

    Args:
        model: The model to read.
        corpus: Files or folders of text.
        out: The SAELens folder to make.
        settings: What to learn.
        held_out: Text to measure on; None sets some documents of the corpus aside.
        resume: Go on with the work in progress beside `out`, if there is some.

    Raises:
        UserError: The corpus, the place or the settings don't allow it.
    """
    _check(model, out, settings)
    work = out.with_name(f"{out.name}.partial")
    if work.exists() and not resume:
        shutil.rmtree(work)
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, f"write to {out.parent}") from error
    _same_work(work, model, corpus, settings)

    bos = model.codec.adds_bos if settings.prepend_bos is None else settings.prepend_bos
    table = yield from tokenise(model, corpus, held_out or [], settings.context, bos)
    sink_norm = SINK_MULTIPLE * median_norm(model, settings.hook, table)
    run = _Run(model, table, work, settings, sink_norm)
    yield from run.learn()

    facts = {
        "prepend_bos": bos,
        "context_size": settings.context,
        "training_architecture": settings.architecture,
        "semascope": {
            "version": __version__,
            "model_fingerprint": model.fingerprint,
            "corpus_fingerprint": fingerprint(corpus_files(corpus)),
            "dtype": dtype_name(model.dtype),
            "tokens": run.seen,
            "k": settings.k,
            "seed": settings.seed,
            "learning_rate": settings.learning_rate,
            "batch": settings.batch,
            "sink_multiple": SINK_MULTIPLE,
            "median_norm": sink_norm / SINK_MULTIPLE,
        },
    }
    finished = work / "sae"
    _write(run, finished, facts, settings)
    quality = yield from measure(model, open_sae(finished), settings.hook, table, sink_norm)
    facts["semascope"]["held_out"] = dataclasses.asdict(quality)  # type: ignore[index]
    _write(run, out, facts, settings)
    shutil.rmtree(work)
    return TrainResult(out, run.seen, quality)


class _Run:
    """The state of one training: buffer, dictionary, threshold, and where it is."""

    def __init__(
        self, model: LanguageModel, table: TokenTable, work: Path, settings: TrainSettings, sink_norm: float
    ) -> None:
        self.model, self.table, self.work, self.settings, self.sink_norm = model, table, work, settings, sink_norm
        width = model.width(settings.hook)
        rows = np.random.default_rng(settings.seed).permutation(table.rows(held_out=False))
        available = int(table.counted[rows].sum())
        self.target = settings.tokens or available
        capacity = _capacity(work, available, width, settings.batch)
        self.parts = _split(rows, table, capacity)
        self.buffer = ActivationBuffer(work, width, capacity)
        self.dictionary: Dictionary | None = None
        self.scale = self.threshold = 0.0
        self.seen = 0
        self.part = self.batch = 0  # where to go on: the part's number (over all passes), the batch in it

    def learn(self) -> Job[None]:
        """Step until the target is reached, from the last checkpoint if there is one."""
        settings = self.settings
        patience = min(1_000_000, max(50_000, self.target // 8))
        yield from self._fill()
        sample = self.buffer.sample(1 << 16, settings.seed).to(self.model.device)
        self.scale = (sample.shape[1] / float(sample.square().sum(dim=1).mean())) ** 0.5
        batch_wise = settings.architecture == "batchtopk"
        self.dictionary = Dictionary(
            sample * self.scale, settings.features, settings.k, batch_wise, patience, settings.seed
        )
        del sample
        self._restore()
        meter = Meter(self.target, "tokens", start=self.seen)
        checked = ticked = time.monotonic()
        while self.seen < self.target:
            yield from self._fill()
            for x in self.buffer.batches(settings.batch, settings.seed + 1 + self.part, self.batch):
                result = self.dictionary.step(
                    x.to(self.model.device) * self.scale, settings.learning_rate * self._schedule()
                )
                memory = _THRESHOLD_MEMORY if self.threshold else 0.0
                self.threshold = memory * self.threshold + (1.0 - memory) * result.smallest
                self.batch += 1
                self.seen += len(x)
                now = time.monotonic()
                if now - ticked > _TICK_SECONDS:
                    ticked = now
                    try:
                        yield meter.at(self.seen, "learning", fvu=result.fvu, l0=result.l0, dead=float(result.dead))
                    except GeneratorExit:
                        self._checkpoint()
                        raise
                if now - checked > _CHECKPOINT_SECONDS:
                    checked = now
                    self._checkpoint()
                if self.seen >= self.target:
                    break
            else:
                self.part, self.batch = self.part + 1, 0
        self._checkpoint()

    def tensors(self) -> dict[str, Tensor]:
        """The result in the model's own units, by SAELens' names: decoder rows of norm 1, activations f / scale."""
        learned = self.dictionary
        assert learned is not None
        tensors = {
            "W_enc": learned.w_enc.T.contiguous(),
            "W_dec": learned.w_dec,
            "b_enc": learned.b_enc / self.scale,
            "b_dec": learned.b_dec / self.scale,
        }
        if learned.batch_wise:
            tensors["threshold"] = torch.full_like(learned.b_enc, self.threshold / self.scale)
        return tensors

    def _fill(self) -> Job[None]:
        number = self.part % len(self.parts)
        if self.buffer.part != number:
            yield from self.buffer.fill(
                self.model, self.settings.hook, self.table, self.parts[number], self.sink_norm, number
            )
        if self.buffer.count < self.settings.batch:
            raise UserError("The corpus is too small to learn from.", "Use more text or a smaller batch.")

    def _schedule(self) -> float:
        done = self.seen / self.target
        return min(1.0, (done + 1e-4) / 0.05, (1.0 - done) / 0.25)

    def _checkpoint(self) -> None:
        assert self.dictionary is not None
        progress = {"seen": self.seen, "part": self.part, "batch": self.batch, "threshold": self.threshold}
        try:
            with atomic_file(self.work / "checkpoint.safetensors") as temporary:
                state = {name: tensor.contiguous() for name, tensor in self.dictionary.state().items()}
                safetensors.torch.save_file(state, temporary, metadata={"progress": json.dumps(progress)})
        except OSError as error:
            raise from_os_error(error, f"keep a checkpoint in {self.work}") from error

    def _restore(self) -> None:
        file = self.work / "checkpoint.safetensors"
        if not file.is_file():
            return
        assert self.dictionary is not None
        with safetensors.safe_open(file, framework="pt") as stored:
            progress = json.loads(stored.metadata()["progress"])
            self.dictionary.restore({name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118
        self.seen, self.part, self.batch = progress["seen"], progress["part"], progress["batch"]
        self.threshold = progress["threshold"]


def _write(run: _Run, folder: Path, facts: dict[str, Any], settings: TrainSettings) -> None:
    topk = settings.architecture == "topk"
    try:
        write_saelens(
            folder,
            run.tensors(),
            architecture="topk" if topk else "jumprelu",
            hook_point=settings.hook,
            model_name=run.model.name,
            metadata=facts,
            dtype=settings.dtype,
            options={"k": settings.k} if topk else None,
        )
    except OSError as error:
        raise from_os_error(error, f"write the SAE to {folder}") from error


def _split(rows: NDArray[np.int64], table: TokenTable, capacity: int) -> list[NDArray[np.int64]]:
    """Shuffled contexts in parts whose counted tokens fit in the buffer, of about equal size."""
    ends = table.counted[rows].sum(axis=1).cumsum()
    count = -(-int(ends[-1]) // capacity)
    return np.split(rows, np.searchsorted(ends, [ends[-1] * i / count for i in range(1, count)]))


def _capacity(work: Path, available: int, width: int, batch: int) -> int:
    """How many activations the buffer is to hold: decided once, so that a training goes on with the same parts."""
    decided = work / "capacity.json"
    if decided.is_file():
        return int(json.loads(decided.read_text()))
    free = shutil.disk_usage(work).free
    if free < 4 * width * batch:  # two batches
        raise UserError(f"Could not write to {work}: the disk is full.", "Free some space or choose another place.")
    capacity = min(available, max(batch, min(_BUFFER_BYTES, free // 2) // (2 * width)))
    with atomic_file(decided) as temporary:
        temporary.write_text(json.dumps(capacity))
    return capacity


def _check(model: LanguageModel, out: Path, settings: TrainSettings) -> None:
    if settings.architecture not in ("batchtopk", "topk"):
        raise UserError(f"“{settings.architecture}” can't be learned.", "Choose batchtopk or topk.")
    if settings.features < 1 or not 1 <= settings.k <= settings.features:
        raise UserError("The number of features must be at least k, and k at least 1.", "Change one of them.")
    if settings.context < 2 or settings.context > model.context:
        raise UserError(f"A context must have 2 to {model.context} tokens.", "Choose another length.")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out} exists already.", "Choose another place, or move it away.")
    width = model.width(settings.hook)
    needed = 2 * 4 * settings.features * width * 5  # parameters, two moments, gradients and room
    if needed > psutil.virtual_memory().available:
        raise UserError(
            f"Learning {settings.features:,} features of width {width} needs about {needed / 2**30:.0f} GiB of memory.",
            "Choose fewer features.",
        )


def _same_work(work: Path, model: LanguageModel, corpus: list[Path], settings: TrainSettings) -> None:
    """Remember what this work is about; refuse to go on with the work of another training."""
    about = {
        **{field.name: str(getattr(settings, field.name)) for field in dataclasses.fields(settings)},
        "model": model.fingerprint,
        "corpus": fingerprint(corpus_files(corpus)),
    }
    file = work / "about.json"
    if not file.is_file():
        with atomic_file(file) as temporary:
            temporary.write_text(json.dumps(about, indent=1))
    elif json.loads(file.read_text()) != about:
        raise UserError(
            f"The work in {work} belongs to another training.",
            "Give the same settings, or start anew without --resume.",
        )
