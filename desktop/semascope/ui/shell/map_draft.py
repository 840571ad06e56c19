"""A map of tensors that is being drawn up: what lies in the files, a first guess, and how it is written down. No Qt, no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from semascope.core.atomic import atomic_file
from semascope.core.errors import UserError, from_os_error
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.headers import FLOATS, TensorInfo
from semascope.core.saes.formats.layout import Stored
from semascope.core.saes.tensor_guess import guess, tensor_headers
from semascope.core.saes.tensor_map import LAYER, MAP, ROLES, TensorMap
from semascope.core.saes.tensor_shapes import faults, resolved

_MOST_LISTED = 400


@dataclass(frozen=True)
class MapDraft:
    """What a person is asked about.

    Attributes:
        folder: Where the files lie.
        headers: The tensors of each file.
        plan: The first guess.
        writable: Whether a map can be written there.
        has_map: Whether one lies there already, about other files.
    """

    folder: Path
    headers: Mapping[str, Mapping[str, TensorInfo]]
    plan: TensorMap
    writable: bool
    has_map: bool

    @property
    def file(self) -> str:
        """The file that is looked at: the first that the map is about."""
        return next((name for name in self.headers if self.plan.layer_of(name) is not None), next(iter(self.headers)))

    def alike(self, plan: TensorMap) -> list[str]:
        """The files that a map is about."""
        return [name for name in self.headers if plan.layer_of(name) is not None]

    def candidates(self, role: str, file: str) -> list[Stored]:
        """The tensors that could play a part: those of the file first, with as many axes as the part has."""
        axes = len(ROLES[role].axes)
        found = [
            Stored(name, (), "" if other == file else other)
            for other in dict.fromkeys((file, *self.headers))
            for name, info in self.headers[other].items()
            if info.dtype in FLOATS and (len(info.shape) == axes or (role == "threshold" and info.shape == ()))
        ]
        return found[:_MOST_LISTED]

    def shape(self, stored: Stored, file: str) -> tuple[int, ...]:
        """The shape of a tensor."""
        info = self.headers.get(stored.file or file, {}).get(stored.name)
        return info.shape if info is not None else ()

    def axes(self, plan: TensorMap, role: str, file: str) -> tuple[str, ...]:
        """Which axis of a part is which, () while that is open."""
        known = resolved(plan, self.headers, file).get(role)
        return known.axes if known is not None else ()

    def open_axes(self, plan: TensorMap, role: str, file: str) -> bool:
        """Whether the shapes leave a part's axes open, so that a person must say."""
        bare = {name: stored._replace(axes=()) if name == role else stored for name, stored in plan.tensors.items()}
        return role in bare and len(ROLES[role].axes) == 2 and not self.axes(replace(plan, tensors=bare), role, file)

    def faults(self, plan: TensorMap, file: str) -> list[str]:
        """Why a map makes no SAE yet."""
        return faults(plan, self.headers, file)


def draw_up(path: Path) -> MapDraft:
    """Look at the tensors at `path`, for the disk pool.

    Raises:
        UserError: There are none that can be read.
    """
    folder = Folder(path)
    headers = tensor_headers(folder)
    if not headers:
        raise UserError(
            f"{path} holds no tensors that can be read.", "Choose a .safetensors, .npz, .pt, .pth or .bin file."
        )
    writable = os.access(folder.path, os.W_OK)
    return MapDraft(folder.path, headers, guess(folder, headers), writable, MAP in folder.names)


def write_map(folder: Path, plan: TensorMap) -> Path:
    """Write `semascope-map.json` beside the tensors, whole or not at all; the file.

    Raises:
        UserError: It can't be written.
    """
    path = folder / MAP
    try:
        with atomic_file(path) as beside:
            beside.write_text(json.dumps(plan.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, f"write {path}") from error
    return path


def for_one(plan: TensorMap, file: str) -> TensorMap:
    """The map for one file alone."""
    layer = plan.layer_of(file) or ""
    return replace(
        plan,
        weights=file,
        hook=plan.hook.replace(LAYER, str(int(layer)) if layer else LAYER),
        hook_out=plan.hook_out.replace(LAYER, str(int(layer)) if layer else LAYER),
    )
