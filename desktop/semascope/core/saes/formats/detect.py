"""Which release is this? Asks one family after another; the first that recognises the folder has it.

Reads names, small JSON files and headers, never weights: a folder of 50 GB is as quick as one of 50 kB. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from semascope.core.errors import UserError
from semascope.core.saes.formats import gemma_scope_1, gemma_scope_2, saelens, sparsify, unread
from semascope.core.saes.formats.files import Folder
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
                f"{self.folder.path.name} is of the release {self.family.title}, which is not read yet.",
                "Convert it to SAELens' format, or open an SAE of another release.",
            )
        layout = self.family.describe(self.folder)
        chosen = self.folder.chosen
        if chosen is not None and chosen not in {file.name for file in layout.files}:
            raise UserError(f"{chosen} is not part of the SAE beside it.", f"Open the folder {self.folder.path}.")
        return layout


def detect(path: Path) -> Detected | None:
    """The family that recognises a folder, or a file in it; None when none does.

    Raises:
        UserError: There is nothing at `path`, or what is there is damaged.
    """
    folder = Folder(path)
    for family in FAMILIES:
        if why := family.recognise(folder):
            return Detected(family, why, folder)
    return None


def describe(path: Path) -> Layout:
    """How to read the SAE at `path`.

    Raises:
        UserError: It is no SAE that is read; the sentence says what it is instead, as far as can be told.
    """
    detected = detect(path)
    if detected is not None:
        return detected.describe()
    folder = Folder(path)
    if not folder.names:
        raise UserError(f"{path} is an empty folder.", "Choose the folder that holds the SAE's files.")
    within = list(saes_within(folder)) if folder.chosen is None else []
    if within:
        first = within[0].relative_to(folder.path)
        raise UserError(
            f"{path} holds {_several(within)}, and is none itself.", f"Open one of them, for instance {first}."
        )
    raise UserError(f"{path} is not an SAE of any known release.", _missing(folder))


def saes_within(folder: Folder) -> Iterator[Path]:
    """Folders below `folder` that a family recognises: a release holds many. Looks a few levels and some hundred folders deep."""
    level, looked = [folder.path], 0
    for _ in range(_DEPTH):
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


def _several(within: list[Path]) -> str:
    return "an SAE" if len(within) == 1 else f"{len(within)} SAEs"


def _missing(folder: Folder) -> str:
    """What to do about a folder that is nearly one we know."""
    if saelens.CONFIG in folder.names:
        return f"It has {saelens.CONFIG} but no weights: copy {saelens.WEIGHTS} or {sparsify.WEIGHTS} too."
    if saelens.WEIGHTS in folder.names or sparsify.WEIGHTS in folder.names:
        return f"It has weights but no {saelens.CONFIG}: copy that too."
    return "Choose the folder that holds the SAE's weights and settings."
