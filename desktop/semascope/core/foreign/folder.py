"""A folder as a detector may see it: names, small JSON files and the headers of weights. Trusts nothing, reads little.

Whatever a folder says may be a lie: sizes are compared with the file before anything is allocated, a name must lead to a
regular file inside the folder, and every disappointment is a `UserError`. Weights themselves are read by `saes.weights`.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from semascope.core.errors import UserError, from_os_error
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.headers import TensorInfo, npz_header, safetensors_header

_MOST_NAMES = 20_000
_MOST_JSON = 8 << 20


class Folder:
    """One folder of files.

    Attributes:
        path: The folder, as it was named; the names of its parents may say what the files don't.
        chosen: The name of the one file the user chose in it, or None when it was the folder.
    """

    def __init__(self, path: Path) -> None:
        """Look at `path`: a folder, or a file in one.

        Raises:
            UserError: There is nothing there, or it may not be read.
        """
        path = Path(os.path.abspath(path.expanduser()))
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError) as error:
            raise UserError(f"There is nothing at {path}.", "Check the path.") from error
        is_folder = stat.S_ISDIR(mode)
        if not is_folder and not stat.S_ISREG(mode):
            raise UserError(f"{path} is neither a file nor a folder.", "Choose a file or a folder.")
        self.path = path if is_folder else path.parent
        self.chosen = None if is_folder else path.name

    @cached_property
    def names(self) -> frozenset[str]:
        """The names in the folder, of a crowded one only the first."""
        try:
            with os.scandir(self.path) as entries:
                return frozenset(entry.name for entry, _ in zip(entries, range(_MOST_NAMES), strict=False))
        except OSError as error:
            raise from_os_error(error, f"look into {self.path}") from error

    def has(self, *names: str) -> bool:
        """Whether all `names` are there."""
        return self.names.issuperset(names)

    def file(self, name: str) -> Path:
        """The path of a regular file that really lies in the folder.

        Raises:
            UserError: It is missing, is no regular file, or is a link that leads elsewhere.
        """
        path = self.path / name
        try:
            real = path.resolve(strict=True)
            mode = real.stat().st_mode
        except (OSError, RuntimeError) as error:
            raise UserError(f"{name} is missing from {self.path.name}.", "Copy the whole folder again.") from error
        if not stat.S_ISREG(mode):
            raise UserError(f"{name} in {self.path.name} is not a file.", "Copy the whole folder again.")
        if not _inside(real, self.path):
            raise UserError(
                f"{name} in {self.path.name} is a link to a place outside the folder, and is not followed.",
                "Copy the file itself into the folder.",
            )
        return path

    def json(self, name: str) -> Fields:
        """The JSON object in the file `name`."""
        return read_json(self.file(name), name)

    def header(self, name: str) -> Mapping[str, TensorInfo]:
        """Names, dtypes and shapes of the tensors in a .safetensors or .npz file."""
        path = self.file(name)
        return npz_header(path) if name.endswith(".npz") else safetensors_header(path)


def read_json(path: Path, name: str) -> Fields:
    """The JSON object in a small file.

    Raises:
        UserError: The file is no JSON object, or is far larger than such a file ever is.
    """
    try:
        if path.stat().st_size > _MOST_JSON:
            raise UserError(f"{name} is too large to be a settings file.", "Copy the whole folder again.")
        content = json.loads(path.read_bytes(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} is not valid JSON.", "Copy the whole folder again.") from error
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error
    if not isinstance(content, dict):
        raise UserError(f"{name} is not a JSON object.", "Copy the whole folder again.")
    return Fields(content, name)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _inside(real: Path, folder: Path) -> bool:
    """Whether a resolved file lies in the folder, or in the blob store of the hub cache that the folder is part of."""
    home = folder.resolve()
    if real.is_relative_to(home):
        return True
    snapshots = next((parent for parent in (home, *home.parents) if parent.parent.name == "snapshots"), None)
    return snapshots is not None and real.parent == snapshots.parent.parent / "blobs"
