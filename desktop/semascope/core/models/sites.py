"""Where a hook point lies within one transformer block: a module, and the side of it.

The families of transformers differ in names and in a few facts that matter, all found by structure:

- Gemma 2 and later, GLM 4 and OLMo 2 norm what attention and MLP give before it is added to the residual stream; vision
  models may scale it instead. What is added is then the output of that norm or scale.
- `post_attention_layernorm` is the MLP's norm in Llama and the norm behind attention in Gemma 2.
- GPT-NeoX's attention and MLP may read the same residual stream, so that nothing lies between the two.

A block in which a place is missing, or does not mean what its name says, is refused rather than guessed at.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import HookPoint

ATTENTION = ("self_attn", "attn", "attention", "linear_attn")
MLP = ("mlp", "feed_forward", "block_sparse_moe")
_ATTENTION_OUT = ("o_proj", "c_proj", "dense", "out_proj", "proj", "projection_layer")
_MLP_OUT = ("down_proj", "c_proj", "dense_4h_to_h", "fc2", "linear_fc2", "fc_out", "w2")
_ATTENTION_NORM = ("input_layernorm", "ln_1", "layer_norm1", "norm1", "layernorm_before", "attention_norm")
_MLP_NORM = ("pre_feedforward_layernorm", "ln_2", "layer_norm2", "norm2", "layernorm_after", "ffn_norm")
_BEHIND_ATTENTION = ("post_self_attn_layernorm", "layer_scale1")
_BEHIND_MLP = ("post_feedforward_layernorm", "post_mlp_layernorm", "layer_scale2")
_SCALES = ("residual_multiplier", "lambda_1", "lambda_2", "laurel")
"""What a block does to its additions outside any module, where no hook sees it."""


@dataclass(frozen=True)
class Tap:
    """A module and where at it a hook point lies: its input, its output, or a norm's input without its gain and bias.

    Attributes:
        module, side: Where.
        kept: Whether the block keeps the very tensor that it hands the module, and adds to it behind the module.
    """

    module: nn.Module
    side: Literal["input", "output", "normalised"]
    kept: bool = False


def tap_in(block: nn.Module, hook: HookPoint) -> Tap:
    """Where `hook` lies in its block.

    Raises:
        UserError: There is no such place in this block.
    """
    # What a module gives and what is added are one place where no norm lies between: then "raw" is right for both.
    if hook.normed and ((hook.normed.endswith("_raw") and hook.site.endswith("_out")) or _norms_additions(block)):
        hook = HookPoint(hook.normed, hook.layer, hook.tower)
    if hook.site == "resid_pre":
        return Tap(block, "input")
    if hook.site == "resid_post":
        return Tap(block, "output")
    if hook.site == "resid_mid":
        return _between(block, hook)
    if hook.site.startswith("attn_"):
        return _of_attention(block, hook)
    if hook.site.startswith("mlp_"):
        return _of_mlp(block, hook)
    raise _absent(hook)


def attention_norm(block: nn.Module) -> nn.Module | None:
    """The norm whose output the attention is given, or None."""
    return _first(block, _ATTENTION_NORM)


def attention_of(block: nn.Module) -> nn.Module | None:
    """The module that mixes tokens, or None."""
    return _first(block, ATTENTION)


def core_of(attention: nn.Module) -> nn.Module:
    """Where an attention's projections are: GPT-Neo's has another one inside."""
    inner = getattr(attention, "attention", None)
    return inner if isinstance(inner, nn.Module) else attention


def input_width(projection: nn.Module) -> int:
    """The number of values that an output projection is given."""
    weight: Tensor = projection.weight  # type: ignore[assignment]
    # GPT-2's Conv1D stores (in, out), a Linear (out, in); a square matrix settles the matter by itself.
    return int(weight.shape[0] if type(projection).__name__ == "Conv1D" else weight.shape[1])


def is_block(module: nn.Module) -> bool:
    """Whether a module has an attention and an MLP."""
    return attention_of(module) is not None and _first(module, MLP) is not None


def _of_attention(block: nn.Module, hook: HookPoint) -> Tap:
    attention = attention_of(block)
    if attention is None:
        raise _absent(hook)
    if hook.site == "attn_in":
        return Tap(attention, "input")
    if hook.site == "attn_norm":
        return Tap(_existing(attention_norm(block), hook), "normalised")
    if hook.site == "attn_z":
        return Tap(_existing(_first(core_of(attention), _ATTENTION_OUT), hook), "input")
    if hook.site == "attn_raw":
        return Tap(attention, "output")
    _refuse_scaled(block, hook)
    names = (*_BEHIND_ATTENTION, *(["post_attention_layernorm"] if _norms_additions(block) else []))
    return Tap(_first(block, names) or attention, "output")


def _of_mlp(block: nn.Module, hook: HookPoint) -> Tap:
    mlp = _first(block, MLP)
    if mlp is None:
        raise _absent(hook)
    if hook.site == "mlp_in":
        return Tap(mlp, "input")
    if hook.site == "mlp_norm":
        return Tap(_existing(_mlp_norm(block), hook), "normalised")
    if hook.site == "mlp_act":
        projection = _first(mlp, _MLP_OUT)
        if projection is None and hasattr(mlp, "experts"):
            raise UserError(
                f"The MLP of layer {hook.layer} is a mixture of experts: its neurons are no one activation.",
                "Choose mlp_in or mlp_out.",
            )
        return Tap(_existing(projection, hook), "input")
    if "residual" in inspect.signature(mlp.forward).parameters:
        raise _absent(hook)  # BLOOM's MLP is given the residual stream too, and gives the sum
    if hook.site == "mlp_raw":
        return Tap(mlp, "output")
    _refuse_scaled(block, hook)
    return Tap(_first(block, _BEHIND_MLP) or mlp, "output")


def _between(block: nn.Module, hook: HookPoint) -> Tap:
    """The residual stream between attention and MLP: the input of the MLP's norm, or of an MLP without one."""
    mlp, norm = _existing(_first(block, MLP), hook), _mlp_norm(block)
    if norm is None and _norms_additions(block):
        return Tap(mlp, "input", kept=True)
    if norm is None or getattr(block, "use_parallel_residual", False):
        raise UserError(
            f"In layer {hook.layer} of this model attention and MLP read the same residual stream: there is no resid_mid.",
            "Choose resid_pre or resid_post.",
        )
    return Tap(norm, "input", kept=True)


