"""Where a model keeps its parts: the blocks of its decoder and of its vision tower, final norm, embedding and unembedding.

Everything is found by structure (the list of blocks as long as the config says, a list of modules with attention and MLP),
and a model that doesn't fit is refused rather than guessed at. What is where within a block, `sites` knows; activations,
`model`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.sites import Tap, attention_norm, is_block, tap_in

_FINAL_NORM = ("norm", "ln_f", "final_layer_norm", "final_layernorm")
_TOWERS = ("vision_tower", "vision_model", "visual")


@dataclass(frozen=True)
class Tower:
    """The part of a model that reads images, or a model that does nothing else.

    Attributes:
        blocks: Its transformer blocks, in order.
    """

    blocks: nn.ModuleList

    @property
    def width(self) -> int:
        """Width of its residual stream."""
        norm = attention_norm(self.blocks[0])
        return int(norm.weight.shape[0])  # type: ignore[index,union-attr,arg-type]

    def tap(self, hook: HookPoint) -> Tap:
        """Where `hook`, whose tower is "vision", lies in it.

        Raises:
            UserError: The layer or the site isn't in it.
        """
        return tap_in(_block(self.blocks, hook, "this model's vision tower"), hook)


@dataclass(frozen=True)
class ModelTree:
    """The parts of a decoder.

    Attributes:
        blocks: The transformer blocks, in order.
        final_norm: The norm before the unembedding, or None.
        embedding: The token embedding.
        head: The unembedding.
        tower: The part that reads images, or None.
    """

    blocks: nn.ModuleList
    final_norm: nn.Module | None
    embedding: nn.Module
    head: nn.Module
    tower: Tower | None = None

    def tap(self, hook: HookPoint) -> Tap:
        """Where `hook` lies in this model.

        Raises:
            UserError: The tower, the layer or the site isn't in this model.
        """
        if hook.tower:
            if self.tower is None:
                raise UserError(
                    f"This model has no vision tower that can be read, so there is no {hook}.",
                    "Open the vision-language model that it was made for.",
                )
            return self.tower.tap(hook)
        block = _block(self.blocks, hook, "this model")
        if hook.site != "embed":
            return tap_in(block, hook)
        if hook.layer:
            raise UserError("The token embeddings are not those of a layer.", "Write embed.0.")
        return Tap(self.embedding, "output")


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
    embedding = model.get_input_embeddings()  # type: ignore[operator]
    return ModelTree(lists[0], norm, embedding, head, find_tower(model))


def find_tower(model: nn.Module) -> Tower | None:
    """The vision tower of a vision-language model, or the blocks of a vision model (CLIP, SigLIP, DINOv2); None without."""
    parts = [getattr(owner, name, None) for owner in (model, getattr(model, "model", None)) for name in _TOWERS]
    if getattr(model, "main_input_name", "") == "pixel_values":
        parts.append(model)
    for part in parts:
        if isinstance(part, nn.Module):
            lists = [found for found in part.modules() if isinstance(found, nn.ModuleList) and _are_blocks(found)]
            if len(lists) == 1:
                return Tower(lists[0])
    return None


def _are_blocks(modules: nn.ModuleList) -> bool:
    return len(modules) > 0 and all(is_block(module) and attention_norm(module) is not None for module in modules)


def _block(blocks: nn.ModuleList, hook: HookPoint, where: str) -> nn.Module:
    if hook.layer >= len(blocks):
        raise UserError(
            f"There is no layer {hook.layer} in {where}: its layers are 0 to {len(blocks) - 1}.",
            "Choose one of them, or an SAE that was made for this model.",
        )
    return blocks[hook.layer]
