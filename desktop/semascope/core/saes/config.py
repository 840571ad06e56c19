"""What an SAE is, as far as its files' names, headers and settings tell: everything but the weights. Imports no torch.

`formats` fills it in, `identify` shows it, `fit` compares it with a model, `sae` computes by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from semascope.core.models.hookpoint import HookPoint, Hooks

ACTIVATIONS = ("relu", "tanh_relu", "jumprelu", "gated", "topk", "abstopk", "groupmax", "matching_pursuit", "temporal")

NORMALISATIONS = ("none", "expected_average_only_in", "constant_norm_rescale", "layer_norm")
"""What can happen to each activation before the encoder, in SAELens' words: see `normalise`."""

Processing = Literal["raw", "centred", "folded"]
PROCESSINGS: dict[str, str] = {
    "raw": "as the model computes them",
    "centred": "with their mean over the width taken off, as TransformerLens' centred writing weights give them",
    "folded": "as TransformerLens gives them by default: centred, and hook_z without its value biases",
}
"""In what form activations were recorded (`formats.md`, section 6)."""

Kind = Literal["sae", "transcoder", "transcoder_set", "cross_layer_transcoder", "crosscoder"]


@dataclass(frozen=True)
class Pursuit:
    """When matching pursuit stops adding features to a token.

    Attributes:
        iterations: At most so many steps.
        residual: Stop when the residual's norm is below this; 0 never stops.
        on_repeat: Stop when a step added no new feature.
    """

    iterations: int
    residual: float
    on_repeat: bool


@dataclass(frozen=True)
class Temporal:
    """How a temporal SAE predicts a token from those before it.

    Attributes:
        heads: Heads of its attention.
        factor: Activations are multiplied by this first, what is decoded is divided by it.
        tied: Whether the encoder is the decoder transposed, and not stored.
        weights: How many numbers the matrices of its attention have.
    """

    heads: int
    factor: float
    tied: bool
    weights: int = 0


@dataclass(frozen=True)
class SAEConfig:
    """The settings of one SAE, whatever release it came from.

    Attributes:
        format: The family whose files it was read from ("saelens", "sparsify", "gemma_scope_1", …).
        architecture: SAELens' name where it has one ("standard", "jumprelu", "skip_transcoder", …); otherwise one built the
            same way ("topk_transcoder", "groupmax", "jumprelu_cross_layer_transcoder").
        activation: One of `ACTIVATIONS`.
        d_in: Width of the activations read; at each hook point, where it reads several.
        d_out: Width of the reconstruction; at each hook point, where it writes several.
        d_sae: Number of features; of each encoder, where it has several (of the largest, where they differ).
        kind: One encoder and one decoder ("sae", "transcoder"); a transcoder for each of several layers
            ("transcoder_set"), which may write to all later ones too ("cross_layer_transcoder"); or one set of features
            read from and written to several places ("crosscoder").
        encoders: How many encoders it has: one for each hook point of a set or cross-layer transcoder, else 1.
        places: How many hook points it reads, also where the files don't say which.
        reads: Where activations are read, () when the files don't say or the place is no hook point of ours.
        writes: Where the reconstruction belongs: `reads` for an SAE, other places for a transcoder.
        model_name: The model it was made for, or "".
        prepend_bos: Whether a BOS belongs before each context; None when the release doesn't say.
        mask_first: How many positions at the start of a context its makers left out, besides special tokens.
        mask_ids: Token ids that its makers left out, besides special tokens.
        k: Features kept for a token, for the top-k family.
        rectify: Whether a top-k sets the negative ones among the kept to zero.
        normalize: What happens to each activation first, one of `NORMALISATIONS`.
        denormalize: Whether that is undone to a transcoder's output too, skip included; to an SAE's it always is.
        processing: In what form it takes activations, one of `PROCESSINGS`; the pairing with a model sees to that
            (`saes.fitted`), `SAE.encode` takes them in this form.
        scale: A factor of the input that the weights do not contain; outputs are divided by it. Like `processing`.
        threshold_factor: What the thresholds of the weights are multiplied by; 1 unless a person's reading says so.
        apply_b_dec_to_input: Whether b_dec is subtracted before the encoder.
        skip: Whether x̂ has a linear term x @ W_skip besides the decoded features.
        heads: Whether activations may also come as (…, heads, d_head), to be concatenated.
        head: The one attention head it reads, of an `attn_z` hook point; None for all.
        pursuit: Settings of matching pursuit.
        temporal: Settings of a temporal SAE.
        l0: The mean number of active features its makers state, or None.
        dtype: How the weights are stored ("float32", "bfloat16", …).
        metadata: What else the release says, as it says it.
        notes: Sentences about how it is read that a person should know, although nothing is wrong.
        problems: Sentences about what could not be known or looks wrong.
    """

    format: str
    architecture: str
    activation: str
    d_in: int
    d_out: int
    d_sae: int
    kind: Kind = "sae"
    encoders: int = 1
    places: int = 1
    reads: Hooks = ()
    writes: Hooks = ()
    model_name: str = ""
    prepend_bos: bool | None = None
    mask_first: int = 0
    mask_ids: tuple[int, ...] = ()
    k: int | None = None
    rectify: bool = True
    normalize: str = "none"
    denormalize: bool = False
    processing: Processing = "raw"
    scale: float = 1.0
    threshold_factor: float = 1.0
    apply_b_dec_to_input: bool = False
    skip: bool = False
    heads: bool = False
    head: int | None = None
    pursuit: Pursuit | None = None
    temporal: Temporal | None = None
    l0: float | None = None
    dtype: str = "float32"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def is_transcoder(self) -> bool:
        """Whether it reconstructs another place's activations from those it reads."""
        return self.kind in ("transcoder", "transcoder_set", "cross_layer_transcoder")

    @property
    def hook_point(self) -> HookPoint | None:
        """Where it reads; the first place of several."""
        return self.reads[0] if self.reads else None

    @property
    def hook_out(self) -> HookPoint | None:
        """Where its output belongs; the first place of several."""
        return self.writes[0] if self.writes else None

    @property
    def features(self) -> int:
        """All features, over all encoders: what a list of features counts, and ids run up to."""
        return self.d_sae * self.encoders

    @property
    def width_in(self) -> int:
        """The width of what it reads in all: activations of several hook points stand side by side."""
        return self.d_in * self.places
