"""A folder as a detector may see it: names, small settings files and the headers of weights. Trusts nothing, reads little.

Whatever a folder says may be a lie: sizes are compared with the file before anything is allocated, a name must lead to a
regular file inside the folder, and every disappointment is a `UserError`. Weights themselves are read by `saes.weights`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

from semascope.core.errors import UserError, from_os_error
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.headers import TensorInfo, npz_header, safetensors_header
from semascope.core.foreign.parts import part_of
from semascope.core.foreign.settings import read_json, read_yaml
from semascope.core.foreign.torch_files import TorchFile, torch_file

T = TypeVar("T")

TORCH_FILES = (".pt", ".pth", ".bin")
"""How the names of files of torch.save end."""

_MOST_NAMES = 20_000


class Folder:
    """One folder of files.

    Attributes:
        path: The folder, as it was named; the names of its parents may say what the files don't.
        chosen: The name of the one file the user chose in it, or None when it was the folder.
        part: What of that file, where it was named FILE#PART; "" for all of it.
    """

    def __init__(self, path: Path) -> None:
        """Look at `path`: a folder, or a file in one.

        Raises:
            UserError: There is nothing there, or it may not be read.
        """
        try:
            path, self.part = part_of(Path(os.path.abspath(path.expanduser())))
            mode = path.stat().st_mode
        except PermissionError as error:
            raise from_os_error(error, f"open {path}") from error
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(f"There is nothing at {path}.", "Check the path.") from error
        is_folder = stat.S_ISDIR(mode)
        if not is_folder and not stat.S_ISREG(mode):
            raise UserError(f"{path} is neither a file nor a folder.", "Choose a file or a folder.")
        self.path = path if is_folder else path.parent
        self.chosen = None if is_folder else path.name
        self._read: dict[tuple[str, str], object] = {}

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
        except PermissionError as error:
            raise from_os_error(error, f"read {path}") from error
        except (OSError, ValueError, RuntimeError) as error:
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
        return self._once("json", name, lambda: read_json(self.file(name), name))

    def yaml(self, name: str) -> Fields:
        """The YAML mapping in the file `name`."""
        return self._once("yaml", name, lambda: read_yaml(self.file(name), name))

    def torch(self, name: str, skip: int = 0) -> TorchFile:
        """What a file of torch.save holds behind its first `skip` bytes, without its values."""
        return self._once(f"torch {skip}", name, lambda: torch_file(self.file(name), skip=skip))

    def header(self, name: str) -> Mapping[str, TensorInfo]:
        """Names, dtypes and shapes of the tensors in a .safetensors, .npz, .pt, .pth or .bin file."""
        if name.endswith(TORCH_FILES):
            return self._once("header", name, self.torch(name).header)
        read = npz_header if name.endswith(".npz") else safetensors_header
        return self._once("header", name, lambda: read(self.file(name)))

    def _once(self, what: str, name: str, read: Callable[[], T]) -> T:
        """What `read` gives, or refuses: many families ask the same of a folder, and hostile files take their time."""
        if (what, name) not in self._read:
            try:
                self._read[what, name] = read()
            except UserError as error:
                self._read[what, name] = error
        found = self._read[what, name]
        if isinstance(found, UserError):
            raise UserError(found.sentence, found.hint) from found
        return cast("T", found)


def _inside(real: Path, folder: Path) -> bool:
    """Whether a resolved file lies in the folder, or in the blob store of the hub cache that the folder is part of."""
    home = folder.resolve()
    if real.is_relative_to(home):
        return True
    snapshots = next((parent for parent in (home, *home.parents) if parent.parent.name == "snapshots"), None)
    return snapshots is not None and real.parent == snapshots.parent.parent / "blobs"
