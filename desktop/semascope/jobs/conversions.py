"""Requests about SAEs that end in files or are not open yet: converting one to SAELens, and checking a map of tensors.

Like those of `requests`, answered by the engine on its lane; the work is `core`'s.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.progress import Progress
from semascope.core.saes.tensor_map import TensorMap
from semascope.jobs.requests import Request

if TYPE_CHECKING:
    from semascope.core.models.model import LanguageModel
    from semascope.core.saes.checked import Check
    from semascope.core.saes.sae import SAE


@dataclass(frozen=True)
class Mapped:
    """An SAE as a map of tensors makes it, whether or not the map is written down.

    Attributes:
        folder: Where the tensors lie.
        file: Which file, where the map is about several.
        plan: The map.
    """

    folder: Path
    file: str
    plan: TensorMap


@dataclass(frozen=True)
class ConvertSAE(Request):
    """Write an SAE as a SAELens folder → the folder's `Path`.

    Attributes:
        out: A new or empty folder.
        sae: Fingerprint of an open SAE; "" for the current one.
        mapped: The SAE that a map makes, in place of an open one.
        dtype: "float32", "bfloat16" or "float16"; "" as it is stored where that loses nothing.
    """

    long: ClassVar[bool] = True
    out: Path
    sae: str = ""
    mapped: Mapped | None = None
    dtype: str = ""

    @property
    def title(self) -> str:
        return f"Convert to {Path(self.out).name}"


@dataclass(frozen=True)
class CheckMapped(Request):
    """Self-check an SAE as a map of tensors makes it, on the open model → `core.saes.checked.Check`.

    Attributes:
        mapped: The map.
        corpus: Text to run the model on.
        tokens: About how many tokens.
    """

    long: ClassVar[bool] = True
    mapped: Mapped
    corpus: tuple[Path, ...]
    tokens: int = 2048

    @property
    def title(self) -> str:
        return f"Check the map of {self.mapped.file}"


def convert(request: ConvertSAE, sae: SAE | None) -> Generator[Progress, None, Path]:
    """Answer `ConvertSAE`; `sae` is the open one that it means, None where it brings a map."""
    from semascope.core.saes.save import save_saelens

    yield Progress(0, 2, note="reading the weights")
    source = sae if sae is not None else open_mapped(request.mapped, "cpu")
    yield Progress(1, 2, note=f"writing {Path(request.out).name}")
    save_saelens(source, Path(request.out), **({"dtype": request.dtype} if request.dtype else {}))
    return Path(request.out)


def check_mapped(request: CheckMapped, model: LanguageModel | None) -> Generator[Progress, None, Check]:
    """Answer `CheckMapped` on `model`.

    Raises:
        UserError: No model is open, or the map makes no SAE.
    """
    from semascope.core.saes.check import self_check

    if model is None:
        raise UserError("No model is open.", "Open a model first.")
    yield Progress(0, note="reading the weights")
    sae = open_mapped(request.mapped, str(model.device))
    return (yield from self_check(model, sae, request.corpus, tokens=request.tokens))


def open_mapped(mapped: Mapped | None, device: str) -> SAE:
    """The SAE that a map makes.

    Raises:
        UserError: It makes none.
    """
    from semascope.core.saes.formats.mapped import mapped_layout
    from semascope.core.saes.opening import open_layout

    if mapped is None:
        raise UserError("No SAE is open.", "Open an SAE first.")
    folder = Folder(mapped.folder)
    return open_layout(mapped_layout(folder, mapped.plan, mapped.file), mapped.folder / mapped.file, device)
