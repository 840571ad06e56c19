"""A language model and its hook points: read activations, edit them while the model runs, take logits.

The one place where hooks are set. It knows token ids and tensors; text is `text`'s matter, opening files `open`'s, what an
edit does `core.steering`'s. Batches are padded on the right and carry no mask: a decoder is causal, so what stands behind
a token does not change it. One that is not (PaliGemma lets the tokens of a prompt see each other) gets its rows one by one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semascope.core.errors import UserError
from semascope.core.models import lens
from semascope.core.models.hookpoint import HookPoint, hooks_text
from semascope.core.models.norms import read_norm
from semascope.core.models.sites import Tap, attention_of, input_width
from semascope.core.models.text import TextCodec
from semascope.core.models.tree import ModelTree, find_tree

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
    """Raised by a hook to end the forward pass once every hook point has been read."""


class LanguageModel:
    """A decoder-only language model on one device.

    Attributes:
        path: The folder or file it was opened from.
        name: The folder's or file's name.
        fingerprint: See `core.fingerprint`.
        module: The `transformers` model, in evaluation mode.
        codec: Text to tokens and back.
        tree: Where its parts are.
        sees_prompt_whole: Whether every token of a prompt sees those behind it too.
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
        self.sees_prompt_whole = _sees_prompt_whole(module, self.tree)
        self.vocabulary = int(self.tree.head.weight.shape[0])  # type: ignore[index,union-attr,arg-type]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self.module.device
        return device

    @property
    def heads(self) -> int:
        """Number of attention heads of a block, whose outputs stand side by side at `attn_z`."""
        return int(self.module.config.get_text_config().num_attention_heads)

    @property
    def image_layers(self) -> int:
        """Number of blocks of its vision tower, 0 for none."""
        return len(self.tree.tower.blocks) if self.tree.tower else 0

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in."""
        dtype: torch.dtype = self.module.dtype
        return dtype

    def width(self, hooks: HookPoint | Sequence[HookPoint]) -> int:
        """The number of values of an activation at a hook point, or at several side by side.

        Raises:
            UserError: There is no such place in this model.
        """
        if not isinstance(hooks, HookPoint):
            return sum(self.width(hook) for hook in hooks)
        tap = self.tree.tap(hooks)
        if hooks.site in ("attn_z", "mlp_act"):
            return input_width(tap.module)
        return self.tree.tower.width if hooks.tower and self.tree.tower else self.d_model

    @torch.inference_mode()
    def run_to(self, hooks: HookPoint | Sequence[HookPoint], ids: Tensor) -> Tensor:
        """Activations at one hook point, or at several side by side in their order; nothing behind the last is computed.

        Args:
            hooks: Where to read.
            ids: Token ids, shape (batch, tokens), padded on the right with token 0.

        Returns:
            Shape (batch, tokens, width), on the model's device, in its dtype; normalised inputs are float32, and so is
            what stands beside them.

        Raises:
            UserError: A hook point isn't in this model, no text passes it, or it holds no vector for each token.
        """
        if self.sees_prompt_whole and len(ids) and bool((ids[:, -1] == 0).any()):
            lengths = (ids != 0).cumsum(1).argmax(1) + 1
            rows = [
                self.run_to(hooks, row[None, :length])[0] for row, length in zip(ids, lengths.tolist(), strict=True)
            ]
            return torch.stack([F.pad(row, (0, 0, 0, ids.shape[1] - len(row))) for row in rows])
        places = [hooks] if isinstance(hooks, HookPoint) else list(hooks)
        read: dict[int, Tensor] = {}

        def reader(place: int) -> Editor:
            def keep(value: Tensor) -> None:
                # What is read before the others may be changed in place by the modules that still run.
                read[place] = value if len(places) == 1 else value.clone()
                if len(read) == len(places):
                    raise _Reached

            return keep

        with contextlib.ExitStack() as hooked:
            for place, hook in enumerate(places):
                hooked.enter_context(self.editing(hook, reader(place)))
            hooked.enter_context(contextlib.suppress(_Reached))
            self.module(input_ids=ids.to(self.device), use_cache=False)
        if len(read) < len(places):
            missed = hooks_text([hook for place, hook in enumerate(places) if place not in read])
            raise UserError(f"Text alone never passes {missed} of this model.", "Choose a hook point that it passes.")
        for place, hook in enumerate(places):
            if read[place].shape != (*ids.shape, self.width(hook)):
                raise UserError(
                    f"At {hook} this model has no one activation for each token.", "Choose another hook point."
                )
        return read[0] if len(places) == 1 else torch.cat([read[place] for place in range(len(places))], dim=-1)

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
    def logits(self, ids: Tensor, keep: int = 0, prompt: int | None = None) -> Tensor:
        """Logits of every position, or only of the last `keep`.

        Args:
            ids: Token ids, shape (batch, tokens).
            keep: 0 for every position.
            prompt: How many of the tokens are the prompt, where the others are an answer to it that was, or is to be,
                produced token by token; None for all. It only matters to a model that `sees_prompt_whole`.

        Returns:
            Shape (batch, positions, vocabulary), float32.
        """
        kinds = {}
        if self.sees_prompt_whole and prompt is not None:
            answer = torch.arange(ids.shape[1], device=self.device) >= prompt
            kinds["token_type_ids"] = answer.long().expand(ids.shape)
        out = self.module(input_ids=ids.to(self.device), use_cache=False, logits_to_keep=keep, **kinds)
        logits: Tensor = out.logits
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
        weight: Tensor = self.tree.head.weight  # type: ignore[assignment]
        if self.tree.final_norm is None:
            return Unembedding(weight.detach(), None, centred=False)
        norm = read_norm(self.tree.final_norm)
        return Unembedding(weight.detach(), norm.gain, norm.centred)

    @property
    def centrable(self) -> bool:
        """Whether TransformerLens' default processing centres this model's residual stream (LayerNorm models)."""
        return lens.centrable(self.tree)

    def value_shift(self, layer: int) -> Tensor | None:
        """What TransformerLens' default processing takes off `attn_z`: hook_z = attn_z − shift.

        Returns:
            Shape (width of attn_z,), float32; None where it takes nothing off.

        Raises:
            UserError: See `lens.value_shift`.
        """
        return lens.value_shift(self.tree, layer, self.heads)


def _sees_prompt_whole(module: Any, tree: ModelTree) -> bool:
    """Whether the attention of a text without images is not causal, as transformers runs it.

    Gemma's attention says what its makers meant; the sdpa implementation follows it where it gets no mask, which is so for
    a whole text, while the eager one (Gemma 2's) always gets a causal one.
    """
    causal = getattr(attention_of(tree.blocks[0]), "is_causal", True)
    return not causal and module.config.get_text_config()._attn_implementation == "sdpa"


def _attach(tap: Tap, edit: Editor) -> Any:
    """Set `edit` as a hook at `tap`; modules take their input by position or by name and may return tuples."""
    if tap.side == "normalised":
        return _attach_normalised(tap.module, edit)
    if tap.side == "input":

        def before(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if tap.kept:
                given: Tensor = args[0] if args else kwargs["hidden_states"]
                changed = edit(given)
                if changed is not None:
                    given.copy_(changed)  # in place: the residual stream is this tensor, not only what the module gets
                return None
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


def _attach_normalised(module: nn.Module, edit: Editor) -> Any:
    """Set `edit` as a hook on what a norm makes of its input before its gain and bias, which are applied to an edited one."""
    norm = read_norm(module)

    def after(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Any:
        changed = edit(norm.normalised(args[0] if args else kwargs["hidden_states"]))
        return None if changed is None else norm.scaled(changed).to(output.dtype)

    return module.register_forward_hook(after, with_kwargs=True)
