"""What an SAE is, as far as its files' names, headers and settings tell: everything but the weights. Imports no torch.

`formats` fills it in, `identify` shows it, `fit` compares it with a model, `sae` computes by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from semascope.core.models.hookpoint import HookPoint

ACTIVATIONS = ("relu", "tanh_relu", "jumprelu", "gated", "topk", "abstopk", "groupmax", "matching_pursuit")


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
class SAEConfig:
    """The settings of one SAE, whatever release it came from.

    Attributes:
        format: The family whose files it was read from ("saelens", "sparsify", "gemma_scope_1", …).
        architecture: SAELens' name where it has one ("standard", "jumprelu", "skip_transcoder", …); otherwise one built the
            same way ("topk_transcoder", "groupmax").
        activation: One of `ACTIVATIONS`.
        d_in: Width of the activations read.
        d_out: Width of the reconstruction.
        d_sae: Number of features.
        hook_point: Where activations are read; None when the files don't say or the place is no hook point of ours.
        hook_out: Where the reconstruction belongs: `hook_point` itself for an SAE, another place for a transcoder.
        model_name: The model it was made for, or "".
        prepend_bos: Whether a BOS belongs before each context; None when the release doesn't say.
        k: Features kept for a token, for the top-k family.
        normalize: What happens to each activation first, in SAELens' words ("none", "layer_norm", …): see `normalise`.
        apply_b_dec_to_input: Whether b_dec is subtracted before the encoder.
        skip: Whether x̂ has a linear term x @ W_skip besides the decoded features.
        heads: Whether activations may also come as (…, heads, d_head), to be concatenated.
        pursuit: Settings of matching pursuit.
        dtype: How the weights are stored ("float32", "bfloat16", …).
        metadata: What else the release says, as it says it.
        problems: Sentences about what could not be known or looks wrong.
    """

    format: str
    architecture: str
    activation: str
    d_in: int
    d_out: int
    d_sae: int
    hook_point: HookPoint | None = None
    hook_out: HookPoint | None = None
    model_name: str = ""
    prepend_bos: bool | None = None
    k: int | None = None
    normalize: str = "none"
    apply_b_dec_to_input: bool = False
    skip: bool = False
    heads: bool = False
    pursuit: Pursuit | None = None
    dtype: str = "float32"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def is_transcoder(self) -> bool:
        """Whether it reconstructs another place's activations from those it reads."""
        return "transcoder" in self.architecture
