"""The tensors of SAELens' folders: which there are in each architecture, and what SAELens computes beside them, folded in.

Where nothing is folded the tensors are used as they are, and can stay in the file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.layout import Stored
from semascope.core.saes.formats.temporal import attention_table

if TYPE_CHECKING:
    from torch import Tensor

_FACTORS = ("scaling_factor", "finetuning_scaling_factor")
"""A factor of each feature between its activation and the decoder: version 5 writes it by one name and reads the other."""


def tensor_table(
    activation: str, *, transcoder: bool, skip: bool, tied: bool, stored: Collection[str]
) -> dict[str, Stored]:
    """Where each tensor lies.

    Args:
        activation: One of `config.ACTIVATIONS`.
        transcoder: Whether the output has a width of its own.
        skip: Whether there is a W_skip.
        tied: Whether the encoder is the decoder transposed, and not stored.
        stored: The names in the file.
    """
    d_out = "d_out" if transcoder else "d_in"
    table = {"W_dec": Stored("W_dec", ("m", d_out)), "b_dec": Stored("b_dec", (d_out,))}
    if not tied:
        table["W_enc"] = Stored("W_enc", ("d_in", "m"))
    if activation == "temporal":
        return {**table, **attention_table(stored), **_by_feature([name for name in ("threshold",) if name in stored])}
    if activation == "matching_pursuit":
        return table
    by_feature = ["b_gate", "r_mag", "b_mag"] if activation == "gated" else ["b_enc"]
    if activation == "jumprelu" and "topk_threshold" in stored and "threshold" not in stored:
        table["topk_threshold"] = Stored("topk_threshold", ())
    elif activation == "jumprelu":
        by_feature.append("log_threshold" if "log_threshold" in stored else "threshold")
    # Besides what SAELens stores: what it has no architecture for, and `saes.save` writes.
    by_feature += [name for name in (*_FACTORS, "selection_weight", "b_glu") if name in stored]
    if "W_glu" in stored:
        table["W_glu"] = Stored("W_glu", ("d_in", "m"))
    if skip:
        table["W_skip"] = Stored("W_skip", ("d_out", "d_in"))
    return {**table, **_by_feature(by_feature)}


def _by_feature(names: Collection[str]) -> dict[str, Stored]:
    return {name: Stored(name, ("m",)) for name in names}


def fold_notes(table: Mapping[str, Stored], by_norms: bool, scale: float | None) -> list[str]:
    """What `Fold` does, in sentences."""
    notes = []
    if "log_threshold" in table:
        notes.append("It stores the logarithms of its thresholds.")
    if any(name in table for name in _FACTORS):
        notes.append("Its factor of each feature from finetuning is part of the decoder.")
    if by_norms:
        notes.append(
            "Features are selected by how much they write: the norms of the decoder's rows are part of the encoder."
        )
    if scale is not None:
        notes.append(f"The factor {scale:g} of its input, kept beside the weights, is part of them.")
    return notes


def fold(sae: SAEConfig, table: Mapping[str, Stored], *, by_norms: bool, scale: float | None) -> Fold | None:
    """The arithmetic that an SAE's tensors need, or None."""
    made = {"log_threshold", "topk_threshold", *_FACTORS} & table.keys()
    plain = not made and not by_norms and scale is None and "W_enc" in table and sae.activation != "temporal"
    return None if plain else Fold(sae, by_norms=by_norms, scale=scale)


@dataclass(frozen=True)
class Fold:
    """Folds into the weights what SAELens does beside them.

    Attributes:
        sae: What the SAE is.
        by_norms: Features are selected by p · ‖d‖ and decoded by f / ‖d‖.
        scale: Inputs are multiplied by this, outputs divided by it.
    """

    sae: SAEConfig
    by_norms: bool
    scale: float | None

    def __call__(self, tensors: dict[str, Tensor]) -> None:
        """Change `tensors`, by our names, in place of the dictionary."""
        if "log_threshold" in tensors:
            tensors["threshold"] = tensors.pop("log_threshold").exp()
        if "topk_threshold" in tensors:
            tensors["threshold"] = tensors.pop("topk_threshold").expand(self.sae.d_sae)
        for name in _FACTORS:
            if name in tensors:
                tensors["W_dec"] = tensors["W_dec"] * tensors.pop(name)[:, None]
        if "W_enc" not in tensors:
            self._tie(tensors)
        elif self.scale is not None:
            tensors["W_enc"] = tensors["W_enc"] * self.scale
            tensors["W_dec"] = tensors["W_dec"] / self.scale
            tensors["b_dec"] = tensors["b_dec"] / self.scale
            if self.by_norms and "threshold" in tensors:  # in units of p · ‖d‖, which the scale has just divided
                tensors["threshold"] = tensors["threshold"] / self.scale
        if self.by_norms:
            norms = tensors["W_dec"].norm(dim=-1).clamp_min(1e-30)
            tensors["W_enc"] = tensors["W_enc"] * norms
            tensors["b_enc"] = tensors["b_enc"] * norms
            tensors["W_dec"] = tensors["W_dec"] / norms[:, None]

    def _tie(self, tensors: dict[str, Tensor]) -> None:
        """The encoder of a tied dictionary; its bias is added again only where it was subtracted."""
        if not self.sae.apply_b_dec_to_input:
            tensors["b_dec"] = tensors["b_dec"] * 0.0
        if self.scale is not None:  # encoder times the scale, decoder divided by it: both stay as they are
            tensors["b_dec"] = tensors["b_dec"] / self.scale
        tensors["W_enc"] = tensors["W_dec"].T
