"""Which release is this? Asks one family after another; the first that recognises the folder has it.

Reads names, small JSON files and headers, never weights: a folder of 50 GB is as quick as one of 50 kB. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.saes.formats import (
    apollo_e2e,
    circuit_tracer,
    ckkissane,
    crosscoder,
    dictionary_learning,
    gemma_scope_1,
    gemma_scope_2,
    linear_pairs,
    llama_scope,
    llama_scope_r1,
    llamascopium,
    mapped,
    openai,
    qwen_scope,
    saelens,
    saev,
    sparsify,
    temporal,
    vit_prisma,
)
from semascope.core.saes.formats.layout import Family, Layout, natural
from semascope.core.saes.formats.leftover import with_leftovers
from semascope.core.saes.formats.openmoss import above_checkpoints
from semascope.core.saes.tensor_guess import TENSOR_FILES
from semascope.core.saes.tensor_map import MAP

FAMILIES: tuple[Family, ...] = (
    mapped.FAMILY,
    saev.FAMILY,  # before those that would take its file for a damaged one of PyTorch's
    vit_prisma.FAMILY,  # before those that look into every file of PyTorch's, as its may be refused
    saelens.FAMILY,
    sparsify.FAMILY,
    gemma_scope_1.FAMILY,
    gemma_scope_2.FAMILY,
    crosscoder.FAMILY,
    dictionary_learning.FAMILY,
    llama_scope.FAMILY,
    llama_scope_r1.FAMILY,
    llamascopium.FAMILY,
    circuit_tracer.FAMILY,
    temporal.FAMILY,
    openai.FAMILY,
    qwen_scope.FAMILY,
    linear_pairs.GOODFIRE,
    linear_pairs.QRESEARCH,
    ckkissane.FAMILY,
    apollo_e2e.FAMILY,
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
        members: The files of it that are an SAE each, where it holds more than one and none of them was chosen.
    """

    family: Family
    why: str
    folder: Folder
    members: tuple[Path, ...] = ()

    def describe(self) -> Layout:
        """How to read it; of a folder with several members, all of them together, where that is one thing.

        Raises:
            UserError: The folder is damaged, or holds several SAEs that are none together.
        """
        return with_leftovers(self.family.describe(self.folder), self.folder)

    @property
    def together(self) -> bool:
        """Whether there are several members, and all of them together are one SAE too: a set of transcoders."""
        try:
            return len(self.members) > 1 and bool(self.describe())
        except UserError:
            return False


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
            names = family.members(folder) if family.members and not folder.part else ()
            if folder.chosen is not None:  # of a file only its own parts
                names = tuple(name for name in names if name.startswith(f"{folder.chosen}#"))
            members = tuple(folder.path / name for name in sorted(names, key=natural)) if len(names) > 1 else ()
            return Detected(family, why, folder, members)
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
        count = "an SAE" if len(within) == 1 else f"{len(within)} SAEs"
        example = within[0].relative_to(folder.path)
        return UserError(f"{name} holds {count}, and is none itself.", f"Open one of them, for instance {example}.")
    return UserError(f"{name} is not an SAE of any known release.", _missing(folder))


def saes_within(folder: Folder) -> Iterator[Path]:
    """What can be opened below `folder`, in order: a release holds many. Looks a few levels and some hundred folders far."""
    level, looked = [folder.path], 0
    for _ in range(_DEPTH if folder.chosen is None else 0):
        below: list[Path] = []
        for parent in level:
            below += sorted(_folders(parent), key=lambda child: natural(child.name))
        for child in below:
            looked += 1
            if looked > _MOST_FOLDERS:
                return
            if found := _recognised(child):
                yield from (child,) if found.together else ()
                yield from found.members or (child,)
        level = below


def _folders(parent: Path) -> Iterator[Path]:
    try:
        yield from (child for child in parent.iterdir() if child.is_dir() and not child.is_symlink())
    except OSError:
        return  # what can't be listed holds nothing for us


def _recognised(path: Path) -> Detected | None:
    try:
        return detect(path)
    except UserError:
        return None


def _missing(folder: Folder) -> str:
    """What to do about a folder that is nearly one we know."""
    if above_checkpoints(folder):
        return f"Open the folder above it, {folder.path.parent.name}: its settings are there."
    if saelens.CONFIG in folder.names:
        return f"It has {saelens.CONFIG} but no weights: copy {saelens.WEIGHTS} or {sparsify.WEIGHTS} too."
    if saelens.WEIGHTS in folder.names or sparsify.WEIGHTS in folder.names:
        return f"It has weights but no {saelens.CONFIG}: copy that too."
    if any(name.endswith(TENSOR_FILES) for name in folder.names):
        return f"Say which of its tensors is which, in a file {MAP} beside them; “What opens” shows one."
    return "Choose the folder that holds the SAE's weights and settings."
