"""The seven classes of dictionary_learning: their tensors, and how each computes (the formulas are in `dictionary_learning`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from semascope.core.foreign.headers import TensorInfo
from semascope.core.saes.formats.layout import Stored, Table
from semascope.core.saes.formats.torch_weights import prefix_of

if TYPE_CHECKING:
    from torch import Tensor


def _linear(b_dec: str, encoder_bias: str = "encoder.bias") -> Table:
    """Tensors of modules: weights are (out, in)."""
    return {
        "W_enc": Stored("encoder.weight", ("m", "d_in")),
        **({"b_enc": Stored(encoder_bias, ("m",))} if encoder_bias else {}),
        "W_dec": Stored("decoder.weight", ("d_in", "m")),
        "b_dec": Stored(b_dec, ("d_in",)),
    }


_GATES = {ours: Stored(name, ("m",)) for ours, name in
          (("b_gate", "gate_bias"), ("r_mag", "r_mag"), ("b_mag", "mag_bias"))}  # fmt: skip
_PLAIN: Table = {
    "W_enc": Stored("W_enc", ("d_in", "m")),
    "b_enc": Stored("b_enc", ("m",)),
    "W_dec": Stored("W_dec", ("m", "d_in")),
    "b_dec": Stored("b_dec", ("d_in",)),
}


class DictionaryClass(NamedTuple):
    """One class of the library.

    Attributes:
        activation: One of `config.ACTIVATIONS`; "threshold" is a JumpReLU whose one threshold may be unset.
        subtracts: Whether b_dec is subtracted first.
        table: Its tensors.
        others: Names of further tensors that tell it from other classes.
    """

    activation: str
    subtracts: bool
    table: Table
    others: tuple[str, ...] = ()


CLASSES = {
    "MatryoshkaBatchTopKSAE": DictionaryClass("threshold", True, _PLAIN, ("group_sizes",)),
    "GatedAutoEncoder": DictionaryClass("gated", True, {**_linear("decoder_bias", ""), **_GATES}),
    "JumpReluAutoEncoder": DictionaryClass("jumprelu", False, {**_PLAIN, "threshold": Stored("threshold", ("m",))}),
    "BatchTopKSAE": DictionaryClass("threshold", True, _linear("b_dec")),
    "AutoEncoderTopK": DictionaryClass("topk", True, _linear("b_dec")),
    "AutoEncoder": DictionaryClass("relu", True, _linear("bias")),
    "AutoEncoderNew": DictionaryClass("relu", False, _linear("decoder.bias")),
}
"""By name, those with more tensors of their own before those with fewer."""

NORMALISER: Table = {
    "activation_mean": Stored("activation_mean", ("d_in",)),
    "activation_std": Stored("activation_std", ("d_in",)),
    "activation_global_scale": Stored("activation_global_scale", ()),
}
"""What a BatchTopKSAE of jkminder's fork has besides; mean and deviation are NaN where nothing is normalised."""


def fold_normaliser(tensors: dict[str, Tensor]) -> None:
    """Make weights for (x − mean) · s, as jkminder's fork has them, into weights for x: they give the same features."""
    mean, deviation = tensors.pop("activation_mean"), tensors.pop("activation_std")
    scale = tensors.pop("activation_global_scale")
    if bool(mean.isnan().any() or deviation.isnan().any()):
        return
    tensors["W_enc"] = tensors["W_enc"] * scale
    tensors["W_dec"] = tensors["W_dec"] / (scale + 1e-8)
    tensors["b_dec"] = tensors["b_dec"] / (scale + 1e-8) + mean  # of input and output, b_dec is subtracted before W_enc


def classes_of(tensors: Mapping[str, TensorInfo]) -> tuple[tuple[str, ...], str]:
    """The classes that have exactly these tensors, and what stands before their names."""
    for kind in CLASSES.values():
        wanted = [stored.name for stored in kind.table.values()] + list(kind.others)
        prefix = prefix_of(tensors, wanted)
        if prefix is not None and len(tensors[prefix + wanted[0]].shape) == 2:
            alike = [other for other, its in CLASSES.items() if (its.table, its.others) == (kind.table, kind.others)]
            return tuple(alike), prefix
    return (), ""
