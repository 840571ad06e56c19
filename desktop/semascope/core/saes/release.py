"""A release: a folder with many SAEs, looked through folder by folder, as deep as releases go. Imports no torch.

Thousands of folders take a while on a slow disk, so what is found comes one by one, and whoever asks may stop at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.models.hookpoint import hooks_text
from semascope.core.saes.formats.detect import detect
from semascope.core.saes.formats.layout import natural
from semascope.core.saes.memory import bytes_needed

_DEPTH = 8
_MOST_FOLDERS = 100_000
_NAMED = re.compile(
    r"params\.npz|params(_layer_\d+)?\.safetensors|sae(_weights)?\.safetensors|ae(_\d+)?\.pt|sae\.pt|layer\d+\.sae\.pt"
)
"""Files that are an SAE by their name: where one can't be read, a list without it would be one SAE short."""


@dataclass(frozen=True)
class Found:
    """One SAE of a release, as far as headers and names tell.

    Attributes:
        path: What to open.
        place: Its path below the release's folder, in parts.
        format: The family's name.
        title: The family's name for people.
        architecture: As in `SAEConfig`; "" where it can't be described.
        hook_point, hook_out: Where it reads and writes, as text; "" where that is not known.
        site: Of the first hook point, or "".
        layer: Of the first hook point, or None; also None where it reads several layers.
        features: How many, or 0.
        d_sae: How many each encoder has, or 0.
        width: Of what it reads, or 0.
        l0: The mean number of active features its makers state, or None.
        bytes: Memory it takes in float32.
        problem: Why it can't be opened, or "".
    """

    path: Path
    place: tuple[str, ...]
    format: str
    title: str
    architecture: str = ""
    hook_point: str = ""
    hook_out: str = ""
    site: str = ""
    layer: int | None = None
    features: int = 0
    d_sae: int = 0
    width: int = 0
    l0: float | None = None
    bytes: int = 0
    problem: str = ""


def scan(folder: Path) -> Iterator[Found | None]:
    """The SAEs in and below `folder`, in natural order of their paths; None after each folder, so that one can stop.

    Links to other folders are not followed. A folder that can't be listed holds nothing; an SAE that can't be read is listed
    with its problem.

    Raises:
        UserError: There is nothing at `folder`.
    """
    root = Folder(folder).path
    waiting: list[tuple[Path, int]] = [(root, 0)]
    looked = 0
    while waiting and looked < _MOST_FOLDERS:
        here, depth = waiting.pop()
        looked += 1
        try:
            found = detect(here)
        except UserError as error:
            found = None
            if here != root and _named_like_an_sae(here):
                yield Found(here, here.relative_to(root).parts, "", "", problem=str(error))
        if found is not None:
            if found.together and here != root:
                yield described(root, here)
            for path in found.members or (here,):
                yield described(root, path)
        yield None
        if depth < _DEPTH:
            waiting += [(child, depth + 1) for child in reversed(_below(here))]


def _below(parent: Path) -> list[Path]:
    try:
        children = [child for child in parent.iterdir() if child.is_dir() and not child.is_symlink()]
    except OSError:
        return []
    return sorted(
        (child for child in children if not child.name.startswith(".")), key=lambda child: natural(child.name)
    )


def _named_like_an_sae(folder: Path) -> bool:
    try:
        return any(_NAMED.fullmatch(name) for name in Folder(folder).names)
    except UserError:
        return False


def described(root: Path, path: Path) -> Found:
    """What one SAE's headers say, `root` being the release's folder; one that is damaged says why."""
    place = path.relative_to(root).parts
    found = None
    try:
        found = detect(path)
        if found is None:
            raise UserError(f"{path.name} is not an SAE.")
        config = found.describe().config
    except UserError as error:
        family = found.family if found is not None else None
        return Found(path, place, family.name if family else "", family.title if family else "", problem=str(error))
    first = config.reads[0] if config.reads else None
    return Found(
        path=path,
        place=place,
        format=config.format,
        title=found.family.title,
        architecture=config.architecture,
        hook_point=hooks_text(config.reads),
        hook_out=hooks_text(config.writes),
        site=f"{first.tower}{'.' if first.tower else ''}{first.site}" if first else "",
        layer=first.layer if first and len({hook.layer for hook in config.reads}) == 1 else None,
        features=config.features,
        d_sae=config.d_sae,
        width=config.d_in,
        l0=config.l0,
        bytes=bytes_needed(config),
        problem="",
    )
