"""Steering a dictionary of several hook points: which of its edits is read where, and what is added where.

An encoder's features are known once the model has passed everything the encoder reads. From there on, at each place w that
they write to,

    x'_w = x_w + Σ_i Δ_i · d_{i→w}          with Δ_i = v_i − f_i(x)

which is decode(f with f_i := v_i) − decode(f) at that place, to the last bit of x_w kept besides. Features of later layers
are read from what flows there, changes of earlier ones included. A crosscoder reconstructs places each of which already
contains what was written before it, so its changes are added at the last of them alone, and count once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.fit import fit
from semascope.core.models.hookpoint import HookPoint, Hooks

if TYPE_CHECKING:
    from semascope.core.models.model import Editor, LanguageModel
    from semascope.core.saes.fitted import FittedSAE
    from semascope.core.saes.layered import LayeredSAE
    from semascope.core.steering.apply import Steering

_ROWS = 256  # tokens encoded at once: bounds the full encode that TopK needs

_ORDER = (
    "embed", "resid_pre", "attn_norm", "attn_in", "attn_z", "attn_raw", "attn_out",
    "resid_mid", "mlp_norm", "mlp_in", "mlp_act", "mlp_raw", "mlp_out", "resid_post",
)  # fmt: skip
"""The sites of a block as a pass meets them."""


def passed(hook: HookPoint) -> tuple[bool, int, int]:
    """A key that sorts hook points by when a forward pass meets them; an image tower comes first."""
    return not hook.tower, hook.layer, _ORDER.index(hook.site)


@dataclass
class _Part:
    """The edited features of one encoder.

    Attributes:
        reader: What encodes them, from the activations at its hook points side by side.
        ids: Which of its features, shape (k,).
        gain, offset: Δ = gain · f + offset, shape (k,) each.
        needs_f: Whether Δ depends on f at all.
        targets: Where Δ is added: the features' directions there, shape (k, d_out).
        seen: What was read in this pass, by hook point.
        change: Δ of this pass, shape (batch, tokens aimed at, k); None until everything was read.
    """

    reader: FittedSAE
    ids: Tensor
    gain: Tensor
    offset: Tensor
    needs_f: bool
    targets: dict[HookPoint, Tensor]
    seen: dict[HookPoint, Tensor] = field(default_factory=dict)
    change: Tensor | None = None

    def read(self, hook: HookPoint, x: Tensor) -> None:
        """Take what is read at a hook point, shape (batch, tokens, d)."""
        self.seen[hook] = x
        if len(self.seen) < len(self.reader.hooks):
            self.change = None
            return
        whole = torch.cat([self.seen[each] for each in self.reader.hooks], dim=-1)
        self.seen.clear()
        if not self.needs_f:
            self.change = self.offset.expand(*whole.shape[:-1], -1)
            return
        rows = whole.reshape(-1, whole.shape[-1])
        f = torch.cat([self.reader.encode_some(part, self.ids) for part in torch.split(rows, _ROWS)])
        self.change = (self.offset + self.gain * f).reshape(*whole.shape[:-1], -1)


class PlacedEdits:
    """The edits of a dictionary of several hook points, ready for one model.

    Attributes:
        model: Which.
    """

    def __init__(self, model: LanguageModel, sae: LayeredSAE, ids: Tensor, gain: Tensor, offset: Tensor) -> None:
        """Find out what is read and written where.

        Args:
            model: The model.
            sae: On its device.
            ids, gain, offset: The edited features, and Δ = gain · f + offset, shape (k,) each.

        Raises:
            UserError: The dictionary doesn't fit the model, or a feature writes only to places that the model has passed
                when the feature is known.
        """
        self.model = model
        whole = fit(model, sae)
        which = ids // sae.config.d_sae
        self._parts: list[_Part] = []
        for e in sorted(set(which.tolist())):
            at = which == e
            alone = sae.config.places == 1 or sae.encoders[e].columns != slice(None)
            reader = fit(model, sae.one_encoder(e)) if alone else whole
            own = ids[at] - e * sae.config.d_sae if alone else ids[at]
            targets = _targets(reader, own)
            if not targets:
                raise UserError(
                    f"Feature {int(ids[at][0])} writes nothing that the model has not passed when the feature is known.",
                    "Steer a feature that writes to the last place this dictionary reads.",
                )
            self._parts.append(_Part(reader, own, gain[at], offset[at], bool(gain[at].any()), targets))

    def editors(self, steering: Steering) -> Iterator[tuple[HookPoint, Editor]]:
        """Every hook point that is read or written, and what to do there."""
        hooks = {hook for part in self._parts for hook in (*part.reader.hooks, *part.targets)}
        for hook in sorted(hooks, key=passed):
            yield hook, self._editor(hook, steering)

    def _editor(self, hook: HookPoint, steering: Steering) -> Editor:
        reading = [part for part in self._parts if hook in part.reader.hooks]
        writing = [part for part in self._parts if hook in part.targets]

        def edit(x: Tensor) -> Tensor | None:
            aimed = steering.aimed
            if aimed is not None and len(aimed) == 0:
                return None
            here = x if aimed is None else x[:, aimed]
            for part in reading:  # before anything is added here
                part.read(hook, here)
            if not writing:
                return None
            delta = torch.zeros_like(here, dtype=torch.float32)
            for part in writing:
                if part.change is None:
                    raise RuntimeError("the SAE's input was not seen before its output")
                delta += part.change @ part.targets[hook]
            steered = (here.float() + steering.turned(delta)).to(x.dtype)
            if aimed is None:
                return steered
            whole = x.clone()
            whole[:, aimed] = steered
            return whole

        return edit


def _targets(reader: FittedSAE, ids: Tensor) -> dict[HookPoint, Tensor]:
    """Where the features can be changed once they are known, and their directions there."""
    known = max(map(passed, reader.hooks))
    writes: Hooks = reader.hooks_out
    if not writes:
        raise UserError("This SAE does not say where what it gives belongs.", "Name the hook points it writes to.")
    last = max(writes, key=passed)
    blank = torch.zeros(1, reader.config.width_in, device=reader.device)
    rows = reader.directions(blank, ids)[0]
    by_place = rows.view(len(ids), len(writes), rows.shape[-1] // len(writes)).unbind(dim=1)
    return {
        hook: directions.contiguous()
        for hook, directions in zip(writes, by_place, strict=True)
        if passed(hook) >= known and (reader.config.kind != "crosscoder" or hook == last) and bool(directions.any())
    }
