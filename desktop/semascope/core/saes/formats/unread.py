"""Releases that are known by sight but not read yet: recognised by names and headers, so that the refusal can name them.

A family that learns to be read moves to a module of its own and out of this table.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.saes.formats.layout import Family, Layout
from semascope.core.saes.formats.pickles import torch_strings


def _files(*names: str) -> Callable[[Folder], str]:
    """Recognise by names that must all be there."""
    return lambda folder: " and ".join(names) if folder.has(*names) else ""


def _named(pattern: str, *others: str) -> Callable[[Folder], str]:
    """Recognise by one name that matches, and others that must be there."""

    def recognise(folder: Folder) -> str:
        found = next((name for name in sorted(folder.names) if re.fullmatch(pattern, name)), None)
        return found if found and folder.has(*others) else ""

    return recognise


def _tensors(file: str, tensor: str, *others: str) -> Callable[[Folder], str]:
    """Recognise by a tensor in a .safetensors file."""

    def recognise(folder: Folder) -> str:
        return f"{tensor} in {file}" if folder.has(file, *others) and tensor in folder.header(file) else ""

    return recognise


def _setting(file: str, setting: str, *others: str) -> Callable[[Folder], str]:
    """Recognise by a setting in a JSON file."""

    def recognise(folder: Folder) -> str:
        return f"{setting} in {file}" if folder.has(file, *others) and setting in folder.json(file) else ""

    return recognise


def _pickled(*keys: str) -> Callable[[Folder], str]:
    """Recognise by the keys of a PyTorch file that is alone of its kind; it is looked at, never unpickled."""

    def recognise(folder: Folder) -> str:
        files = [name for name in folder.names if name.endswith((".pt", ".pth"))]
        name = folder.chosen if folder.chosen in files else files[0] if len(files) == 1 else None
        if name is None:
            return ""
        return f"{' and '.join(keys)} in {name}" if torch_strings(folder.file(name)).issuperset(keys) else ""

    return recognise


def _paired(folder: Folder) -> str:
    """NAME.pt beside NAME_cfg.json."""
    configs = sorted(name for name in folder.names if name.endswith("_cfg.json"))
    return next((name for name in configs if name.removesuffix("_cfg.json") + ".pt" in folder.names), "")


def _saev(folder: Folder) -> str:
    """saev writes a line of JSON before PyTorch's archive."""
    if "sae.pt" not in folder.names:
        return ""
    try:
        with folder.file("sae.pt").open("rb") as stream:
            return "sae.pt that begins with JSON" if stream.read(1) == b"{" else ""
    except OSError as error:
        raise UserError(f"sae.pt can't be read: {error.strerror}.") from error


def _not_yet(folder: Folder) -> Layout:
    raise UserError(
        f"{folder.path.name} is in a format that is not read yet.",
        "Convert it to SAELens' format, or open an SAE of another release.",
    )


_ANY = ("*.pt", "*.pth", "*.safetensors")


def _family(name: str, title: str, recognise: Callable[[Folder], str]) -> Family:
    return Family(name, title, recognise, _not_yet, files=_ANY)


FAMILIES = (
    _family("llamascopium", "llamascopium", _tensors("sae_weights.safetensors", "W_E", "config.json")),
    _family("vit_prisma", "ViT-Prisma", _setting("config.json", "hook_point_layer", "weights.pt")),
)
