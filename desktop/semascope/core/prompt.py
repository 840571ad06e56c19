"""A prompt's tokens, by one rule for reading and for generating, so that both see the same positions.

A chat goes through the model's own template, which sets its own BOS. A plain text gets a BOS if the SAE was trained with
one; where the SAE does not say, or there is none, as the tokenizer itself would. Tokens that its makers left out are marked
like special ones (`masking`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.masking import Mask

if TYPE_CHECKING:
    from semascope.core.models.model import LanguageModel
    from semascope.core.models.text import Tokens
    from semascope.core.saes.sae import SAE


def begins_with_bos(model: LanguageModel, sae: SAE | None) -> bool:
    """Whether a text is given a BOS: the SAE's rule, else the tokenizer's habit."""
    rule = sae.config.prepend_bos if sae is not None else None
    return model.codec.adds_bos if rule is None else rule


def prompt_tokens(
    model: LanguageModel, sae: SAE | None, text: str = "", messages: Sequence[tuple[str, str]] = ()
) -> Tokens:
    """The tokens of a text, or of a chat given as (role, content), oldest first.

    A chat that ends with anyone but the assistant is followed by what opens the assistant's turn.

    Raises:
        UserError: Empty, not Unicode, longer than the model's context, or a chat for a model without template.
    """
    if not all(_is_text(part) for part in (text, *(content for _, content in messages))):
        raise UserError("The prompt is not valid Unicode text.", "Give it in UTF-8.")
    if messages:
        conversation = [{"role": role, "content": content} for role, content in messages]
        tokens = model.codec.chat(conversation, generation_prompt=messages[-1][0] != "assistant")
    else:
        tokens = model.codec.encode(text, prepend_bos=begins_with_bos(model, sae))
    if len(tokens) == 0:
        raise UserError("The prompt is empty.", "Write some text.")
    if len(tokens) > model.context:
        raise UserError(
            f"The prompt has {len(tokens):,} tokens, and the model can read {model.context:,}.", "Shorten it."
        )
    mask = Mask.of(sae.config if sae is not None else None)
    marks = mask.marks(tokens.ids, mask.tokens(model.codec.special_ids))
    return replace(tokens, special=tuple(marks.tolist()))


def _is_text(text: str) -> bool:
    """False where half a character stands alone, as bytes that are no UTF-8 become on a command line."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
