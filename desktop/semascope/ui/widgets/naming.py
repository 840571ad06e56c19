"""What to call a feature where there is room for a few words. No widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semascope.ui.widgets.token_text import stand_in

if TYPE_CHECKING:
    from semascope.core.harvest.store import Harvest

TOKENS = 4
NO_LABEL = "no label"


def name_of(label: str, harvest: Harvest | None, feature: int) -> tuple[str, bool]:
    """A feature's name, and whether it is a label: without one, its top tokens in the harvest stand for it."""
    if label:
        return label, True
    tokens = harvest.top_tokens(feature) if harvest is not None and 0 <= feature < harvest.features else []
    return stand_in(tokens, TOKENS) or NO_LABEL, False