def _mlp_norm(block: nn.Module) -> nn.Module | None:
    """The norm whose output the MLP is given, or None."""
    names = _MLP_NORM if _norms_additions(block) else (*_MLP_NORM, "post_attention_layernorm")
    return _first(block, names)


def _norms_additions(block: nn.Module) -> bool:
    """Whether `post_attention_layernorm` norms what attention adds: only in a block that does so for its MLP too."""
    return _first(block, ("pre_feedforward_layernorm", "post_feedforward_layernorm")) is not None


def _refuse_scaled(block: nn.Module, hook: HookPoint) -> None:
    """A block that changes what it adds outside its modules has no module whose output is added."""
    if any(getattr(block, name, None) is not None for name in _SCALES):
        part = hook.site.removesuffix("_out")
        raise UserError(
            f"Layer {hook.layer} of this model scales or mixes what its {part} gives before it is added: it has no {hook.site}.",
            f"Choose {part}_raw, which is what it gives before that.",
        )


def _existing(module: nn.Module | None, hook: HookPoint) -> nn.Module:
    if module is None:
        raise _absent(hook)
    return module


def _absent(hook: HookPoint) -> UserError:
    return UserError(f"Layer {hook.layer} of this model has no {hook.site}.", "Choose another hook point.")


def _first(parent: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    children: Iterator[object] = (getattr(parent, name, None) for name in names)
    return next((child for child in children if isinstance(child, nn.Module)), None)
