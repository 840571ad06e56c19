"""What a family's module says about one SAE: its settings, and which stored tensor is which of ours.

A `Family` recognises a folder and describes it from names and headers; a `Layout` is that description, enough for
`saes.weights` to read the tensors. A family whose tensors differ by name and orientation only needs nothing but a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
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
    "W_glu": ("d_in", "m"),
}
"""The orientation that `SAE` takes (where d_out is d_in, either name will do); every other tensor keeps its own."""


class Stored(NamedTuple):
    """A tensor in a file.

    Attributes:
        name: Its name there.
        axes: What its axes are, in order.
        file: The file's name, "" for the layout's main one.
    """

    name: str
    axes: tuple[str, ...]
    file: str = ""

    def transposed(self, ours: str) -> bool:
        """Whether it must be turned to become our tensor `ours`; "W_enc.3" is a W_enc, its axis "m.3" an m."""
        wanted = OURS.get(ours.partition(".")[0])
        return len(self.axes) == 2 and wanted is not None and self.axes[0].partition(".")[0] != wanted[0]


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
        views: Whether `arrange` only takes views of them, and so can be done to tensors that stay in the file.
        part: Which of the SAEs in the main file it is, where it holds several; "" for the only one.
        archive_at: Where PyTorch's archive begins in the main file, in bytes: saev writes a line of JSON before it.
    """

    config: SAEConfig
    weights: Path
    files: tuple[Path, ...]
    table: Table
    arrange: Arrange | None = None
    archive_at: int = 0
    part: str = ""
    views: bool = False

    @property
    def mappable(self) -> bool:
        """Whether encoder and decoder can be used as they lie in the file, without being read into memory first."""
        return (self.arrange is None or self.views) and self.weights.suffix != ".npz"


@dataclass(frozen=True)
class Family:
    """One family of releases.

    Attributes:
        name: For code and JSON ("saelens").
        title: For people ("SAELens").
        recognise: Why a folder looks like one of the family, or "" when it doesn't; names and headers only.
        describe: The layout of a folder that was recognised, or of the file chosen in it. Where `members` names several
            and none is chosen, it is that of all of them together, or it raises `UserError`.
        files: Patterns of the files any one of which stands for the folder, or for the one SAE in that file.
        members: The files of a recognised folder that are an SAE each; None where the folder is one.
        releases: What has been published in this format, for the page "What opens".
        rule: How it is told and read, in a sentence or two, for that page.
    """

    name: str
    title: str
    recognise: Callable[[Folder], str]
    describe: Callable[[Folder], Layout]
    files: tuple[str, ...] = ()
    members: Callable[[Folder], tuple[str, ...]] | None = None
    releases: tuple[str, ...] = ()
    rule: str = ""

    def owns(self, name: str) -> bool:
        """Whether a file chosen by itself may be meant as the folder it lies in, or as one of its members."""
        return any(fnmatch(name, pattern) for pattern in self.files)


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts "layer2" before "layer10"."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,9})", name)]


def several(folder: Folder, members: Sequence[str]) -> UserError:
    """Why a folder with an SAE in each of several files can't be opened as one."""
    example = min(members, key=natural)
    return UserError(
        f"{folder.path} holds {len(members)} SAEs, and is none itself.", f"Open one of them, for instance {example}."
    )


def measure(
    header: Mapping[str, TensorInfo], table: Table, file: str, known: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The length of every axis named in `table`, such as d_in, d_out and m; `known` are those of other files.

    Raises:
        UserError: A tensor is missing, is not of floating point, or is not shaped like the others.
    """
    lengths = dict(known or {})
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
