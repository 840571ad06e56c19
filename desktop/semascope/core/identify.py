"""What is this file or folder? A model, an SAE, a harvest, a session, or none of them, and what is wrong with it.

Reads names, settings and headers only, so that it is instant for 50 GB too, and believes none of them; it never raises for
anything a path can hold. Knows how each kind is recognised (`saes.formats.detect`, `models.describe`), opens none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
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
from semascope.core.saes.fit import fits, other_model, stream_widths
from semascope.core.saes.formats.detect import Detected, detect, refusal
from semascope.core.saes.reading import Reading
from semascope.core.saes.release import Found, described, scan
from semascope.core.saes.understood import asked_by, understood
from semascope.core.session.file import APPLICATION_ID

Kind = Literal["model", "sae", "harvest", "session", "unknown"]

_HARVEST_FILE = "harvest.json"
_SQLITE = b"SQLite format 3\0"
_FEW_FOLDERS = 400
_ANY = 1 << 10  # blocks of an image tower, where the settings only say that there is one


@dataclass(frozen=True)
class Identified:
    """What a path holds.

    Attributes:
        path: The path, as it was given.
        kind: What it is; "unknown" when it is nothing we open.
        format: How it is stored ("saelens", "transformers", "gguf", …), or "".
        problems: Sentences: what is wrong with it, or why it is nothing we open.
        details: What else the headers say, in JSON's types.
        config: Of an SAE that can be described, its settings.
    """

    path: Path
    kind: Kind
    format: str = ""
    problems: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    config: SAEConfig | None = None

    def as_json(self) -> dict[str, Any]:
        """One entry of `semascope identify --json`."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "format": self.format,
            **self.details,
            "problems": list(self.problems),
        }


def identify(path: str | os.PathLike[str], *, folders: int = _FEW_FOLDERS) -> Identified:
    """What `path` holds; wrong and broken things too are an answer, not an error.

    Args:
        path: A file or folder.
        folders: How many folders of a release to look into, at most.
    """
    path = Path(path)
    try:
        folder = Folder(path)
        return _file(path, folder) if folder.chosen is not None else _folder(path, folder, folders)
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


def _folder(path: Path, folder: Folder, folders: int) -> Identified:
    """What a folder is."""
    if not folder.names:
        return Identified(path, "unknown", problems=(f"{path} is an empty folder.",))
    if _HARVEST_FILE in folder.names:
        return _harvest(path, folder)
    model = is_model_folder(folder)
    try:
        detected = detect(path)
    except UserError:
        if not model:
            raise
        detected = None  # its weights are damaged, which its description says
    if detected is not None:
        return _sae(path, detected)
    if model:
        return _model(path, "transformers", describe_folder(folder))
    found = _release(folder, folders)
    within = [each.path for each in sorted(found, key=lambda each: bool(each.problem))]  # the example is one that opens
    refused = refusal(folder, within)
    problem = str(refused) if within else f"{path} is not a model, an SAE, a harvest or a session. {refused.hint}"
    return Identified(path, "unknown", problems=(problem,), details=_listed(found) if found else {})


def _release(folder: Folder, folders: int) -> list[Found]:
    """The SAEs in and below a folder; of a release that is larger than was asked for, the first."""
    found, looked = [], 0
    for each in scan(folder.path):
        if each is not None:
            found.append(each)
        else:
            looked += 1
            if looked >= folders:
                break
    return found


def _listed(found: Sequence[Found]) -> dict[str, Any]:
    """A release in JSON's types."""
    return {
        "within": [str(each.path) for each in found],
        "release": [
            {
                "path": str(each.path),
                "place": list(each.place),
                "format": each.format,
                "architecture": each.architecture or None,
                "hook_point": each.hook_point or None,
                "hook_out": each.hook_out or None,
                "d_in": each.width or None,
                "features": each.features or None,
                "d_sae": each.d_sae or None,
                "l0": each.l0,
                "problem": each.problem or None,
            }
            for each in found
        ],
    }


def _sae(path: Path, detected: Detected) -> Identified:
    """An SAE, or a damaged one, or a folder of several; of those that are one thing together, its members too."""
    why = {"why": detected.why, "recognised_by": detected.why}
    several = _listed([described(detected.folder.path, one) for one in detected.members]) if detected.members else {}
    members = {"members": [str(member) for member in detected.members]} if detected.members else {}
    try:
        layout = detected.describe()
    except UserError as error:
        unknown = dict.fromkeys(("architecture", "hook_point", "d_in", "d_sae"))
        details = {**unknown, "asks": list(asked_by(str(error))), **why, **several}
        return Identified(path, "sae", detected.family.name, (str(error),), details)
    details = {**understood(layout), "title": detected.family.title, **why, **members}
    return Identified(path, "sae", layout.config.format, layout.config.problems, details, layout.config)


def fit_of(found: Identified, model: Identified, reading: Reading | None = None) -> dict[str, Any]:
    """Whether an SAE, perhaps read otherwise than its files say, fits a model, by their settings alone; neither is loaded.

    Returns:
        `model`: its path; `fits`; `problems`: why not; `remarks`: what else to know.
    """
    layers, width = model.details.get("layers"), model.details.get("d_model")
    if found.config is None or not isinstance(layers, int) or not isinstance(width, int):
        problems = (
            [] if found.config is None else ["How many layers this model has, and of which width, it doesn't say."]
        )
        return {"model": str(model.path), "fits": False, "problems": [*found.problems, *problems], "remarks": []}
    name = model.path.expanduser().absolute().name
    images = _ANY if model.details.get("multimodal") else 0
    config = reading.apply(found.config) if reading else found.config
    problems = fits(config, layers, stream_widths(width), name, images)
    remark = other_model(found.config, (name, str(model.details.get("model_name") or "")))
    return {"model": str(model.path), "fits": not problems, "problems": problems, "remarks": [remark] if remark else []}


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
