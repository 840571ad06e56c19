"""Which release is this? Asks one family after another; the first that recognises the folder has it.

Reads names, small JSON files and headers, never weights: a folder of 50 GB is as quick as one of 50 kB. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.saes.formats import gemma_scope_1, gemma_scope_2, saelens, sparsify, unread
from semascope.core.saes.formats.layout import Family, Layout

FAMILIES: tuple[Family, ...] = (
    saelens.FAMILY,
    sparsify.FAMILY,
    gemma_scope_1.FAMILY,
    gemma_scope_2.FAMILY,
    *unread.FAMILIES,
)

_DEPTH = 4
_MOST_FOLDERS = 400


@dataclass(frozen=True)
class Detected:
    """A folder that a family recognised.

    Attributes:
        family: Which one.
        why: What it was recognised by.
        folder: The folder.
    """

    family: Family
    why: str
    folder: Folder

    def describe(self) -> Layout:
        """How to read it.

        Raises:
            UserError: The release is not read yet, or the folder is damaged.
        """
        if self.family.describe is None:
            raise UserError(
                f"{self.folder.path.name} is in the format of {self.family.title}, which is not read yet.",
                "Convert it to SAELens' format, or open an SAE of another release.",
            )
        return self.family.describe(self.folder)


def detect(path: Path) -> Detected | None:
    """The family that recognises a folder, or a file in it; None when none does.

    Raises:
        UserError: There is nothing at `path`, or what is there is damaged.
    """
    folder = Folder(path)
    for family in FAMILIES:
        if folder.chosen is not None and not family.owns(folder.chosen):
            continue
        if why := family.recognise(folder):
            return Detected(family, why, folder)
    return None


def describe(path: Path) -> Layout:
    """How to read the SAE at `path`.

    Raises:
        UserError: It is no SAE that is read; the sentence says what it is instead, as far as can be told.
    """
    detected = detect(path)
    if detected is None:
        folder = Folder(path)
        raise refusal(folder, list(saes_within(folder)))
    return detected.describe()


def refusal(folder: Folder, within: Sequence[Path]) -> UserError:
    """Why a folder that no family recognises is no SAE; `within` are the SAEs below it."""
    name = folder.path if folder.chosen is None else folder.path / folder.chosen
    if not folder.names:
        return UserError(f"{name} is an empty folder.", "Choose the folder that holds the SAE's files.")
    if within:
        several = "an SAE" if len(within) == 1 else f"{len(within)} SAEs"
        example = within[0].relative_to(folder.path)
        return UserError(f"{name} holds {several}, and is none itself.", f"Open one of them, for instance {example}.")
    return UserError(f"{name} is not an SAE of any known release.", _missing(folder))


def saes_within(folder: Folder) -> Iterator[Path]:
    """Folders below `folder` that a family recognises: a release holds many. Looks a few levels and some hundred folders far."""
    level, looked = [folder.path], 0
    for _ in range(_DEPTH if folder.chosen is None else 0):
        below: list[Path] = []
        for parent in level:
            below += sorted(child for child in _folders(parent))
        for child in below:
            looked += 1
            if looked > _MOST_FOLDERS:
                return
            if _recognised(child):
                yield child
        level = below


def _folders(parent: Path) -> Iterator[Path]:
    try:
        yield from (child for child in parent.iterdir() if child.is_dir() and not child.is_symlink())
    except OSError:
        return  # what can't be listed holds nothing for us


def _recognised(path: Path) -> bool:
    try:
        return detect(path) is not None
    except UserError:
        return False


def _missing(folder: Folder) -> str:
    """What to do about a folder that is nearly one we know."""
    if saelens.CONFIG in folder.names:
        return f"It has {saelens.CONFIG} but no weights: copy {saelens.WEIGHTS} or {sparsify.WEIGHTS} too."
    if saelens.WEIGHTS in folder.names or sparsify.WEIGHTS in folder.names:
        return f"It has weights but no {saelens.CONFIG}: copy that too."
    return "Choose the folder that holds the SAE's weights and settings."
