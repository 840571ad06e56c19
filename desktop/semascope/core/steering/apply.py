"""The arithmetic of steering: what edits add to the residual stream, and the hooks that add it while the model runs.

    x' = x + Σ_i Δ_i · ∂decode/∂f_i        with Δ_i = v_i − f_i(x)

Decoding is linear in f, so this is decode(f with f_i := v_i) + e with the error e = x − decode(f) kept to the last bit, and
no other feature is touched; that also makes it cheap, since nothing is decoded and only the steered features are encoded
wherever the architecture allows (`SAE.encode_some`). f_i is read from the unedited x, always the SAE's true activation
(for TopK: after the selection, and nothing is selected anew). For a transcoder x is read at `hook_point` and the change is
added at `hook_out`; for dictionaries of several hook points `places` sees to all that. Edits come from `edits`; tokens are
produced in `generate`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.fit import fit
from semascope.core.saes.layered import LayeredSAE
from semascope.core.steering.edits import Edit, Positions, checked
from semascope.core.steering.places import PlacedEdits

if TYPE_CHECKING:
    from semascope.core.models.hookpoint import HookPoint
    from semascope.core.models.model import LanguageModel
    from semascope.core.saes.fitted import FittedSAE
    from semascope.core.saes.sae import SAE

_ROWS = 256  # tokens whose deltas are computed at once: bounds the full encode that TopK needs


class Steering:
    """Edits of one SAE, as the callable that `LanguageModel.editing` takes (or use `attached`, which knows the hook).

    Say with `aim` what the tokens of each coming pass are; without it every token is steered.

    Args:
        sae: On the model's device.
        edits: At most one for each feature. Those that change nothing are dropped.
        positions: "all" tokens, only the "prompt", or only what is "generated".
        skip_special: Leave BOS, end of turn and other special tokens alone.

    Raises:
        UserError: See `edits.checked`.
    """

    def __init__(
        self, sae: SAE, edits: Sequence[Edit], *, positions: Positions = "all", skip_special: bool = True
    ) -> None:
        self.sae = sae
        self.edits = checked(edits, sae.config.features)
        self.positions = positions
        self.skip_special = skip_special
        self._ids = torch.tensor([edit.feature for edit in self.edits], device=sae.device, dtype=torch.long)
        # Every mode is Δ = gain·f + offset: clamp v − f, scale (v − 1)·f, ablate −f, add v.
        gains = [
            {"clamp": -1.0, "scale": edit.value - 1.0, "ablate": -1.0, "add": 0.0}[edit.mode] for edit in self.edits
        ]
        offsets = [edit.value if edit.mode in ("clamp", "add") else 0.0 for edit in self.edits]
        self._gain = torch.tensor(gains, device=sae.device)
        self._offset = torch.tensor(offsets, device=sae.device)
        self._needs_f = any(gains)
        self._reader: SAE | FittedSAE = sae  # until a model says in which form it gives its activations
        self._aimed: Tensor | None = None  # indices of the steered tokens of the coming pass; None: all of them
        self._read: Tensor | None = None
        self._history = History()
        self._placed: PlacedEdits | None = None

    @property
    def aimed(self) -> Tensor | None:
        """Indices of the tokens of the coming pass that are steered; None for all of them."""
        return self._aimed

    @property
    def active(self) -> bool:
        """False when no edit changes anything: then `attached` sets no hook, and the model runs as if we were not here."""
        return bool(self.edits)

    @contextlib.contextmanager
    def attached(self, model: LanguageModel) -> Iterator[None]:
        """While the block runs, every forward pass of `model` is steered."""
        if not self.active:
            yield
            return
        if isinstance(self.sae, LayeredSAE):
            with self._attached_places(model, self.sae):
                yield
            return
        self._reader = fit(model, self.sae)
        source, target = _hooks(self.sae)
        with contextlib.ExitStack() as hooks:
            if source == target:
                hooks.enter_context(model.editing(source, self))
            else:
                hooks.enter_context(model.editing(source, self._note))
                hooks.enter_context(model.editing(target, self._push))
            yield

    @contextlib.contextmanager
    def _attached_places(self, model: LanguageModel, sae: LayeredSAE) -> Iterator[None]:
        if self._placed is None or self._placed.model is not model:
            self._placed = PlacedEdits(model, sae, self._ids, self._gain, self._offset)
        with contextlib.ExitStack() as hooks:
            for hook, edit in self._placed.editors(self):
                hooks.enter_context(model.editing(hook, edit))
            yield

    def aim(self, special: Sequence[bool], generated: Sequence[bool], *, before: int = 0) -> None:
        """Say what each token of the next pass is: special or not, generated or of the prompt.

        Args:
            special: Of each token.
            generated: Of each token.
            before: How many tokens of the same text the model's cache holds already.
        """
        if self.sae.sequential and self._needs_f:
            self._history.continue_at(before)
        wanted = {"all": (True, True), "prompt": (True, False), "generated": (False, True)}[self.positions]
        rows = [
            row
            for row, (mark, new) in enumerate(zip(special, generated, strict=True))
            if wanted[new] and not (mark and self.skip_special)
        ]
        self._aimed = (
            None if len(rows) == len(special) else torch.tensor(rows, device=self.sae.device, dtype=torch.long)
        )

    def __call__(self, x: Tensor) -> Tensor | None:
        """Activations at the hook point, shape (batch, tokens, d), steered; None where no token is to be."""
        self._note(x)
        return self._push(x)

    def delta(self, x: Tensor) -> Tensor:
        """What is added at the output for activations `x` (rows, d_in): float32 (rows, d_out)."""
        return self._added(x, self._reader.encode_some(x, self._ids) if self._needs_f else None)

    def _added(self, x: Tensor, f: Tensor | None) -> Tensor:
        """The same, with the activations f of the edited features, shape (rows, k), where they are needed."""
        change = self._offset.expand(len(x), -1)
        if f is not None:
            change = change + self._gain * f
        directions = self._reader.directions(x, self._ids)  # (1, k, d_out), or (rows, k, d_out) where scaled per token
        if directions.shape[0] == 1:
            return self.turned(change @ directions[0])
        return self.turned(torch.einsum("rk,rkd->rd", change, directions))

    def turned(self, delta: Tensor) -> Tensor:
        """What is really added at one place where the edits would add `delta`, shape (…, d_out): the same."""
        return delta

    def _known(self, read: Tensor) -> Tensor:
        """The edited features' activations where each depends on all tokens before, shape (batch, tokens, k)."""
        whole = self._history.with_new(read)
        return self._reader.encode_some(whole, self._ids)[:, -read.shape[1] :]

    def _note(self, x: Tensor) -> None:
        """Keep what the SAE reads."""
        self._read = x

    def _push(self, x: Tensor) -> Tensor | None:
        """Add the change for what was last read to `x`."""
        read, self._read = self._read, None
        if read is None:
            raise RuntimeError("the SAE's input was not seen before its output")
        known = self._known(read) if self._reader.sequential and self._needs_f else None
        if self._aimed is not None and len(self._aimed) == 0:
            return None
        chosen = read if self._aimed is None else read[:, self._aimed]
        rows = chosen.reshape(-1, chosen.shape[-1])
        if known is None:
            delta = torch.cat([self.delta(part) for part in torch.split(rows, _ROWS)])
        else:
            delta = self._added(rows, (known if self._aimed is None else known[:, self._aimed]).reshape(len(rows), -1))
        delta = delta.reshape(*chosen.shape[:-1], -1)
        if self._aimed is None:
            return (x.float() + delta).to(x.dtype)
        steered = x.clone()
        steered[:, self._aimed] = (x[:, self._aimed].float() + delta).to(x.dtype)
        return steered


