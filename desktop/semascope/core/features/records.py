"""The JSON records of `semascope features` and `semascope feature`, as plain dicts and lists (`product.md`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semascope.core.errors import UserError
from semascope.core.features.filters import where as where_mask
from semascope.core.features.table import order, promoters, search
from semascope.core.harvest.store import Example, Harvest


def features_record(
    harvest: Harvest,
    *,
    text: str = "",
    promotes: str = "",
    like: int | None = None,
    where: str = "",
    sort: str = "",
    descending: bool | None = None,
    limit: int | None = 20,
) -> dict[str, Any]:
    """The features that all conditions hold for: {total, features: [{id, label, density, max, top_tokens}]}.

    Args:
        harvest: The harvest.
        text: In the label or a top token.
        promotes: A token that is among those the feature promotes most.
        like: A feature whose nearest neighbours are meant.
        where: A filter, see `filters.where`.
        sort: "density", "max" or "id"; by default the order of `like`, else of `promotes`, else density.
        descending: By default ids ascend and all else descends.
        limit: At most so many features in the list; `total` counts all.

    Raises:
        UserError: There is no such feature, or the filter can't be read.
    """
    mask = where_mask(harvest, where)
    if text:
        mask &= search(harvest, text)
    ranked: NDArray | None = None
    extra: dict[int, dict[str, float]] = {}
    if promotes:
        ids, effects = promoters(harvest, promotes)
        ranked = _narrow(mask, ids)
        extra = {int(i): {"effect": float(effect)} for i, effect in zip(ids, effects, strict=True)}
    if like is not None:
        near = harvest.neighbours(checked(harvest, like))
        ranked = _narrow(mask, np.array([i for i, _ in near], dtype=np.int64))
        extra = {i: {**extra.get(i, {}), "cosine": cosine} for i, cosine in near}
    if ranked is not None and not sort:
        ids = ranked[mask[ranked]]
    else:
        sort = sort or "density"
        ids = order(harvest, sort, sort != "id" if descending is None else descending, mask)
    listed = [int(i) for i in (ids if limit is None else ids[:limit])]
    return {"total": len(ids), "features": [{**_row(harvest, i), **extra.get(i, {})} for i in listed]}


def feature_record(harvest: Harvest, feature: int) -> dict[str, Any]:
    """All that is known of one feature; see `product.md`, `feature`.

    Raises:
        UserError: There is no such feature.
    """
    checked(harvest, feature)
    logits = harvest.logits(feature)
    return {
        "id": feature,
        "label": harvest.labels.get(feature, ""),
        "density": float(harvest.density[feature]),
        "max": float(harvest.maximum[feature]),
        "mean": float(harvest.mean[feature]),
        "count": int(harvest.count[feature]),
        "decoder_norm": float(harvest.decoder_norm[feature]),
        "top_tokens": harvest.top_tokens(feature),
        "histogram": {
            "edges": harvest.histogram_edges.tolist(),
            "counts": harvest.histogram(feature).tolist(),  # below the first edge, the bins, from the last edge up
        },
        "examples": [_example(example) for example in harvest.examples(feature)],
        "logits": {"positive": _pairs(logits.positive), "negative": _pairs(logits.negative)},
        "neighbours": _pairs(harvest.neighbours(feature)),
    }


def checked(harvest: Harvest, feature: int) -> int:
    """`feature`, if there is such a one.

    Raises:
        UserError: There is none.
    """
    if not 0 <= feature < harvest.features:
        raise UserError(
            f"There is no feature {feature} in this harvest.", f"Its features are 0 to {harvest.features - 1}."
        )
    return feature


def _narrow(mask: NDArray[np.bool_], ids: NDArray) -> NDArray:
    """Let `mask` pass only `ids`."""
    among = np.zeros_like(mask)
    among[ids] = True
    mask &= among
    return ids


def _row(harvest: Harvest, feature: int) -> dict[str, Any]:
    return {
        "id": feature,
        "label": harvest.labels.get(feature, ""),
        "density": float(harvest.density[feature]),
        "max": float(harvest.maximum[feature]),
        "top_tokens": harvest.top_tokens(feature),
    }


def _example(example: Example) -> dict[str, Any]:
    return {
        "activation": example.activation,
        "tokens": list(example.tokens),
        "activations": example.activations.tolist(),
        "counted": (~example.special).tolist(),
        "position": example.position,
        "start": example.start,
        "document": example.document,
        "interval": None if example.interval is None else list(example.interval),
    }


def _pairs(pairs: Iterable[tuple[Any, float]]) -> list[list[Any]]:
    return [[key, float(value)] for key, value in pairs]
