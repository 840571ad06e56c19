"""A corpus as windows of contexts that can be taken up again anywhere. Knows documents and tokens, no model."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from semascope.core.corpus.contexts import Codec, Context, cut_contexts
from semascope.core.corpus.readers import Document, read_documents
from semascope.core.harvest.tiles import WINDOW
from semascope.core.masking import Mask

_TICK = 0.1


@dataclass(frozen=True)
class Place:
    """Where in the corpus a window begins.

    Attributes:
        document: Index of the document of its first context.
        skip: How many contexts of that document come before it.
        context: Index of the first context.
        tokens: Tokens of all contexts before it.
    """

    document: int = 0
    skip: int = 0
    context: int = 0
    tokens: int = 0

    def to_json(self) -> dict[str, int]:
        """For a checkpoint."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Window:
    """Contexts in corpus order, where the first begins, and where the next window does."""

    contexts: Sequence[Context]
    place: Place
    after: Place


class Source:
    """Reads a corpus.

    Attributes:
        names: Names of the documents read and not yet taken, by index.
        characters: Characters of text read so far.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        codec: Codec,
        length: int,
        prepend_bos: bool,
        limit: int | None = None,
        mask: Mask | None = None,
    ) -> None:
        """A corpus of these files, cut into contexts of `length` tokens, ending after `limit` tokens; `mask` does not count."""
        self.names: dict[int, str] = {}
        self.characters = 0
        self._paths, self._codec, self._length = paths, codec, length
        self._prepend_bos, self._limit, self._mask = prepend_bos, limit, mask or Mask()

    def windows(self, place: Place) -> Iterator[Window | None]:
        """The windows from `place` on; None whenever reading has taken a while."""
        contexts: list[Context] = []
        after = place
        last = time.monotonic()
        for context in self._contexts(place):
            contexts.append(context)
            after = _behind(after, context)
            if len(contexts) == WINDOW:
                yield Window(contexts, place, after)
                contexts, place, last = [], after, time.monotonic()
            elif time.monotonic() - last > _TICK:
                yield None
                last = time.monotonic()
        if contexts:
            yield Window(contexts, place, after)

    def _contexts(self, place: Place) -> Iterator[Context]:
        left = None if self._limit is None else self._limit - place.tokens
        if left == 0:
            return
        documents = itertools.islice(self._documents(), place.document, None)
        contexts = cut_contexts(documents, self._codec, self._length, self._prepend_bos, self._mask)
        for context in itertools.islice(contexts, place.skip, None):
            here = replace(context, document=context.document + place.document)
            if left is not None and len(here.ids) >= left:
                yield replace(here, ids=here.ids[:left], special=here.special[:left])
                return
            yield here
            left = None if left is None else left - len(here.ids)

    def _documents(self) -> Iterator[Document]:
        for index, document in enumerate(read_documents(self._paths)):
            self.names[index] = document.name
            self.characters += len(document.text) + sum(len(content) for _, content in document.messages)
            yield document


def _behind(place: Place, context: Context) -> Place:
    same = context.document == place.document
    return Place(
        context.document,
        place.skip + 1 if same else 1,
        place.context + 1,
        place.tokens + len(context.ids),
    )