def _hooks(sae: SAE) -> tuple[HookPoint, HookPoint]:
    """Where `sae` reads and where its output belongs."""
    source = sae.config.hook_point
    if source is None:
        raise UserError("This SAE does not say which layer it belongs to.", "Name its hook point in its config.")
    return source, sae.config.hook_out or source


class History:
    """What an SAE whose features depend on the tokens before has read of a text, pass by pass."""

    def __init__(self) -> None:
        self._seen: Tensor | None = None  # (batch, tokens, d)
        self._goes_on = False

    def continue_at(self, before: int) -> None:
        """The next pass goes on after `before` tokens; 0 begins another text, as does every pass that nothing is said of.

        Raises:
            UserError: Another number of tokens was seen.
        """
        if before and (self._seen is None or self._seen.shape[1] != before):
            raise UserError(
                "This SAE's features depend on all tokens before, and it has not seen those.",
                "Generate from the start.",
            )
        self._goes_on = before > 0

    def with_new(self, read: Tensor) -> Tensor:
        """All that was read, shape (batch, tokens, d), the tokens of this pass at its end."""
        whole = (
            torch.cat((self._seen, read.detach()), dim=1) if self._goes_on and self._seen is not None else read.detach()
        )
        self._seen, self._goes_on = whole, False
        return whole
