"""What TransformerLens' default processing changes about a model's activations, so that SAEs trained behind it are read right.

It folds the attention norm's bias into the value projection and the value biases into the output bias. As attention weights
sum to 1, that takes a constant off every head's output (`attn_z`) and adds it behind; `value_shift` is that constant. And it
centres what LayerNorm models write into the residual stream, which changes nothing but the mean (`centrable`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.norms import read_norm
from semascope.core.models.sites import attention_norm, attention_of, core_of, input_width
from semascope.core.models.tree import ModelTree


def centrable(tree: ModelTree) -> bool:
    """Whether the residual stream's mean means nothing to the model: every norm that reads it is a LayerNorm."""
    return all(
        norm is not None and read_norm(norm).centred for norm in (attention_norm(tree.blocks[0]), tree.final_norm)
    )


@torch.inference_mode()
def value_shift(tree: ModelTree, layer: int, heads: int) -> Tensor | None:
    """What the processing takes off `attn_z`: hook_z = attn_z − shift.

    Args:
        tree: The model.
        layer: The block.
        heads: Number of attention heads.

    Returns:
        Shape (width of attn_z,), float32; None where nothing is taken off.

    Raises:
        UserError: There is no such layer, or its values are made in a way that is not known.
    """
    width = input_width(tree.tap(HookPoint("attn_z", layer)).module)
    block = tree.blocks[layer]
    attention = attention_of(block)
    # A linear layer's weights don't sum to 1, and neither do those of attention with sinks: nothing constant to fold.
    if attention is None or hasattr(block, "linear_attn") or getattr(attention, "sinks", None) is not None:
        return None
    norm = attention_norm(block)
    folded = read_norm(norm).bias if norm is not None else None
    weight, bias = _values(core_of(attention), heads, folded is not None)
    if folded is None and bias is None:
        return None
    if norm is None:  # OPT's, which has one under another name, or none before attention
        raise _unknown(attention)
    shift = torch.zeros(len(weight), device=weight.device) if bias is None else bias.float()
    if folded is not None:
        shift = shift + weight.float() @ folded
    return shift.view(-1, width // heads).repeat_interleave(width // len(shift), dim=0).flatten()


def _values(attention: nn.Module, heads: int, needed: bool) -> tuple[Tensor, Tensor | None]:
    """W_V, shape (values, d_model), and b_V, shape (values,) or None; heads one after the other."""
    joint = getattr(attention, "c_attn", None)  # GPT-2's Conv1D: (d_model, queries + keys + values)
    if isinstance(joint, nn.Module):
        third = joint.weight.shape[1] // 3  # type: ignore[index,operator,union-attr]
        return joint.weight[:, 2 * third :].T, joint.bias[2 * third :]  # type: ignore[index,union-attr,return-value]
    joint = getattr(attention, "query_key_value", None)  # GPT-NeoX: query, key and value of one head, then of the next
    if isinstance(joint, nn.Linear) and joint.out_features % (3 * heads) == 0:
        weight = joint.weight.view(heads, 3, -1, joint.in_features)[:, 2].flatten(0, 1)
        return weight, None if joint.bias is None else joint.bias.view(heads, 3, -1)[:, 2].flatten()
    alone = getattr(attention, "v_proj", None)
    if isinstance(alone, nn.Linear):
        return alone.weight, alone.bias
    if needed or any(name.endswith("bias") for name, _ in attention.named_parameters()):
        raise _unknown(attention)
    return torch.empty(0), None


def _unknown(attention: nn.Module) -> UserError:
    return UserError(
        f"How {type(attention).__name__} makes its values is not known, so TransformerLens' hook_z cannot be had.",
        "Use an SAE that was trained on another hook point.",
    )
