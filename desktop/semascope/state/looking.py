"""What is at a path that a person named, and what has to be decided before it can be opened. For the disk pool: no Qt, no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil

from semascope.core.corpus.readers import read_documents
from semascope.core.errors import UserError
from semascope.core.fingerprint import fingerprint
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.headers import FLOATS
from semascope.core.identify import identify
from semascope.core.models.describe import describe_folder, is_model_folder
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.fit import fits, stream_widths
from semascope.core.saes.formats.detect import detect, saes_within
from semascope.core.saes.kept import KeptReading
from semascope.core.saes.memory import choices
from semascope.core.saes.reading import Reading
from semascope.core.saes.tensor_guess import tensor_headers
from semascope.jobs.infos import ModelInfo

Seen = Literal["model", "sae", "release", "tensors", "harvest", "session", "corpus"]
Question = Literal["hook", "fit", "memory"]

MUCH_OF_MEMORY = 0.5
"""An SAE that takes more of the free memory than this is asked about first."""


def look(path: Path) -> Seen:
    """What is at a path. A release holds several SAEs; tensors are files of a format that no family knows.

    Raises:
        UserError: Nothing that can be opened.
    """
    found = identify(path)
    if found.kind == "sae":
        return "release" if _is_release(path) else "sae"
    if found.kind != "unknown":
        return found.kind
    folder = Folder(path)
    if next(saes_within(folder), None) is not None:
        return "release"
    if has_matrices(folder):
        return "tensors"
    try:
        next(read_documents([path]))
    except UserError as error:
        reason = found.problems[0] if found.problems else error.sentence
        raise UserError(f"“{path.name}” is not a model, an SAE, a harvest, a session or a corpus.", reason) from error
    return "corpus"


def _is_release(path: Path) -> bool:
    """Whether a recognised folder holds several SAEs that are none together."""
    detected = detect(path)
    if detected is None or not detected.members:
        return False
    try:
        detected.describe()
    except UserError:
        return True
    return False


def has_matrices(folder: Folder) -> bool:
    """Whether there are tensors that could be an encoder and a decoder."""
    matrices = (
        info
        for header in tensor_headers(folder).values()
        for info in header.values()
        if len(info.shape) == 2 and info.dtype in FLOATS
    )
    return next(matrices, None) is not None


@dataclass(frozen=True)
class Candidate:
    """A model that an SAE may be for.

    Attributes:
        path: Its folder.
        name: What to call it.
        misfits: Why the SAE does not fit it; () when it does, as far as its settings tell.
    """

    path: Path
    name: str
    misfits: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """An SAE before it is loaded.

    Attributes:
        path: What to open.
        title: The family's name for people.
        why: What it was recognised by.
        config: What it is, with the reading that was chosen before, if one was.
        reading: That reading.
        mappable: Whether it can be left in its file.
        memory: Bytes it takes, by "float32", "bfloat16" and, where that is possible, "mapped".
        free: Free bytes where it would be, or None where that can't be told.
        misfits: Why it doesn't fit the open model; () when it does or none is open.
        candidates: Other models that were opened lately, those it fits first.
        questions: What has to be decided by a person before it is opened.
    """

    path: Path
    title: str
    why: str
    config: SAEConfig
    reading: Reading = field(default_factory=Reading)
    mappable: bool = False
    memory: Mapping[str, int] = field(default_factory=dict)
    free: int | None = None
    misfits: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    questions: tuple[Question, ...] = ()


def survey(
    path: Path,
    model: ModelInfo | None,
    recent: Iterable[Path] = (),
    kept: Mapping[str, KeptReading] | None = None,
    free: int | None = None,
) -> Survey:
    """Look at an SAE's files, the open model and those opened lately.

    Args:
        path: The SAE.
        model: The model that is open.
        recent: Folders of models that were opened lately.
        kept: Readings that were chosen before, by fingerprint.
        free: Free bytes where it would be loaded; None asks this machine's main memory.

    Raises:
        UserError: It is no SAE that is read.
    """
    detected = detect(path)
    if detected is None:
        raise UserError(f"{path} is not an SAE of any known release.", "Choose the folder that holds its files.")
    layout = detected.describe()
    reading = Reading()
    if kept:
        chosen = kept.get(fingerprint(layout.files))
        reading = chosen.reading if chosen is not None else reading
    config = reading.apply(layout.config) if reading else layout.config
    memory = choices(config, layout.mappable)
    if free is None and (model is None or model.device == "cpu"):
        free = int(psutil.virtual_memory().available)
    misfits = misfits_of(config, model) if model is not None else ()
    found = Survey(
        path=path,
        title=detected.family.title,
        why=detected.why,
        config=config,
        reading=reading,
        mappable=layout.mappable,
        memory=memory,
        free=free,
        misfits=misfits if config.reads else (),
        candidates=tuple(candidates(config, recent, model)),
    )
    return Survey(**{**vars(found), "questions": tuple(_questions(found))})


def _questions(found: Survey) -> Iterator[Question]:
    config = found.config
    if not config.reads or (config.is_transcoder and not config.writes):
        yield "hook"
    if found.misfits:
        yield "fit"
    if found.free is not None and found.memory["float32"] > MUCH_OF_MEMORY * found.free:
        yield "memory"


def misfits_of(config: SAEConfig, model: ModelInfo) -> tuple[str, ...]:
    """Why an SAE doesn't fit the open model, as far as its settings tell; the engine looks at the model itself."""
    return tuple(fits(config, model.layers, stream_widths(model.d_model), model.name, images=1 << 10))


def candidates(config: SAEConfig, recent: Iterable[Path], model: ModelInfo | None) -> list[Candidate]:
    """Models opened lately, without the open one, those that the SAE fits first."""
    found = []
    for path in dict.fromkeys(recent):
        if model is not None and path == model.path:
            continue
        try:
            folder = Folder(path)
            if not is_model_folder(folder):
                continue
            described = describe_folder(folder)
        except UserError:
            continue
        if described.layers is None or described.d_model is None:
            continue
        images = 1 << 10 if described.multimodal else 0
        wrong = fits(config, described.layers, stream_widths(described.d_model), path.name, images)
        found.append(Candidate(path, path.name, tuple(wrong)))
    return sorted(found, key=lambda each: bool(each.misfits))
