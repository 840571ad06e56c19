"""Which tensor of some unknown files is which part of an SAE, as a person says it: `semascope-map.json`, and a first guess.

    {"format": "semascope-map", "version": 1, "weights": "weights.pt",
     "tensors": {"W_enc": {"name": "encoder.weight", "axes": ["m", "d_in"]}, "b_enc": "encoder.bias",
                 "W_dec": {"name": "decoder.weight", "axes": ["d_out", "m"]}, "b_dec": "decoder.bias"},
     "activation": "topk", "k": 64, "subtract_b_dec": true, "hook": "resid_post.8", "model": "gpt2"}

A tensor is its name, with its axes where its shape leaves them open (m features, d_in and d_out values) and its file where
that is another. `weights` may be a name with {layer} in it, which then stands in for the layer in `hook` too: one map for a
file of each layer. What such a map makes of a folder is in `formats.mapped`. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.saes.config import NORMALISATIONS, PROCESSINGS
from semascope.core.saes.formats.layout import Stored

MAP = "semascope-map.json"
FORMAT = "semascope-map"
VERSION = 1
LAYER = "{layer}"


class Role(NamedTuple):
    """A part that a tensor can play.

    Attributes:
        axes: Its axes, as `SAE` takes them.
        words: What it is.
        names: A pattern of names that it usually has, in lower case.
    """

    axes: tuple[str, ...]
    words: str
    names: str


ROLES: Mapping[str, Role] = {
    "W_enc": Role(("d_in", "m"), "encoder", r"(w_?enc|w_?e|encoder(_linear)?(\.0)?\.weight|enc\.weight|encoder|enc)"),
    "b_enc": Role(("m",), "encoder bias", r"(b_?enc|b_?e|encoder(_linear)?(\.0)?\.bias|enc\.bias|latent_bias|enc(oder)?_bias)"),
    "W_dec": Role(("m", "d_out"), "decoder", r"(w_?dec|w_?d|decoder(_linear)?(\.0)?\.weight|dec\.weight|decoder|dec|dictionary)"),
    "b_dec": Role(("d_out",), "decoder bias", r"(b_?dec|b_?d|decoder(_linear)?(\.0)?\.bias|dec\.bias|dec_bias|decoder_bias|bias)"),
    "b_pre": Role(("d_in",), "subtracted before the encoder", r"(b_?pre|pre_bias|input_bias|center|mean)"),
    "threshold": Role(("m",), "thresholds", r"(threshold|thresholds|theta|.*\.threshold)"),
    "log_threshold": Role(("m",), "logarithms of thresholds", r"(log_.*threshold|.*\.log_threshold)"),
    "b_gate": Role(("m",), "gate's bias", r"(b_?gate|gate_bias|gate\.bias)"),
    "r_mag": Role(("m",), "logarithms of the magnitudes' factors", r"(r_?mag)"),
    "b_mag": Role(("m",), "magnitudes' bias", r"(b_?mag|mag_bias|mag\.bias)"),
    "W_skip": Role(("d_in", "d_out"), "skip connection", r"(w_?skip|skip|affine_skip_connection|skip\.weight)"),
}  # fmt: skip
"""Every part, by our names."""

ACTIVATIONS: Mapping[str, str] = {
    "relu": "ReLU",
    "jumprelu": "JumpReLU",
    "topk": "TopK",
    "abstopk": "TopK of magnitudes, signs kept",
    "gated": "Gated",
    "tanh_relu": "tanh of ReLU",
    "groupmax": "the largest of each of k groups",
}
"""The activation functions to choose from, and what they are called."""

TOPS = frozenset({"topk", "abstopk", "groupmax"})
"""Those that need a k."""


@dataclass(frozen=True)
class TensorMap:
    """What a person says about the tensors of a folder.

    Attributes:
        weights: The file that holds them, or a name with {layer} in place of each file's number.
        tensors: Our names, and what is stored where; axes are () where the shape says enough.
        activation: One of `ACTIVATIONS`.
        k: How many features a top-k keeps for each token.
        rectify: Whether a top-k sets the negative ones among them to zero.
        threshold: One threshold for all features of a JumpReLU, where no tensor gives theirs.
        tied: The encoder is the decoder turned round, or the decoder the encoder.
        subtract_b_dec: Whether b_dec is subtracted before the encoder.
        normalize: One of `config.NORMALISATIONS`.
        processing: One of `config.PROCESSINGS`.
        scale: Activations are multiplied by this first.
        hook: Where it reads, as text, or ""; may hold {layer}.
        hook_out: Where a transcoder's output belongs, or "".
        model: The model's name, or "".
        prepend_bos: Whether a BOS belongs before each context; None when nobody knows.
        l0: The mean number of active features that its makers state.
    """

    weights: str
    tensors: Mapping[str, Stored] = field(default_factory=dict)
    activation: str = "relu"
    k: int | None = None
    rectify: bool = True
    threshold: float | None = None
    tied: bool = False
    subtract_b_dec: bool = False
    normalize: str = "none"
    processing: str = "raw"
    scale: float = 1.0
    hook: str = ""
    hook_out: str = ""
    model: str = ""
    prepend_bos: bool | None = None
    l0: float | None = None

    def to_json(self) -> dict[str, Any]:
        """What `semascope-map.json` holds; what is as usual is left out."""
        usual = TensorMap(self.weights)
        names = [name for name in vars(usual) if name not in ("weights", "tensors")]
        said = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(usual, name)}
        tensors = {role: _entry(stored) for role, stored in self.tensors.items()}
        return {"format": FORMAT, "version": VERSION, "weights": self.weights, "tensors": tensors, **said}

    @classmethod
    def from_fields(cls, record: Fields) -> TensorMap:
        """The map in a JSON object.

        Raises:
            UserError: It is none, or says what can't be.
        """
        if record.text("format") != FORMAT:
            raise UserError(f"{record.source} is not a map of tensors: its format is not “{FORMAT}”.")
        if record.whole("version") != VERSION:
            raise UserError(
                f"{record.source} is a map of version {record.whole('version')}, of which this program knows nothing.",
                "Open it with a later Semascope.",
            )
        found = cls(
            weights=record.text("weights"),
            tensors=dict(_tensors(record.section("tensors"))),
            activation=record.text("activation", "relu"),
            k=record.whole("k"),
            rectify=record.flag("rectify", True),
            threshold=record.number("threshold", 0.0) if "threshold" in record else None,
            tied=record.flag("tied", False),
            subtract_b_dec=record.flag("subtract_b_dec", False),
            normalize=record.text("normalize", "none"),
            processing=record.text("processing", "raw"),
            scale=record.number("scale", 1.0),
            hook=record.text("hook"),
            hook_out=record.text("hook_out"),
            model=record.text("model"),
            prepend_bos=record.maybe_flag("prepend_bos"),
            l0=record.number("l0", 0.0) if "l0" in record else None,
        )
        for name, value, known in (
            ("activation", found.activation, ACTIVATIONS),
            ("normalize", found.normalize, NORMALISATIONS),
            ("processing", found.processing, PROCESSINGS),
        ):
            if value not in known:
                raise UserError(
                    f"{record.source} says {name} is “{value[:40]}”, which is not known.",
                    f"One of {', '.join(known)}.",
                )
        if not 0 < found.scale < float("inf"):
            raise UserError(f"{record.source} says scale is {found.scale}.", "Give a number above 0.")
        return found

    def layer_of(self, file: str) -> str | None:
        """The number in a file's name where `weights` has {layer}; "" where it is this very file; None for another."""
        if LAYER not in self.weights:
            return "" if file == self.weights else None
        before, _, after = self.weights.partition(LAYER)
        match = re.fullmatch(f"{re.escape(before)}(\\d{{1,4}}){re.escape(after)}", file)
        return match[1] if match else None


def _entry(stored: Stored) -> str | dict[str, Any]:
    if not stored.axes and not stored.file:
        return stored.name
    whole = {"name": stored.name, "axes": list(stored.axes), "file": stored.file}
    return {name: value for name, value in whole.items() if value}


def _tensors(section: Fields) -> Iterator[tuple[str, Stored]]:
    for role, entry in section.content.items():
        if role not in ROLES:
            raise UserError(f"{section.source} names a part “{role[:40]}”.", f"Parts are {', '.join(ROLES)}.")
        if isinstance(entry, str):
            yield role, Stored(section.text(role), ())
            continue
        one = section.section(role)
        axes = one.content.get("axes", [])
        if not isinstance(axes, list) or (axes and sorted(map(str, axes)) != sorted(ROLES[role].axes)):
            raise UserError(
                f"{one.source} has axes that its part can't have.", f"Those of {role}: {', '.join(ROLES[role].axes)}."
            )
        yield role, Stored(one.text("name"), tuple(axes), one.text("file"))
