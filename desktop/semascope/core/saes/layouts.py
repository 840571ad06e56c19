"""The two layouts of values that belong to several places, and the way between them.

Flat: those of all places side by side, (…, count · width). Native, as libraries have it: an axis for the places, the first of
(count, …, width) or the last but one of (…, count, width). Which one a tensor has, its shape says.
"""

from __future__ import annotations

from torch import Tensor

from semascope.core.errors import UserError

Axis = int | None
"""Where the places are: 0 or −2, or None in the flat layout."""


def axis_of(x: Tensor, count: int, width: int, *, last: bool, what: str) -> Axis:
    """The axis of x on which its places are; where both could be, the last but one if `last`.

    Raises:
        UserError: x has another shape; `what` it is, for the sentence.
    """
    if x.shape[-1:] == (count * width,):
        return None
    if x.dim() > 1 and x.shape[-1] == width:
        for axis in (-2, 0) if last else (0, -2):
            if x.shape[axis] == count:
                return axis
    raise UserError(
        f"This SAE takes {what} of {count} places with {width} values each, or {count * width} side by side, "
        f"not of shape {tuple(x.shape)}.",
        "Choose an SAE that was made for this model and these hook points.",
    )


def flat(x: Tensor, axis: Axis) -> Tensor:
    """x in the flat layout."""
    return x if axis is None else x.movedim(axis, -2).flatten(-2)


def spread(x: Tensor, count: int, axis: Axis) -> Tensor:
    """Flat values in the layout that has its places on `axis`."""
    return x if axis is None else by_place(x, count).movedim(-2, axis)


def by_place(x: Tensor, count: int) -> Tensor:
    """A view of flat values as (…, count, width)."""
    return x.view(*x.shape[:-1], count, x.shape[-1] // count)
