"""The engine: the one owner of model, SAEs and device. It answers the requests of `requests` on the lane's one thread.

`handle` answers a short request; `start` gives a long one as a generator, whose steps take at most about a quarter of a
second and which `close()` cancels. Torch is imported when the first request needs it. The work itself is `core`'s; here it
is only brought together: what is open, what fits what, and what becomes of memory.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semascope.core.activations import PromptActivations, activations_of
from semascope.core.errors import UserError
from semascope.core.fit import fit
from semascope.core.progress import Meter, Progress
from semascope.core.prompt import prompt_tokens
from semascope.core.steering.answer import Effect
from semascope.jobs.conversions import CheckMapped, ConvertSAE, check_mapped, convert
from semascope.jobs.failure import free_memory
from semascope.jobs.infos import EngineInfo, ModelInfo
from semascope.jobs.open_saes import OpenSAEs
from semascope.jobs.requests import (
    Answers,
    CheckSAE,
    Close,
    Describe,
    Generate,
    Generated,
    MeasureEffect,
    OpenModel,
    OpenSAE,
    PromptFeatures,
    Request,
    RereadSAE,
    RunHarvest,
    UseSAE,
)

if TYPE_CHECKING:
    from semascope.core.models.model import LanguageModel
    from semascope.core.models.text import Tokens
    from semascope.core.saes.checked import Check
    from semascope.core.saes.sae import SAE
    from semascope.core.steering.apply import Steering


_LARGEST_BATCH = 8192  # tokens; the first to be halved when a harvest runs out of memory


class Engine:
    """Model, SAEs and device, behind requests. Every method belongs to the lane's thread."""

    def __init__(self) -> None:
        self._model: LanguageModel | None = None
        self._saes = OpenSAEs()

    def handle(self, request: Request) -> Any:
        """The answer to a short request, as its class documents.

        Raises:
            UserError: It can't be answered, for a reason the user can mend.
        """
        match request:
            case OpenModel():
                return self._open_model(request)
            case OpenSAE():
                return self._saes.open(request, self._model)
            case RereadSAE():
                return self._saes.reread(request.sae, request.reading, self._model)
            case UseSAE():
                return self._saes.use(request.fingerprint)
            case Close():
                return self._close(request)
            case Describe():
                return self.describe()
            case PromptFeatures():
                return self._prompt_features(request)
        raise TypeError(f"not a short request: {request!r}")

    def start(self, request: Request) -> Generator[Any, None, Any]:
        """A long request as a job: its steps are `Progress`, or carry one; its result is as its class documents."""
        match request:
            case Generate():
                return self._generate(request)
            case MeasureEffect():
                return self._measure(request)
            case RunHarvest():
                return self._harvest(request)
            case CheckSAE():
                return self._check(request)
            case ConvertSAE():
                return convert(request, None if request.mapped else self._saes.named(request.sae).sae)
            case CheckMapped():
                return check_mapped(request, self._model)
        raise TypeError(f"not a long request: {request!r}")

    def describe(self) -> EngineInfo:
        """What is open, where, and how much memory is free there."""
        from semascope.core.models.device import default_device, free_bytes

        device = self._model.device if self._model else default_device()
        model = model_info(self._model) if self._model else None
        current = self._saes.current
        return EngineInfo(str(device), free_bytes(device), model, current.info if current else None, self._saes.infos)

    # --- what is open -----------------------------------------------------------------------------------------

    def _open_model(self, request: OpenModel) -> ModelInfo:
        from semascope.core.models.device import free_bytes
        from semascope.core.models.open import open_model

        path = Path(request.path).expanduser()
        free = free_bytes(self._model.device) if self._model else None
        if free is not None and free < 2 * _size(path):
            # No room for two at once: the old one goes first, and stays gone should the new one not open.
            self._model = None
            free_memory()
        self._model = open_model(path, request.device, request.dtype)
        self._saes.move_to(self._model)
        free_memory()
        return model_info(self._model)

    def _close(self, request: Close) -> EngineInfo:
        self._model = None if request.model else self._model
        if request.sae:
            self._saes.close(request.fingerprint)
        free_memory()
        return self.describe()

    def _pair(self, sae: str) -> tuple[LanguageModel, SAE]:
        """The open model and an open SAE, made sure of that they fit."""
        if self._model is None:
            raise UserError("No model is open.", "Open a model first.")
        held = self._saes.named(sae)
        fit(self._model, held.sae)
        return self._model, held.sae

    # --- work -------------------------------------------------------------------------------------------------

    def _prompt_features(self, request: PromptFeatures) -> PromptActivations:
        model, sae = self._pair(request.sae)
        tokens = prompt_tokens(model, sae, request.text, request.messages)
        return activations_of(model, sae, tokens, request.ids or None, median=request.median)

    def _prepare(self, request: Generate) -> tuple[LanguageModel, SAE | None, Tokens, Steering | None]:
        """The model, the SAE, the prompt's tokens and what steers it; an SAE is needed only for edits."""
        from semascope.core.steering.apply import Steering

        model, current = self._model, self._saes.current
        sae = current.sae if current else None
        if request.edits or request.sae:
            model, sae = self._pair(request.sae)
        if model is None:
            raise UserError("No model is open.", "Open a model first.")
        text, messages = ("", (("user", request.prompt),)) if request.chat else (request.prompt, ())
        tokens = prompt_tokens(model, sae, text, messages)
        if not request.edits or sae is None:
            return model, sae, tokens, None
        steering = Steering(sae, request.edits, positions=request.positions, skip_special=not request.steer_special)
        return model, sae, tokens, steering

    def _generate(self, request: Generate) -> Generator[Progress | Generated, None, Answers]:
        from semascope.core.steering.generate import Stream

        model, sae, tokens, steering = self._prepare(request)
        streams = [
            Stream(
                model,
                tokens,
                change,
                max_tokens=request.max_tokens,
                temperature=request.temperature,
                top_p=request.top_p,
                seed=request.seed,
            )
            for change in (None, steering)
        ]
        meter = Meter(2 * request.max_tokens, "tokens")
        for stream in streams:
            for read in stream.prefill():
                yield Progress(0, 2 * request.max_tokens, "tokens", note=f"reading the prompt, {read} tokens")
        growing = list(streams)
        while growing:
            for stream in list(growing):
                if stream.step() is None:
                    growing.remove(stream)
                baseline, steered = streams
                yield Generated(
                    baseline.text,
                    steered.text,
                    tuple(baseline.tokens),
                    tuple(steered.tokens),
                    meter.at(len(baseline.tokens) + len(steered.tokens)),
                )
        ids = [edit.feature for edit in request.edits]
        readings = []
        for stream in streams:
            readings.append(_answer_activations(model, sae, tokens, [token.id for token in stream.tokens], ids))
            yield Progress(2 * request.max_tokens, 2 * request.max_tokens, "tokens", note="reading the answers")
        return Answers(streams[0].generation(), streams[1].generation(), *readings)

    def _measure(self, request: MeasureEffect) -> Generator[Progress, None, Effect]:
        from semascope.core.steering.apply import Steering
        from semascope.core.steering.measure import measure

        model, _, tokens, steering = self._prepare(request.generate)
        if steering is None:
            steering = Steering(self._pair(request.generate.sae)[1], ())
        return (
            yield from measure(
                model, tokens, steering, request.baseline_ids, request.steered_ids, seed=request.generate.seed
            )
        )

    def _harvest(self, request: RunHarvest) -> Generator[Progress, None, Any]:
        import torch

        from semascope.core.harvest.run import harvest

        model, sae = self._pair(request.sae)
        batch: int | None = None
        while True:
            try:
                return (
                    yield from harvest(
                        model,
                        sae,
                        request.corpus,
                        request.out,
                        tokens=request.tokens,
                        context=request.context,
                        batch_tokens=batch,
                        resume=request.resume and batch is None,
                    )
                )
            except torch.OutOfMemoryError:  # of an accelerator; on the processor no batch is smaller
                batch = (batch or _LARGEST_BATCH) // 2
                if batch < request.context:
                    raise
            free_memory()
            yield Progress(0, note=f"out of memory: once more with {batch:,} tokens at a time")

    def _check(self, request: CheckSAE) -> Generator[Progress, None, Check]:
        from semascope.core.saes.check import self_check

        held = self._saes.named(request.sae)
        if self._model is None:
            raise UserError("No model is open.", "Open a model first.")
        return (
            yield from self_check(
                self._model,
                held.sae,
                request.corpus,
                tokens=request.tokens,
                alternatives=request.alternatives,
                reading=held.reading,
            )
        )


