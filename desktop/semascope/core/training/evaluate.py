"""How good a dictionary is on held-out text: FVU, L0, dead share and loss recovered (`method.md`, "Quality of an SAE").

Every figure is over counted tokens: no special tokens, no attention sinks. In the spliced runs those positions keep what
the model computed, all others get the reconstruction, or the mean; so the figures are about the text and not about sinks.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.progress import Job, Meter
from semascope.core.saes.sae import SAE
from semascope.core.training.buffer import TokenTable, forward

_SPLICED_CONTEXTS = 256


@dataclass(frozen=True)
class Quality:
    """Figures on held-out text.

    Attributes:
        tokens: Counted tokens that FVU, L0, cosine and dead share are over.
        fvu: Σ‖x − x̂‖² / Σ‖x − mean‖².
        cosine: Mean cosine of x and x̂.
        l0: Mean number of active features a token.
        dead_share: Share of features never active on these tokens.
        loss_clean, loss_spliced, loss_ablated: Cross-entropy, nats a token, of the model left alone, with reconstructions,
            and with every activation replaced by the mean one.
        loss_recovered: (ablated − spliced) / (ablated − clean).
    """

    tokens: int
    fvu: float
    cosine: float
    l0: float
    dead_share: float
    loss_clean: float
    loss_spliced: float
    loss_ablated: float
    loss_recovered: float


def measure(model: LanguageModel, sae: SAE, hook: HookPoint, table: TokenTable, sink_norm: float) -> Job[Quality]:
    """Measure an SAE that reads and writes at `hook` on the held-out contexts of a table."""
    rows = table.rows(held_out=True)
    meter = Meter(int(table.counted[rows].sum()), "tokens")
    tokens = 0
    total = torch.zeros(model.width(hook), dtype=torch.float64)
    squares = residual = cosine = active = 0.0
    alive = torch.zeros(sae.config.d_sae, dtype=torch.bool)
    for x, counted in forward(model, hook, table, rows):
        x = x[counted].float()
        x = x[x.norm(dim=-1) <= sink_norm]
        if not len(x):
            continue
        f = sae.encode(x)
        x_hat = sae.decode(f)
        tokens += len(x)
        total += x.sum(dim=0).double().cpu()
        squares += float(x.double().square().sum())
        residual += float((x - x_hat).double().square().sum())
        cosine += float(F.cosine_similarity(x, x_hat, dim=-1).sum())
        active += float((f > 0).sum())
        alive |= (f > 0).any(dim=0).cpu()
        yield meter.at(tokens, "measuring on held-out text")
    mean = total / tokens
    variance = squares - tokens * float(mean.square().sum())
    losses = yield from _losses(model, sae, hook, table, rows, sink_norm, mean.float().to(model.device))
    clean, spliced, ablated = losses
    return Quality(
        tokens=tokens,
        fvu=residual / variance,
        cosine=cosine / tokens,
        l0=active / tokens,
        dead_share=1.0 - float(alive.float().mean()),
        loss_clean=clean,
        loss_spliced=spliced,
        loss_ablated=ablated,
        loss_recovered=(ablated - spliced) / (ablated - clean),
    )


def _losses(
    model: LanguageModel,
    sae: SAE,
    hook: HookPoint,
    table: TokenTable,
    rows: NDArray[np.int64],
    sink_norm: float,
    mean: Tensor,
) -> Job[tuple[float, float, float]]:
    """Cross-entropy of the next counted token: clean, spliced, mean-ablated."""
    some = rows[:: max(1, len(rows) // _SPLICED_CONTEXTS)][:_SPLICED_CONTEXTS]
    meter = Meter(len(some), "contexts")
    sums = np.zeros(3)
    predicted = 0
    for done, row in enumerate(some, 1):
        counted = torch.from_numpy(table.counted[row : row + 1]).to(model.device)
        ids = torch.from_numpy(table.ids[row : row + 1].astype(np.int64)).to(model.device)

        def edit(x: Tensor, run: int, counted: Tensor = counted) -> Tensor | None:
            if run == 0:
                return None
            return _replace(x, counted, sink_norm, sae.decode(sae.encode(x.float())) if run == 1 else mean.expand_as(x))

        targets = torch.where(counted[:, 1:], ids[:, 1:], -100).flatten()
        for i in range(3):
            with model.editing(hook, functools.partial(edit, run=i)):
                logits = model.logits(ids, prompt=0)[:, :-1]
            sums[i] += float(F.cross_entropy(logits.flatten(0, 1), targets, ignore_index=-100, reduction="sum"))
        predicted += int((targets >= 0).sum())
        yield meter.at(done, "measuring the loss recovered")
    clean, with_sae, with_mean = sums / predicted
    return float(clean), float(with_sae), float(with_mean)


def _replace(x: Tensor, counted: Tensor, sink_norm: float, value: Tensor) -> Tensor:
    """`value` at counted positions that are no sinks, `x` elsewhere."""
    here = counted & (x.float().norm(dim=-1) <= sink_norm)
    return torch.where(here.unsqueeze(-1), value.to(x.dtype), x)
