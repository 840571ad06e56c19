"""Hook points: the places in a model whose activations are read or edited. Names only; `tree` finds them in a model."""

from __future__ import annotations

import re
from dataclasses import dataclass

from semascope.core.errors import UserError

SITES = ("resid_pre", "resid_post", "mlp_in", "mlp_out", "attn_z", "attn_out")

_PATTERN = re.compile(rf"({'|'.join(SITES)})\.(\d{{1,4}})")


@dataclass(frozen=True, order=True)
class HookPoint:
    """A site of one layer, written `resid_post.15`.

    Attributes:
        site: One of `SITES`. `resid_pre` and `resid_post` are what flows into and out of the block; `mlp_in` what the MLP
            module is given (after its norm); `mlp_out` and `attn_out` what the two halves add to the residual stream
            (after the post-norm where a family has one); `attn_z` the heads' outputs, concatenated, before the output
            projection.
        layer: Index of the block, from 0.
    """

    site: str
    layer: int

    def __post_init__(self) -> None:
        if self.site not in SITES or self.layer < 0:
            raise ValueError(f"no such hook point: {self.site}.{self.layer}")

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
        return cls(match[1], int(match[2]))

    def __str__(self) -> str:
        return f"{self.site}.{self.layer}"
