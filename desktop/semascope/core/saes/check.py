"""The self-check: is this SAE read rightly? Measured on a few thousand tokens; where not, other ways of reading are tried.

A misread SAE gives numbers like any other, and features that mean nothing. What gives it away is that it no longer explains
the activations it was trained on, or that far more or fewer features are active than its makers state (`checked` has the
limits). Then, on the same activations, its form, scale and normalisation are varied, and the hook points around are tried;
one without a hook point is tried in every layer. What is recommended is shown, never applied unasked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from semascope.core.corpus.contexts import Context
from semascope.core.fit import fit
from semascope.core.masking import Mask
from semascope.core.models.hookpoint import Hooks
from semascope.core.models.model import LanguageModel
from semascope.core.progress import Job
from semascope.core.prompt import begins_with_bos
from semascope.core.saes.alternatives import Places, everywhere, merged, neighbours, readings, words
from semascope.core.saes.checked import EXPLAINED_WELL, Check, Stated, judge
from semascope.core.saes.conclusion import Basis, Tried, conclude
from semascope.core.saes.fitted import FittedSAE
from semascope.core.saes.memory import parameters
from semascope.core.saes.reading import Reading
from semascope.core.saes.sae import SAE
from semascope.core.saes.sample import Sample, collect, counted_tokens, measure, some_contexts

TOKENS = 4096
_CONTEXT = 128  # tokens, as in a harvest
_TRIED, _SEARCHED = 1024, 384  # tokens for each of the other ways; for each layer and each scale
_WORK, _WORK_ON_DEVICE = 4e11, 4e14  # multiplications for the first measurement: about ten seconds of two cores
_FEWEST = 256
_STEP, _STEPS = 2 ** (1 / 3), 4  # the search for a scale: so many steps to either side, then three times finer

_LEAST_FACTOR, _HALVINGS = 1e-3, 10  # of thresholds; so many halvings leave 1 %
_HOPELESS = -2.0  # explained variance that no scale nearby makes good; half the right scale is better than this
_SAME_SCALE = 0.02  # a factor nearer to 1 than this changes nothing worth telling


def self_check(
    model: LanguageModel,
    sae: SAE,
    corpus: Sequence[str | Path],
    *,
    tokens: int = TOKENS,
    alternatives: bool | None = None,
    reading: Reading | None = None,
) -> Job[Check]:
    """Measure whether an SAE is read rightly on a model, and if not, how else.

    Args:
        model: A model that it fits; one without a hook point needs only to be as wide.
        sae: The SAE, on the model's device.
        corpus: Files and folders of text.
        tokens: Tokens that count, at most; fewer where the SAE is so large that it would take minutes.
        alternatives: Whether to try other ways of reading; None does so where this one is not plausible.
        reading: What the SAE was opened with, so that what is recommended is whole by itself.

    Raises:
        UserError: It doesn't fit the model, or the corpus can't be read.
    """
    return (
        yield from _SelfCheck(model, sae, [Path(path) for path in corpus], reading or Reading()).run(
            tokens, alternatives
        )
    )


class _SelfCheck:
    """One self-check under way."""

    def __init__(self, model: LanguageModel, sae: SAE, corpus: Sequence[Path], reading: Reading) -> None:
        self._model, self._corpus, self._reading = model, corpus, reading
        self._sae = sae.reread(sae.config)  # whoever else uses it keeps what it has encoded last
        self._config = sae.config
        self._stated = Stated(
            features=sae.config.d_sae,
            l0=sae.config.l0
            if sae.config.encoders == 1
            else None,  # of several, it isn't said whether together or each
            fixed=not sae.independent and sae.config.activation != "matching_pursuit",
            predicts=sae.config.is_transcoder or sae.config.kind == "crosscoder",
        )

    def run(self, tokens: int, alternatives: bool | None) -> Job[Check]:
        """See `self_check`."""
        fitted = fit(self._model, self._sae) if self._config.reads else None
        wanted = self._affordable(tokens)
        contexts = yield from self._contexts(wanted)
        tried: list[Tried] = []
        first: Tried | None = None
        if fitted is not None:
            sample = yield from collect(self._model, _places(fitted), contexts)
            first = yield from self._try(Reading(), sample, wanted)
            if alternatives is None:
                alternatives = first.verdict != "plausible" or (yield from self._suspect(first, sample, contexts))
            if alternatives:
                tried = yield from self._alternatives(sample, contexts, first)
        elif self._config.places == 1:
            tried = yield from self._search(contexts)
        return conclude(self._basis(len(contexts)), first, tried)

    def _basis(self, contexts: int) -> Basis:
        return Basis(self._config, self._stated, self._reading, self._model.name, _names(self._corpus), contexts)

    def _affordable(self, tokens: int) -> int:
        """How many tokens take no longer than a person waits."""
        work = _WORK if self._sae.device.type == "cpu" else _WORK_ON_DEVICE
        return max(1, min(tokens, max(_FEWEST, int(work / parameters(self._config)))))

    def _contexts(self, tokens: int) -> Job[list[Context]]:
        stated = self._config.metadata.get("context_size")
        length = min(stated if isinstance(stated, int) and stated > 1 else _CONTEXT, _CONTEXT, self._model.context)
        bos = begins_with_bos(self._model, self._sae)
        return (yield from some_contexts(self._model, self._corpus, tokens, length, bos, Mask.of(self._config)))

    def _try(self, change: Reading, sample: Sample, most: int) -> Job[Tried]:
        """Measure one way of reading."""
        fitted = self._fitted(change)
        found = yield from measure(fitted, sample, most, f"measuring {words(change)}")
        return Tried(change, found, judge(found, self._stated)[0])

    def _try_all(self, changes: Sequence[Reading], sample: Sample, most: int) -> Job[list[Tried]]:
        tried = []
        for change in changes:
            one = yield from self._try(change, sample, most)
            tried.append(one)
        return tried

    def _fitted(self, change: Reading) -> FittedSAE:
        return FittedSAE(self._model, self._sae.reread(change.apply(self._config)))

    def _suspect(self, first: Tried, sample: Sample, contexts: Sequence[Context]) -> Job[bool]:
        """Whether one that looks plausible, if not more, explains far more read otherwise, or a layer or a module away.

        Neighbouring hook points are much alike: a dictionary of one explains most of the other, and is still misread there.
        """
        if first.found.explained >= EXPLAINED_WELL:
            return False
        natural = self._natural_scale(self._fitted(Reading()), sample)
        few = yield from self._try(Reading(), sample, _SEARCHED)
        others = yield from self._try_all(list(readings(self._config, self._model, natural)), sample, _SEARCHED)
        places = neighbours(self._config, self._model)
        others += yield from self._elsewhere(places, contexts, _SEARCHED)
        return any(other.better_than(few, self._stated) for other in others)

    def _alternatives(self, sample: Sample, contexts: Sequence[Context], first: Tried) -> Job[list[Tried]]:
        """Other ways at the same place, then other places, then all ways at the best of those."""
        here = yield from self._ways(Reading(), sample)
        better = [each for each in here if each.better_than(first, self._stated)]
        best = max([first, *better], key=lambda each: each.rank)
        elsewhere = yield from self._elsewhere(neighbours(self._config, self._model), contexts, _TRIED, best.change)
        there = max(elsewhere, key=lambda each: each.rank, default=None)
        if there is None or there.rank <= best.rank or (there.verdict == "plausible" and not there.change.scale):
            return [*here, *elsewhere]
        return [*here, *elsewhere, *(yield from self._ways_at(there, contexts))]

    def _search(self, contexts: Sequence[Context]) -> Job[list[Tried]]:
        """Every layer, then what lies around the best one."""
        found: list[Tried] = []
        for candidates in everywhere(self._config, self._model):
            found += yield from self._elsewhere(candidates, contexts, _SEARCHED)
            if any(each.verdict == "plausible" for each in found):
                break
        if not found:
            return []
        best = max(found, key=lambda each: each.rank)
        around = neighbours(best.change.apply(self._config), self._model)
        found += yield from self._elsewhere(around, contexts, _TRIED)
        best = max(found, key=lambda each: each.rank)
        # Measured again on more tokens, and with every way of reading there where it is not plausible as it is.
        sample = yield from collect(self._model, _places(self._fitted(best.change)), contexts)
        again = yield from self._try(best.change, sample, _TRIED)
        found = [*found, again]
        return found if again.verdict == "plausible" else [*found, *(yield from self._ways(best.change, sample))]

    def _ways_at(self, there: Tried, contexts: Sequence[Context]) -> Job[list[Tried]]:
        places = Reading(hooks=there.change.hooks, hooks_out=there.change.hooks_out)
        sample = yield from collect(self._model, _places(self._fitted(places)), contexts)
        return (yield from self._ways(places, sample))

    def _ways(self, places: Reading, sample: Sample) -> Job[list[Tried]]:
        """Every other form, scale and normalisation at one place; the best scale is searched for."""
        config = places.apply(self._config)
        natural = self._natural_scale(self._fitted(places), sample)
        ways = [merged(places, change) for change in readings(config, self._model, natural)]
        tried = yield from self._try_all(ways, sample, _TRIED)
        if self._stated.l0 and any(each.change.threshold for each in tried):
            tried.append((yield from self._threshold_by_l0(places, self._stated.l0, sample)))
        scaled = [each for each in tried if each.change.scale and each.found.explained > _HOPELESS]
        if scaled:
            best = max(scaled, key=lambda each: each.found.explained)
            refined = yield from self._best_scale(best, sample)
            tried[tried.index(best)] = refined
        return tried

    def _threshold_by_l0(self, places: Reading, stated: float, sample: Sample) -> Job[Tried]:
        """The factor of thresholds by which as many features are active as their makers state: the higher, the fewer."""
        low, high = _LEAST_FACTOR, 1 / _LEAST_FACTOR
        for _ in range(_HALVINGS):
            middle = (low * high) ** 0.5
            found = yield from self._try(replace(places, threshold=middle), sample, _SEARCHED)
            low, high = (middle, high) if found.found.l0 > stated else (low, middle)
        return (yield from self._try(replace(places, threshold=_rounded((low * high) ** 0.5)), sample, _TRIED))

    def _natural_scale(self, fitted: FittedSAE, sample: Sample) -> float:
        """√d / mean‖x‖, what training brings activations to the norm √d by."""
        rows = counted_tokens(fitted, sample)[:_TRIED]
        x = sample.at(fitted.hooks, rows).float().view(len(rows), len(fitted.hooks), -1)
        if fitted.config.processing != "raw":
            x = x - x.mean(dim=-1, keepdim=True)
        norm = float(x.norm(dim=-1).mean()) if len(rows) else math.nan
        natural = x.shape[-1] ** 0.5 / norm if math.isfinite(norm) and norm > 0 else 1.0
        return _rounded(natural) if abs(math.log(natural)) > _SAME_SCALE else 1.0

    def _best_scale(self, start: Tried, sample: Sample) -> Job[Tried]:
        """The scale near `start`'s that explains most: the text its makers took it from was another."""
        begun = start.change.scale or 1.0
        best, before = begun, (yield from self._try(start.change, sample, _SEARCHED)).found.explained
        for ratio, steps in ((_STEP, _STEPS), (_STEP ** (1 / 3), 2), (_STEP ** (1 / 9), 2)):
            middle = best
            for step in (*range(-steps, 0), *range(1, steps + 1)):
                scale = middle * ratio**step
                found = yield from self._try(replace(start.change, scale=scale), sample, _SEARCHED)
                if found.found.explained > before:
                    best, before = scale, found.found.explained
        if best == begun:
            return start
        return (yield from self._try(replace(start.change, scale=_rounded(best)), sample, _TRIED))

    def _elsewhere(
        self, places: Sequence[Places], contexts: Sequence[Context], most: int, best: Reading | None = None
    ) -> Job[list[Tried]]:
        """Other places as the SAE is read now; with `best`, also in that way, and with the scale that is natural there."""
        if not places:
            return []
        hooks = tuple(dict.fromkeys(hook for place in places for hook in (*place.reads, *place.writes)))
        few, enough = [], 0
        for context in contexts:
            if enough < most:
                few.append(context)
                enough += int((~context.special).sum())
        sample = yield from collect(self._model, hooks, few, "running the model for other hook points")
        combined = []
        for place in places:
            there = Reading(place.reads, self._out(place))
            ways = [Reading()]
            if best is not None:
                ways += [replace(best, hooks=(), hooks_out=())]
                natural = self._natural_scale(self._fitted(there), sample)
                ways += [Reading(scale=natural)] if natural != 1.0 else []
            combined += [merged(there, way) for way in dict.fromkeys(ways)]
        return (yield from self._try_all(combined, sample, most))

    def _out(self, place: Places) -> Hooks:
        """What a reading must say about where it writes: nothing, where the reading of another place leaves that right."""
        moved = Reading(place.reads).apply(self._config)
        return () if moved.writes == place.writes else place.writes


def _places(fitted: FittedSAE) -> Hooks:
    return tuple(dict.fromkeys((*fitted.hooks, *fitted.hooks_out)))


def _names(corpus: Sequence[Path]) -> str:
    names = [path.name for path in corpus]
    return ", ".join(names) if len(names) < 4 else f"{names[0]} and {len(names) - 1} more"


def _rounded(scale: float) -> float:
    """Three digits: more are chance."""
    return float(f"{scale:.3g}")
