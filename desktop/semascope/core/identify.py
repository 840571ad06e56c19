"""What is this file or folder? A model, an SAE, a harvest, a session, or none of them, and what is wrong with it.

Reads names, settings and headers only, so that it is instant for 50 GB too, and believes none of them; it never raises for
anything a path can hold. Knows how each kind is recognised (`saes.formats.detect`, `models.describe`), opens none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.harvest.store import FORMAT as HARVEST_FORMAT
from semascope.core.models.describe import (
    ModelDescription,
    describe_folder,
    describe_gguf,
    is_gguf,
    is_model_folder,
)
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.detect import Detected, detect, refusal, saes_within
from semascope.core.session.file import APPLICATION_ID

Kind = Literal["model", "sae", "harvest", "session", "unknown"]

_HARVEST_FILE = "harvest.json"
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Identified:
    """What a path holds.

    Attributes:
        path: The path, as it was given.
        kind: What it is; "unknown" when it is nothing we open.
        format: How it is stored ("saelens", "transformers", "gguf", …), or "".
        problems: Sentences: what is wrong with it, or why it is nothing we open.
        details: What else the headers say, in JSON's types.
    """

    path: Path
    kind: Kind
    format: str = ""
    problems: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """One entry of `semascope identify --json`."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "format": self.format,
            **self.details,
            "problems": list(self.problems),
        }


def identify(path: str | os.PathLike[str]) -> Identified:
    """What `path` holds; wrong and broken things too are an answer, not an error."""
    path = Path(path)
    try:
        folder = Folder(path)
        return _file(path, folder) if folder.chosen is not None else _folder(path, folder)
    except UserError as error:
        return Identified(path, "unknown", problems=(str(error),))


def _file(path: Path, folder: Folder) -> Identified:
    """What a file is."""
    real = path.expanduser()
    if _is_session(real):
        return Identified(path, "session", "semascope-session")
    if is_gguf(real):
        return _model(path, "gguf", describe_gguf(real))
    detected = detect(path)
    if detected is not None:
        return _sae(path, detected)
    return Identified(path, "unknown", problems=(_file_problem(path, folder),))


def _file_problem(path: Path, folder: Folder) -> str:
    if is_model_folder(Folder(folder.path)) and path.suffix in (".safetensors", ".json"):
        return f"This is one file of a model; open its folder, {folder.path}."
    return f"{path.name} is not a model, an SAE, a harvest or a session."


def _folder(path: Path, folder: Folder) -> Identified:
    """What a folder is."""
    if not folder.names:
        return Identified(path, "unknown", problems=(f"{path} is an empty folder.",))
    if _HARVEST_FILE in folder.names:
        return _harvest(path, folder)
    detected = detect(path)
    if detected is not None:
        return _sae(path, detected)
    if is_model_folder(folder):
        return _model(path, "transformers", describe_folder(folder))
    within = list(saes_within(folder))
    problem = str(refusal(folder, within)) if within else f"{path} is not a model, an SAE, a harvest or a session."
    listed = {"within": [str(place) for place in within]} if within else {}
    return Identified(path, "unknown", problems=(problem,), details=listed)


def _sae(path: Path, detected: Detected) -> Identified:
    """An SAE, or a release that is known and not read, or a damaged one."""
    try:
        config = detected.describe().config
    except UserError as error:
        unknown = dict.fromkeys(("architecture", "hook_point", "d_in", "d_sae"))
        details = {**unknown, "recognised_by": detected.why}
        return Identified(path, "sae", detected.family.name, (str(error),), details)
    details = {**_sae_details(config), "recognised_by": detected.why}
    return Identified(path, "sae", config.format, config.problems, details)


def _sae_details(config: SAEConfig) -> dict[str, Any]:
    return {
        "architecture": config.architecture,
        "hook_point": str(config.hook_point) if config.hook_point else None,
        "hook_out": str(config.hook_out) if config.hook_out else None,
        "d_in": config.d_in,
        "d_out": config.d_out,
        "d_sae": config.d_sae,
        "activation": config.activation,
        "k": config.k,
        "normalize": config.normalize,
        "apply_b_dec_to_input": config.apply_b_dec_to_input,
        "skip": config.skip,
        "prepend_bos": config.prepend_bos,
        "dtype": config.dtype,
        "model_name": config.model_name,
    }


def _model(path: Path, kind: str, model: ModelDescription) -> Identified:
    details = {
        "architecture": model.architecture,
        "layers": model.layers,
        "d_model": model.d_model,
        "multimodal": model.multimodal,
    }
    return Identified(path, "model", kind, model.problems, details)


def _harvest(path: Path, folder: Folder) -> Identified:
    """A harvest by its record; one of a later version, or a foreign file of that name, says so."""
    record = folder.json(_HARVEST_FILE)
    if record.text("format") != HARVEST_FORMAT:
        return Identified(path, "unknown", problems=(f"{_HARVEST_FILE} in {path} is not that of a harvest.",))
    counts = record.section("counts")
    details = {
        "hook_point": record.text("hook_point") or None,
        "features": counts.whole("features"),
        "tokens": counts.whole("tokens"),
        "model_name": record.section("model").text("name"),
        "sae_name": record.section("sae").text("name"),
        "version": record.whole("version"),
    }
    return Identified(path, "harvest", HARVEST_FORMAT, details=details)


def _is_session(path: Path) -> bool:
    """Whether an SQLite file's header carries our number."""
    try:
        with path.open("rb") as stream:
            header = stream.read(100)
    except OSError:
        return False
    return header.startswith(_SQLITE) and int.from_bytes(header[68:72], "big") == APPLICATION_ID
