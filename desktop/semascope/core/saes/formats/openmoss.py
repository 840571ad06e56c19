"""What the three generations of OpenMOSS' dictionaries have in common: Llama Scope, its R1 successor, llamascopium.

All are trained on activations scaled to a mean norm of √d, with a factor each for what they read and what they write, and
may select features by what they write: by p · ‖d‖. The factors are folded into the weights here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.saes.formats.scalars import scalar

if TYPE_CHECKING:
    from torch import Tensor

ByNorms = Literal["", "rescaled", "selected"]
"""How the norms of the decoder's rows count: not at all; f is p · ‖d‖ and rows have unit norm; only whether f is there."""

CHECKPOINTS = (
    "sae_weights.safetensors",
    "sae_weights.pt",
    "checkpoints/pruned.safetensors",
    "checkpoints/pruned.pt",
    "checkpoints/final.safetensors",
    "checkpoints/final.pt",
)
"""Where the weights may be, in the order in which the libraries look."""

ACTIVATIONS = {"relu": "relu", "jumprelu": "jumprelu", "topk": "topk", "batchtopk": "topk"}


class Scales(NamedTuple):
    """How activations are scaled.

    Attributes:
        read: By what those that are read are multiplied.
        written: By what those that are written were.
        normalize: As in `SAEConfig`.
        notes: Sentences about it.
        problems: What could not be known of it.
    """

    read: float = 1.0
    written: float = 1.0
    normalize: str = "none"
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def above_checkpoints(folder: Folder) -> bool:
    """Whether the folder above has the settings of what lies in this one, its checkpoints."""
    return folder.path.name == "checkpoints" and any(
        (folder.path.parent / name).is_file() for name in ("hyperparams.json", "config.json")
    )


def home(folder: Folder, config: str) -> Folder:
    """The folder with the settings: this one, or the one above a folder of checkpoints that a file was chosen in."""
    if folder.chosen is not None and folder.path.name == "checkpoints" and config not in folder.names:
        above = Folder(folder.path.parent)
        return above if config in above.names else folder
    return folder


def checkpoint(folder: Folder, chosen: str | None = None) -> str:
    """The file with the weights, or "" when there is none; `chosen` is the one that was asked for."""
    names = [name for name in CHECKPOINTS if chosen is None or name.rsplit("/", 1)[-1] == chosen]
    return next((name for name in names if (folder.path / name).is_file()), "")


def prefix(folder: Folder, file: str) -> str:
    """What stands before the names of tensors: a checkpoint of torch.save keeps them under "sae"."""
    return "sae." if file.endswith(".pt") and all(name.startswith("sae.") for name in folder.header(file)) else ""


def scales(mode: str, width: int, norms: Sequence[float | None], *, transcoder: bool) -> Scales:
    """How activations are scaled.

    Args:
        mode: `norm_activation` of the settings.
        width: d.
        norms: The mean norms of what is read and what is written, None where they are not known.
        transcoder: Whether the two are different places.
    """
    if mode == "dataset-wise":
        known = [norm for norm in norms if norm is not None and math.isfinite(norm) and norm > 0]
        if len(known) == len(norms):
            read, written = width**0.5 / known[0], width**0.5 / known[-1]
            note = f"Its inputs are multiplied by {read:.6g}, √d over their mean norm; that is part of the weights."
            return Scales(read, written, notes=(note,))
        return Scales(problems=(
            "It was trained on activations scaled to a mean norm of √d, and the mean norms are missing: give a scale of √d"
            " over the mean norm of the activations.",
        ))  # fmt: skip
    if mode == "token-wise":
        notes = ("Every activation is scaled to the norm √d first.",)
        unscaled = ("What it writes was scaled to the norm √d, token by token, and stays so.",) if transcoder else ()
        return Scales(normalize="constant_norm_rescale", notes=notes, problems=unscaled)
    if mode == "batch-wise":
        return Scales(problems=(
            "Its inputs were scaled by the mean norm of each batch in training: give a scale of √d over the mean norm of the"
            " activations.",
        ))  # fmt: skip
    return Scales()  # "inference", "none": the weights contain the scale, or there never was one


def mean_norm(folder: Folder, file: str, config: Fields, hook: str, side: str) -> float | None:
    """The mean norm of activations at a place, from the tensors or the settings; None where neither says it."""
    name = f"dataset_average_activation_norm.{hook}"
    for stored in (name, f"sae.{name}"):
        if (norm := scalar(folder, file, stored)) is not None:
            return norm
    said = config.content.get("dataset_average_activation_norm")
    norms = Fields(said if isinstance(said, dict) else {}, config.source)
    key = next((key for key in (hook, side) if key in norms), None)
    return None if key is None else norms.number(key, 0.0)


def activation(config: Fields, names: Sequence[str] = tuple(ACTIVATIONS)) -> tuple[str, str]:
    """The activation, by our name and by the settings'.

    Raises:
        UserError: It is not among `names`.
    """
    said = config.text("act_fn", "relu").lower()
    if said not in names:
        raise UserError(f"{config.source} names the activation function “{said[:40]}”, which is not known.")
    return ACTIVATIONS[said], said


@dataclass(frozen=True)
class Fold:
    """Folds the factors into the weights.

    Attributes:
        read: Inputs are multiplied by this.
        written: Outputs are divided by this.
        raw: Whether f is in units of raw activations, and not of scaled ones.
        by_norms: How the norms of the decoder's rows count.
        threshold: One threshold for all features, where it is in the settings.
        threshold_by_norms: Whether a threshold is one of p · ‖d‖.
    """

    read: float = 1.0
    written: float = 1.0
    raw: bool = True
    by_norms: ByNorms = ""
    threshold: float | None = None
    threshold_by_norms: bool = False

    def __call__(self, tensors: dict[str, Tensor]) -> None:
        """Change `tensors`, by our names, in place of the dictionary."""
        import torch

        norms = tensors["W_dec"].norm(dim=-1)
        if "log_threshold" in tensors:
            tensors["threshold"] = tensors.pop("log_threshold").exp()
        if self.threshold is not None:
            tensors["threshold"] = torch.full_like(norms, self.threshold)
        if self.threshold_by_norms:
            tensors["threshold"] = tensors["threshold"] / norms
        if self.raw:
            tensors["b_enc"] = tensors["b_enc"] / self.read
        else:
            tensors["W_enc"] = tensors["W_enc"] * self.read
        if "W_glu" in tensors:
            tensors["W_glu"] = tensors["W_glu"] * self.read
        tensors["W_dec"] = tensors["W_dec"] * ((self.read if self.raw else 1.0) / self.written)
        bias = tensors.get("b_dec")
        tensors["b_dec"] = (
            tensors["W_dec"].new_zeros(tensors["W_dec"].shape[1]) if bias is None else bias / self.written
        )
        if self.by_norms == "selected":
            tensors["selection_weight"] = norms
        elif self.by_norms == "rescaled":
            norms = tensors["W_dec"].norm(dim=-1).clamp_min(1e-30)
            tensors["W_enc"] = tensors["W_enc"] * norms
            tensors["b_enc"] = tensors["b_enc"] * norms
            tensors["W_dec"] = tensors["W_dec"] / norms[:, None]
