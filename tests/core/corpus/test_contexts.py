"""Contexts: nothing lost, nothing twice, BOS where asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from semascope.core.corpus.contexts import cut_contexts
from semascope.core.corpus.readers import Document

BOS = 0


class _Letters:
    """A codec of one token a character, so that what is expected can be seen."""

    bos_id: int | None = BOS
    special_ids = frozenset({BOS, 1})

    def encode_ids(self, texts: list[str], prepend_bos: bool = False) -> list[list[int]]:
        assert not prepend_bos
        return [[ord(c) for c in text] for text in texts]

    def chat_ids(self, messages: list[dict[str, str]], generation_prompt: bool = False) -> list[int]:
        assert not generation_prompt
        return [BOS, *(ord(c) for message in messages for c in message["content"]), 1]


@given(st.lists(st.text(alphabet="abcdefg", max_size=40), max_size=12), st.integers(2, 9), st.booleans())
def test_contexts_are_the_documents_in_order(texts: list[str], length: int, bos: bool) -> None:
    contexts = list(cut_contexts([Document("x", text) for text in texts], _Letters(), length, bos))
    assert all(1 <= len(context.ids) <= length for context in contexts)
    for index, text in enumerate(texts):
        mine = [context for context in contexts if context.document == index]
        bodies = [context.ids[1:] if bos else context.ids for context in mine]
        assert "".join(chr(i) for body in bodies for i in body) == text
        assert [context.start for context in mine] == [sum(map(len, bodies[:i])) for i in range(len(mine))]
        if bos:
            assert all(context.ids[0] == BOS and context.special[0] for context in mine)
    assert [context.document for context in contexts] == sorted(context.document for context in contexts)


def test_a_conversation_keeps_its_own_bos_and_gets_no_second() -> None:
    (first, *_) = cut_contexts([Document("x", messages=(("user", "hi"),))], _Letters(), 16, True)
    assert first.ids.tolist() == [BOS, ord("h"), ord("i"), 1]
    assert first.special.tolist() == [True, False, False, True]