def model_info(model: LanguageModel) -> ModelInfo:
    """What the interface may know of a model."""
    from semascope.core.models.device import dtype_name

    return ModelInfo(
        path=model.path,
        name=model.name,
        architecture=model.architecture,
        fingerprint=model.fingerprint,
        layers=model.n_layers,
        d_model=model.d_model,
        vocabulary=model.vocabulary,
        context=model.context,
        device=str(model.device),
        dtype=dtype_name(model.dtype),
        chat=model.codec.has_chat_template,
    )


def _answer_activations(
    model: LanguageModel, sae: SAE | None, prompt: Tokens, answer: list[int], features: list[int]
) -> np.ndarray:
    """float32 (answer, features): what the unsteered model makes these features read on an answer's tokens."""
    import torch

    if sae is None or not features or not answer:
        return np.zeros((len(answer), len(features)), np.float32)
    with torch.inference_mode():
        fitted = fit(model, sae)
        x = model.run_to(fitted.hooks, torch.tensor([[*prompt.ids, *answer]]))[0]
        return fitted.encode_some(x, torch.tensor(features, device=sae.device))[len(prompt) :].cpu().numpy()


def _size(path: Path) -> int:
    """Bytes of a model's weights."""
    files = [path] if path.is_file() else path.glob("*.safetensors")
    return sum(file.stat().st_size for file in files)
