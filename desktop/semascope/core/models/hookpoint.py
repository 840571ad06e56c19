"""Hook points: the places in a model whose activations are read or edited. Names only; `tree` finds them in a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from semascope.core.errors import UserError

SITES: dict[str, str] = {
    "resid_pre": "what flows into the block",
    "resid_mid": "the residual stream between attention and MLP, before the MLP's norm",
    "resid_post": "what flows out of the block",
    "attn_in": "what the attention module is given, after its norm",
    "attn_norm": "the attention's normalised input without the norm's gain and bias",
    "attn_z": "the heads' outputs, concatenated, before the output projection",
    "attn_out": "what attention adds to the residual stream, after the post-norm where a family has one",
    "attn_raw": "what the attention module gives, before any post-norm",
    "mlp_in": "what the MLP module is given, after its norm",
    "mlp_norm": "the MLP's normalised input without the norm's gain and bias",
    "mlp_act": "the hidden neurons of the MLP, after the non-linearity, before the output projection",
    "mlp_out": "what the MLP adds to the residual stream, after the post-norm where a family has one",
    "mlp_raw": "what the MLP module gives, before any post-norm",
    "embed": "the token embeddings, before positions are added; layer 0 only",
}
"""Every site, and what it is."""

STREAM = frozenset({"resid_pre", "resid_mid", "resid_post", "attn_out", "attn_raw", "mlp_out", "mlp_raw", "embed"})
"""Sites where the residual stream is, or what is added to it."""

TOWERS = ("", "vision")

_PATTERN = re.compile(rf"(?:(vision)\.)?({'|'.join(SITES)})\.(\d{{1,4}})")


@dataclass(frozen=True, order=True)
class HookPoint:
    """A site of one layer, written `resid_post.15`, or `vision.resid_post.11` in the image tower.

    Attributes:
        site: One of `SITES`.
        layer: Index of the block, from 0.
        tower: "" for the language model, "vision" for the part that reads images.
        normed: The site it is instead in a model that norms what attention and MLP give before it is added, where a
            release names a module and not the model; or "". It is no part of the name.
    """

    site: str
    layer: int
    tower: str = ""
    normed: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        if {self.site, self.normed or self.site} - SITES.keys() or self.layer < 0 or self.tower not in TOWERS:
            raise ValueError(f"no such hook point: {self.tower} {self.site}.{self.layer}")

    @classmethod
    def parse(cls, text: str) -> HookPoint:
        """The hook point that `text` names.

        Raises:
            UserError: `text` names none.
        """
        match = _PATTERN.fullmatch(text.strip())
        if match is None:
            raise UserError(
                f"“{text[:80]}” is not a hook point.",
                f"Write one as SITE.LAYER, for instance resid_post.15; sites: {', '.join(SITES)}.",
            )
        return cls(match[2], int(match[3]), match[1] or "")

    def at(self, layer: int) -> HookPoint:
        """The same site of another layer."""
        return replace(self, layer=layer)

    def __str__(self) -> str:
        return f"{self.tower}{'.' if self.tower else ''}{self.site}.{self.layer}"


Hooks = tuple[HookPoint, ...]
"""Where a dictionary reads or writes: one place, or several whose activations stand side by side, in order."""


def parse_hooks(text: str) -> Hooks:
    """The hook points of `hooks_text`.

    Raises:
        UserError: `text` names none.
    """
    found: list[HookPoint] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        start = HookPoint.parse(first)
        if dash and not (last.isdecimal() and start.layer < int(last) < 10_000):
            raise UserError(f"“{part[:80]}” is not a range of layers.", "Write it as SITE.FIRST-LAST.")
        found += [start.at(layer) for layer in range(start.layer, int(last) + 1 if dash else start.layer + 1)]
    return tuple(found)


def hooks_text(hooks: Sequence[HookPoint]) -> str:
    """Hook points in one line: "resid_post.15", "mlp_in.0-25", "resid_post.5,resid_post.9"; "" for none."""
    runs: list[tuple[HookPoint, int]] = []
    for hook in hooks:
        if runs and hook == runs[-1][0].at(runs[-1][1] + 1):
            runs[-1] = (runs[-1][0], hook.layer)
        else:
            runs.append((hook, hook.layer))
    return ",".join(str(first) if last == first.layer else f"{first}-{last}" for first, last in runs)
