"""Where a model keeps its parts: blocks, attention, MLP, norms and unembedding, found through the module tree.

The decoder families of transformers differ in names and in one fact that matters: Gemma 2 and later apply a second norm to
what attention and MLP add to the residual stream, so there `attn_out` and `mlp_out` are the outputs of those norms.
Everything is found by structure (the list of blocks as long as the config says, the linear layer that ends the attention),
and a model that doesn't fit is refused rather than guessed at. Knows no activations: `model` hooks what is found here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import HookPoint

_ATTENTION = ("self_attn", "attn", "attention", "linear_attn")
_OUTPUT_PROJECTION = ("o_proj", "c_proj", "dense", "out_proj")
_MLP = ("mlp", "feed_forward", "block_sparse_moe")
_FINAL_NORM = ("norm", "ln_f", "final_layer_norm", "final_layernorm")


@dataclass(frozen=True)
class Tap:
    """A module and the side of it on which a hook point lies."""

    module: nn.Module
    side: Literal["input", "output"]


@dataclass(frozen=True)
class ModelTree:
    """The parts of a decoder.

    Attributes:
        blocks: The transformer blocks, in order.
        final_norm: The norm before the unembedding, or None.
        embedding: The token embedding.
        head: The unembedding.
    """

    blocks: nn.ModuleList
    final_norm: nn.Module | None
    embedding: nn.Module
    head: nn.Module

    def tap(self, hook: HookPoint) -> Tap:
        """Where `hook` lies in this model.

        Raises:
            UserError: The layer or the site isn't in this model.
        """
        if hook.layer >= len(self.blocks):
            raise UserError(
                f"There is no layer {hook.layer} in this model: its layers are 0 to {len(self.blocks) - 1}.",
                "Choose one of them, or an SAE that was made for this model.",
            )
        block = self.blocks[hook.layer]
        if hook.site == "resid_pre":
            return Tap(block, "input")
        if hook.site == "resid_post":
            return Tap(block, "output")
        if hook.site in ("mlp_in", "mlp_out"):
            mlp = _child(block, _MLP, hook)
            if hook.site == "mlp_in":
                return Tap(mlp, "input")
            return Tap(getattr(block, "post_feedforward_layernorm", mlp), "output")
        attention = _child(block, _ATTENTION, hook)
        if hook.site == "attn_z":
            return Tap(_child(attention, _OUTPUT_PROJECTION, hook), "input")
        # Only a block with norms on both sides of its MLP norms the attention's output before it is added.
        normed = hasattr(block, "pre_feedforward_layernorm") or hasattr(block, "post_feedforward_layernorm")
        return Tap(block.post_attention_layernorm if normed else attention, "output")  # type: ignore[arg-type]


def find_tree(model: nn.Module, layers: int) -> ModelTree:
    """The parts of a `transformers` causal or image-text language model with `layers` blocks.

    Raises:
        UserError: The model is not built like a decoder.
    """
    decoder = model.get_decoder()  # type: ignore[operator]
    lists = [child for child in decoder.children() if isinstance(child, nn.ModuleList) and len(child) == layers]
    head = model.get_output_embeddings()  # type: ignore[operator]
    if len(lists) != 1 or head is None:
        raise UserError(
            f"{type(model).__name__} is not built like the decoders that can be opened.",
            "Open a decoder-only language model, such as Llama, Qwen, Gemma, GPT-2 or Pythia.",
        )
    norm = next((getattr(decoder, name) for name in _FINAL_NORM if hasattr(decoder, name)), None)
    return ModelTree(lists[0], norm, model.get_input_embeddings(), head)  # type: ignore[operator]


def _child(parent: nn.Module, names: tuple[str, ...], hook: HookPoint) -> nn.Module:
    for name in names:
        child = getattr(parent, name, None)
        if isinstance(child, nn.Module):
            return child
    raise UserError(f"Layer {hook.layer} of this model has no {hook.site}.", "Choose another hook point.")
