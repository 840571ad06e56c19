"""What a family's module says about one SAE: its settings, and which stored tensor is which of ours.

A `Family` recognises a folder and describes it from names and headers; a `Layout` is that description, enough for
`saes.weights` to read the tensors. A family whose tensors differ by name and orientation only needs nothing but a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.headers import FLOATS, TensorInfo
from semascope.core.saes.config import SAEConfig

if TYPE_CHECKING:
    from torch import Tensor

    Arrange = Callable[[dict[str, Tensor]], None]

OURS: Mapping[str, tuple[str, ...]] = {
    "W_enc": ("d_in", "m"),
    "b_enc": ("m",),
    "W_dec": ("m", "d_out"),
    "b_dec": ("d_out",),
    "W_skip": ("d_in", "d_out"),
}
"""The orientation that `SAE` takes (where d_out is d_in, either name will do); every other tensor keeps its own."""


class Stored(NamedTuple):
    """A tensor in a file: its name there, and what its axes are, in order."""

    name: str
    axes: tuple[str, ...]

    def transposed(self, ours: str) -> bool:
        """Whether it must be turned to become our tensor `ours`."""
        return len(self.axes) == 2 and ours in OURS and self.axes[0] != OURS[ours][0]


Table = Mapping[str, Stored]


@dataclass(frozen=True)
class Layout:
    """How to read one SAE.

    Attributes:
        config: What it is.
        weights: The file that holds the tensors.
        files: All files that make it what it is, for its fingerprint.
        table: Our tensors' names, and where each is stored.
        arrange: Last arithmetic on the tensors by our names, in place, in float32; None when there is none.
    """

    config: SAEConfig
    weights: Path
    files: tuple[Path, ...]
    table: Table
    arrange: Arrange | None = None


@dataclass(frozen=True)
class Family:
    """One family of releases.

    Attributes:
        name: For code and JSON ("saelens").
        title: For people ("SAELens").
        recognise: Why a folder looks like one of the family, or "" when it doesn't; names and headers only.
        describe: The layout of a folder that was recognised; None while the family is known but not read.
        files: Names of the files any one of which stands for the folder; of a family that isn't read, none.
    """

    name: str
    title: str
    recognise: Callable[[Folder], str]
    describe: Callable[[Folder], Layout] | None = None
    files: tuple[str, ...] = ()

    def owns(self, name: str) -> bool:
        """Whether a file chosen by itself may be meant as the folder it lies in."""
        return name in self.files if self.files else name.endswith((".pt", ".pth", ".safetensors"))


def measure(header: Mapping[str, TensorInfo], table: Table, file: str) -> dict[str, int]:
    """The length of every axis named in `table`, such as d_in, d_out and m.

    Raises:
        UserError: A tensor is missing, is not of floating point, or is not shaped like the others.
    """
    lengths: dict[str, int] = {}
    for stored in table.values():
        info = header.get(stored.name)
        if info is None:
            raise UserError(f"{file} has no tensor {stored.name}.", "Copy the whole folder again.")
        if info.dtype not in FLOATS:
            raise UserError(f"{stored.name} in {file} is stored as {info.dtype}, which no SAE of this kind is.")
        expected = tuple(lengths.get(axis, size) for axis, size in zip(stored.axes, info.shape, strict=False))
        if len(info.shape) != len(stored.axes) or info.shape != expected or 0 in info.shape:
            raise UserError(
                f"{stored.name} in {file} has the shape {info.shape}, which does not fit its other tensors.",
                "Copy the whole folder again.",
            )
        lengths.update(zip(stored.axes, info.shape, strict=True))
    return lengths


def check_widths(lengths: Mapping[str, int], file: str, *, may_differ: bool) -> None:
    """Refuse an SAE whose output is of another width than its input; only a transcoder that subtracts nothing may be.

    Raises:
        UserError: The widths differ and may not.
    """
    d_in, d_out = lengths["d_in"], lengths["d_out"]
    if d_in != d_out and not may_differ:
        raise UserError(
            f"{file} reads {d_in} values and gives {d_out}, which an SAE can't.", "Copy the whole folder again."
        )


def stored_dtype(header: Mapping[str, TensorInfo], table: Table) -> str:
    """The dtype of the decoder, by torch's name."""
    return FLOATS[header[table["W_dec"].name].dtype]


def check_k(k: int | None, features: int, source: str, *, groups: bool = False) -> int:
    """A k that can be used with so many features.

    Raises:
        UserError: It is missing, or there are not so many features.
    """
    if k is None or not 1 <= k <= features or (groups and features % k):
        raise UserError(
            f"{source} says k is {k}, which is impossible with {features} features.", "Copy the whole folder again."
        )
    return k
