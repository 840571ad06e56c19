"""Two answers to one prompt, side by side: what each says token by token, where they part, what lit up where.

Made from the engine's partial and final answers, or from an answer the session kept (whole texts then, without tokens
or activations). Plain values; no Qt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semascope.core.session.document import Answer
from semascope.core.steering.answer import Generation, Token
from semascope.core.steering.edits import Edit
from semascope.jobs.requests import Answers, Generate, Generated
from semascope.state.yardstick import Yardstick

_ENDS = {
    "stop": "",
    "length": "",
    "context": "The model's context is full.",
}


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two answers.

    Attributes:
        strings: Its tokens; a kept answer is one string.
        heat: (T,) 0…1, the lit feature on each token, or None.
        activations: (T,) the same in the SAE's own units, or None.
        over: Whether it is complete.
        remark: A sentence about how it ended, or "".
    """

    strings: tuple[str, ...] = ()
    heat: NDArray[np.float32] | None = None
    activations: NDArray[np.float32] | None = None
    over: bool = False
    remark: str = ""

    @property
    def text(self) -> str:
        return "".join(self.strings)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Both answers.

    Attributes:
        edits: What was steered.
        seed: The luck both had.
        parting: The first token in which they differ; None while they agree, or where it is not known.
        lit: The feature that `heat` shows, or None.
    """

    baseline: Side
    steered: Side
    edits: tuple[Edit, ...]
    seed: int
    parting: int | None = None
    lit: int | None = None

    @property
    def over(self) -> bool:
        return self.baseline.over and self.steered.over


def starting(request: Generate) -> Comparison:
    """Before the first token."""
    return Comparison(Side(), Side(), request.edits, request.seed)


def streaming(request: Generate, so_far: Generated) -> Comparison:
    """While tokens come."""
    baseline, steered = so_far.baseline_tokens, so_far.steered_tokens
    return Comparison(
        Side(_strings(baseline)), Side(_strings(steered)), request.edits, request.seed, parting_of(baseline, steered)
    )


def stopped(comparison: Comparison) -> Comparison:
    """As far as it came when a person stopped it."""
    cut = "Stopped."
    baseline, steered = comparison.baseline, comparison.steered
    return Comparison(
        Side(baseline.strings, over=True, remark=cut),
        Side(steered.strings, over=True, remark=cut),
        comparison.edits,
        comparison.seed,
        comparison.parting,
    )


def finished(request: Generate, answers: Answers, selected: int | None, measure: Yardstick) -> Comparison:
    """Both answers complete, lit by the selected feature if it was steered, else by the first that was."""
    steered_features = [edit.feature for edit in request.edits]
    column, lit = None, None
    if steered_features:
        column = steered_features.index(selected) if selected in steered_features else 0
        lit = steered_features[column]
    maximum = measure.maximum(lit) if lit is not None else None
    end = maximum or _highest(answers, column)
    return Comparison(
        _side(answers.baseline, answers.baseline_activations, column, end),
        _side(answers.steered, answers.steered_activations, column, end),
        request.edits,
        request.seed,
        parting_of(answers.baseline.tokens, answers.steered.tokens, complete=True),
        lit,
    )


def kept(answer: Answer) -> Comparison:
    """An answer from the session."""
    edits = tuple(Edit(edit.feature, edit.mode, edit.value) for edit in answer.edits)
    return Comparison(
        Side((answer.baseline,), over=True), Side((answer.steered,), over=True), edits, answer.settings.seed
    )


def parting_of(baseline: Sequence[Token], steered: Sequence[Token], complete: bool = False) -> int | None:
    """The first place where the token ids differ; when both are complete, one's end counts as a difference."""
    for place, (one, other) in enumerate(zip(baseline, steered, strict=False)):
        if one.id != other.id:
            return place
    if complete and len(baseline) != len(steered):
        return min(len(baseline), len(steered))
    return None


def _strings(tokens: Sequence[Token]) -> tuple[str, ...]:
    return tuple(token.string for token in tokens)


def _highest(answers: Answers, column: int | None) -> float:
    if column is None:
        return 0.0
    both = np.concatenate([answers.baseline_activations[:, column], answers.steered_activations[:, column]])
    return float(both.max(initial=0.0))


def _side(generation: Generation, activations: NDArray[np.float32], column: int | None, end: float) -> Side:
    strings = _strings(generation.tokens)
    remark = _ENDS[generation.finish]
    if column is None or len(activations) != len(strings) or end <= 0:
        return Side(strings, over=True, remark=remark)
    values = np.ascontiguousarray(activations[:, column], dtype=np.float32)
    return Side(strings, np.clip(values / end, 0.0, 1.0), values, over=True, remark=remark)
