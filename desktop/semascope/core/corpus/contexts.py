"""Documents cut into contexts: the windows of tokens that a model reads at once. Knows the codec, no torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semascope.core.corpus.readers import Document
from semascope.core.masking import Mask

_BATCH = 256
_NONE = Mask()


class Codec(Protocol):
    """What is needed of `core.models.text.TextCodec`."""

    bos_id: int | None
    special_ids: frozenset[int]

    def encode_ids(self, texts: list[str], prepend_bos: bool = False) -> list[list[int]]: ...

    def chat_ids(self, messages: list[dict[str, str]], generation_prompt: bool = False) -> list[int]: ...


@dataclass(frozen=True, eq=False)
class Context:
    """A chunk of one document.

    Attributes:
        ids: Token ids, int32, shape (n,), n ≥ 1; a BOS that the SAE's rule asks for is in front and counts.
        special: Whether each token is special or masked, bool, shape (n,).
        document: Index of the document in the corpus, from 0.
        start: Index in the document's tokens of the context's first one (a BOS put in front does not count).
    """

    ids: NDArray[np.int32]
    special: NDArray[np.bool_]
    document: int
    start: int


def cut_contexts(
    documents: Iterable[Document], codec: Codec, length: int, prepend_bos: bool, mask: Mask = _NONE
) -> Iterator[Context]:
    """Cut each document into contexts of at most `length` tokens, in corpus order; the last one of a document may be short.

    Args:
        documents: In corpus order.
        codec: The model's.
        length: Tokens a context, with its BOS; at least 2.
        prepend_bos: Put the tokenizer's BOS, if it has one, in front of every context that has none.
        mask: What the SAE's makers left out.
    """
    never = mask.tokens(codec.special_ids)
    bos = codec.bos_id if prepend_bos else None
    index = 0
    for batch in _batched(documents):
        for ids in _encode(batch, codec):
            at = 0
            while at < len(ids):
                front = [bos] if bos is not None and ids[at] != bos else []
                chunk = np.array([*front, *ids[at : at + length - len(front)]], dtype=np.int32)
                yield Context(chunk, mask.marks(chunk, never), index, at)
                at += length - len(front)
            index += 1


def _encode(documents: Iterable[Document], codec: Codec) -> list[list[int]]:
    """Token ids of each document, the texts tokenised together (the tokenizer does them in parallel)."""
    batch = list(documents)
    texts = iter(codec.encode_ids([document.text for document in batch if not document.messages]))
    return [
        codec.chat_ids([{"role": role, "content": content} for role, content in document.messages])
        if document.messages
        else next(texts)
        for document in batch
    ]


def _batched(documents: Iterable[Document]) -> Iterator[tuple[Document, ...]]:
    """`itertools.batched`, which Python 3.11 lacks."""
    iterator = iter(documents)
    while batch := tuple(itertools.islice(iterator, _BATCH)):
        yield batch
