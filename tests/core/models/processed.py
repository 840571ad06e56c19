"""GPT-2 written out with its weights processed by hand, as TransformerLens processes them when it loads a model by default.

The norms' gains and biases go into the layers they feed, whatever writes into the residual stream is centred, value biases go
into the output bias. The model's function stays the same, its activations do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

HEADS = 4


def centred(weight: Tensor) -> Tensor:
    """A matrix or bias whose outputs have no mean."""
    return weight - weight.mean(-1, keepdim=True)


@torch.inference_mode()
def processed_gpt2(
    module: Any, ids: Tensor, edit: Callable[[str, Tensor], Tensor] = lambda _name, x: x, *, folded: bool = True
) -> tuple[dict[str, Tensor], Tensor]:
    """Activations by TransformerLens' names, and logits, of a `GPT2LMHeadModel` with processed weights.

    Args:
        module: The model.
        ids: Token ids, shape (batch, tokens).
        edit: Given each activation with its name, returns what flows on.
        folded: Without, nothing but what writes into the residual stream is processed.
    """
    body, seen = module.transformer, {}
    width = body.wte.weight.shape[1]

    def keep(name: str, x: Tensor) -> Tensor:
        seen[name] = edit(name, x)
        return seen[name]

    x = keep("hook_embed", centred(body.wte.weight)[ids])
    x = x + centred(body.wpe.weight)[: ids.shape[1]]
    for layer, block in enumerate(body.h):
        at = f"blocks.{layer}."
        x = keep(at + "hook_resid_pre", x)
        plain = keep(at + "ln1.hook_normalized", F.layer_norm(x, x.shape[-1:], eps=block.ln_1.eps))
        weight = block.ln_1.weight[:, None] * block.attn.c_attn.weight
        bias = block.attn.c_attn.bias + block.ln_1.bias @ block.attn.c_attn.weight
        queries_and_keys, values = bias.split((2 * width, width))
        stays, goes = (torch.zeros(width), values) if folded else (values, torch.zeros(width))
        q, k, v = (plain @ weight + torch.cat([queries_and_keys, stays])).split(width, dim=-1)
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (q, k, v))
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        z = keep(at + "attn.hook_z", z)
        out = centred(block.attn.c_proj.weight)
        added = keep(at + "hook_attn_out", z @ out + centred(block.attn.c_proj.bias) + goes @ out)
        x = keep(at + "hook_resid_mid", x + added)
        plain = keep(at + "ln2.hook_normalized", F.layer_norm(x, x.shape[-1:], eps=block.ln_2.eps))
        weight = block.ln_2.weight[:, None] * block.mlp.c_fc.weight
        hidden = plain @ weight + block.mlp.c_fc.bias + block.ln_2.bias @ block.mlp.c_fc.weight
        hidden = keep(at + "mlp.hook_post", F.gelu(hidden, approximate="tanh"))
        added = keep(at + "hook_mlp_out", hidden @ centred(block.mlp.c_proj.weight) + centred(block.mlp.c_proj.bias))
        x = keep(at + "hook_resid_post", x + added)
    return seen, body.ln_f(x) @ module.lm_head.weight.T
