"""A language model and its hook points: read activations, edit them while the model runs, take logits.

The one place where hooks are set. It knows token ids and tensors; text is `text`'s matter, opening files `open`'s, what an
edit does `core.steering`'s. Batches are padded on the right and carry no mask: a decoder is causal, so what stands behind
a token does not change it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.text import TextCodec
from semascope.core.models.tree import ModelTree, Tap, find_tree

Editor = Callable[[Tensor], Tensor | None]


@dataclass(frozen=True)
class Unembedding:
    """The linear part of the way from the residual stream to the logits.

    Attributes:
        weight: W_U, shape (vocabulary, d_model), as stored.
        gain: The final norm's weight, shape (d_model,), float32, with Gemma's 1 + γ already applied; None without a norm.
        centred: Whether the final norm subtracts the mean first (LayerNorm).
    """

    weight: Tensor
    gain: Tensor | None
    centred: bool


class _Reached(Exception):  # it ends a forward pass, it is no error
    """Raised by a hook to end the forward pass once the hook point has been read."""


class LanguageModel:
    """A decoder-only language model on one device.

    Attributes:
        path: The folder or file it was opened from.
        name: The folder's or file's name.
        fingerprint: See `core.fingerprint`.
        module: The `transformers` model, in evaluation mode.
        codec: Text to tokens and back.
        tree: Where its parts are.
    """

    def __init__(self, module: Any, codec: TextCodec, path: Path, fingerprint: str) -> None:
        self.module = module
        self.codec = codec
        self.path = path
        self.name = path.stem if path.is_file() else path.name
        self.fingerprint = fingerprint
        config = module.config.get_text_config()
        self.architecture: str = type(module).__name__
        self.n_layers = int(config.num_hidden_layers)
        self.d_model = int(config.hidden_size)
        self.context = int(getattr(config, "max_position_embeddings", None) or 2048)
        self.tree: ModelTree = find_tree(module, self.n_layers)
        self.vocabulary = int(self.tree.head.weight.shape[0])  # type: ignore[index,union-attr,arg-type]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self.module.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in."""
        dtype: torch.dtype = self.module.dtype
        return dtype

    def width(self, hook: HookPoint) -> int:
        """The number of values of an activation at `hook`."""
        tap = self.tree.tap(hook)
        if hook.site == "attn_z":
            weight: Tensor = tap.module.weight  # type: ignore[assignment]
            # GPT-2's Conv1D stores (in, out), a Linear (out, in); a square matrix settles the matter by itself.
            return int(weight.shape[0] if type(tap.module).__name__ == "Conv1D" else weight.shape[1])
        return self.d_model

    @torch.inference_mode()
    def run_to(self, hook: HookPoint, ids: Tensor) -> Tensor:
        """Activations at `hook`; nothing behind it is computed.

        Args:
            hook: Where to read.
            ids: Token ids, shape (batch, tokens), padded on the right.

        Returns:
            Shape (batch, tokens, width), in the model's dtype, on its device.
        """
        read: list[Tensor] = []

        def stop(value: Tensor) -> None:
            read.append(value)
            raise _Reached

        with contextlib.suppress(_Reached), self.editing(hook, stop):
            self.module(input_ids=ids.to(self.device), use_cache=False)
        return read[0]

    @contextlib.contextmanager
    def editing(self, hook: HookPoint, edit: Editor) -> Iterator[None]:
        """While the block runs, every forward pass hands its activations at `hook` to `edit`.

        `edit` gets shape (batch, tokens, width) and returns what should flow on, or None to leave it as it is. It sees the
        prompt's pass and that of every new token.
        """
        handle = _attach(self.tree.tap(hook), edit)
        try:
            yield
        finally:
            handle.remove()

    @torch.inference_mode()
    def logits(self, ids: Tensor, keep: int = 0) -> Tensor:
        """Logits of every position, or only of the last `keep`: shape (batch, positions, vocabulary), float32."""
        logits: Tensor = self.module(input_ids=ids.to(self.device), use_cache=False, logits_to_keep=keep).logits
        return logits.float()

    @torch.inference_mode()
    def step(self, ids: Tensor, cache: Any = None) -> tuple[Tensor, Any]:
        """One pass of generation: logits after the last of `ids`, and the cache for the next pass.

        Args:
            ids: Shape (batch, tokens): the prompt at first, then each new token.
            cache: What the previous step returned, or None at first.

        Returns:
            Logits, shape (batch, vocabulary), float32; the cache.
        """
        out = self.module(input_ids=ids.to(self.device), past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1].float(), out.past_key_values

    def unembedding(self) -> Unembedding:
        """The unembedding and the final norm's gain, for logit effects (`method.md`, "Logit effects")."""
        norm = self.tree.final_norm
        weight: Tensor = self.tree.head.weight  # type: ignore[assignment]
        stored = getattr(norm, "weight", None)
        if norm is None or stored is None:
            return Unembedding(weight.detach(), None, centred=isinstance(norm, nn.LayerNorm))
        gain = stored.detach().float()
        return Unembedding(weight.detach(), 1.0 + gain if _adds_one(norm) else gain, isinstance(norm, nn.LayerNorm))


def _adds_one(norm: nn.Module) -> bool:
    """Whether a norm multiplies by 1 + its weight: asked of its code by running it, since only some Gemmas do."""
    weight: Tensor = norm.weight  # type: ignore[assignment]
    kept = weight.detach().clone()
    probe = torch.ones(1, 1, weight.shape[0], device=weight.device, dtype=torch.float32)
    probe[..., ::2] = -1.0  # mean 0 and mean square 1, so that a norm leaves it alone but for its weight
    with torch.no_grad():
        try:
            weight.zero_()
            return bool(norm(probe.to(weight.dtype)).abs().mean() > 0.5)
        finally:
            weight.copy_(kept)


def _attach(tap: Tap, edit: Editor) -> Any:
    """Set `edit` as a hook at `tap`; modules take their input by position or by name and may return tuples."""
    if tap.side == "input":

        def before(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if args:
                changed = edit(args[0])
                return None if changed is None else ((changed, *args[1:]), kwargs)
            changed = edit(kwargs["hidden_states"])
            return None if changed is None else (args, {**kwargs, "hidden_states": changed})

        return tap.module.register_forward_pre_hook(before, with_kwargs=True)

    def after(_module: nn.Module, _args: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            changed = edit(output[0])
            return None if changed is None else (changed, *output[1:])
        return edit(output)

    return tap.module.register_forward_hook(after)
