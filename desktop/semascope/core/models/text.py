"""Text to tokens and back, by the model's own tokenizer.

Special tokens are known by their ids, never by their strings (id 0 may be a BOS; a corpus may talk about "<s>"). Tokens are
kept as ids and never tokenised a second time from decoded text. A token's string is what it stands for in the text: the
leading space belongs to it, and a character whose bytes are spread over several tokens goes to the one that completes it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from semascope.core.errors import UserError

Message = dict[str, str]

_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")


@dataclass(frozen=True)
class Tokens:
    """Token ids with what a person reads.

    Attributes:
        ids: Token ids.
        strings: One string a token; those of the tokens that are not special, joined, are the text.
        special: Whether each token is a special one (BOS, end of turn, padding …), or is treated as one (`core.masking`).
    """

    ids: tuple[int, ...]
    strings: tuple[str, ...]
    special: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.ids)


class TextCodec:
    """A `transformers` tokenizer, used the same careful way everywhere."""

    def __init__(self, tokenizer: Any, eos_ids: Sequence[int] = ()) -> None:
        self.tokenizer = tokenizer
        self.bos_id: int | None = tokenizer.bos_token_id
        self.eos_ids = frozenset(eos_ids) | ({tokenizer.eos_token_id} - {None})
        added = tokenizer.added_tokens_decoder
        self.special_ids = frozenset(tokenizer.all_special_ids) | {i for i, token in added.items() if token.special}
        self._added: dict[int, str] = {i: token.content for i, token in added.items()}

    @property
    def has_chat_template(self) -> bool:
        """Whether the model says how a conversation is written."""
        return bool(self.tokenizer.chat_template)

    @cached_property
    def adds_bos(self) -> bool:
        """Whether the tokenizer itself puts a BOS in front of a text."""
        ids = self.tokenizer("a")["input_ids"]
        return self.bos_id is not None and len(ids) > 0 and ids[0] == self.bos_id

    def encode(self, text: str, prepend_bos: bool = False) -> Tokens:
        """The tokens of a text, with the BOS in front if asked for, if there is one, and if the text has none."""
        ids = self._with_bos(self.tokenizer(text, add_special_tokens=False)["input_ids"], prepend_bos)
        strings = self.strings(ids)
        if strings and not text.startswith(" ") and "".join(strings) == f" {text}":
            strings = (strings[0][1:], *strings[1:])  # sentencepiece's dummy prefix is not in the text
        return self._tokens(ids, strings)

    def encode_ids(self, texts: Sequence[str], prepend_bos: bool = False) -> list[list[int]]:
        """Only the ids, of many texts at once."""
        if not texts:
            return []
        rows = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return [self._with_bos(ids, prepend_bos) for ids in rows]

    def chat(self, messages: Sequence[Message], generation_prompt: bool = True) -> Tokens:
        """A conversation as the model's own template writes it; the template, not we, sets a BOS.

        Raises:
            UserError: The model has no chat template, or its template refuses the conversation.
        """
        ids = self.chat_ids(messages, generation_prompt)
        return self._tokens(ids, self.strings(ids))

    def chat_ids(self, messages: Sequence[Message], generation_prompt: bool = False) -> list[int]:
        """Only the ids of a conversation; see `chat`."""
        if not self.has_chat_template:
            raise UserError("This model has no chat template.", "Use plain text instead of a chat.")
        try:
            ids = self.tokenizer.apply_chat_template(
                list(messages), tokenize=True, add_generation_prompt=generation_prompt, return_dict=False
            )
        except Exception as error:  # the template is a program of the model's maker
            raise UserError(f"The model's chat template refuses this conversation: {str(error)[:200]}.") from error
        return [int(i) for i in ids]

    def token_bytes(self, token: int) -> bytes:
        """The bytes of text that one token stands for."""
        if token in self._added:
            return self._added[token].encode()
        piece = self.tokenizer.convert_ids_to_tokens(token)
        if piece is None:
            return b""
        if self._byte_level:
            known = all(character in _BYTES for character in piece)
            return bytes(_BYTES[character] for character in piece) if known else str(piece).encode()
        if match := _BYTE_TOKEN.fullmatch(piece):
            return bytes([int(match[1], 16)])
        if self._metaspace:
            return str(piece).replace("▁", " ").encode()
        return str(self.tokenizer.decode([token])).encode()

    def strings(self, ids: Sequence[int]) -> tuple[str, ...]:
        """One string a token; a character spread over tokens goes to the one that completes it, the others get ""."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        out: list[str] = []
        for token in ids:
            if token in self.special_ids:
                if out:
                    out[-1] += decoder.decode(b"", final=True)
                decoder.reset()
                out.append(self.token_bytes(token).decode(errors="replace"))
            else:
                out.append(decoder.decode(self.token_bytes(token)))
        if out:
            out[-1] += decoder.decode(b"", final=True)
        return tuple(out)

    def piece(self, token: int) -> str:
        """One token alone, for lists; bytes that are no whole character are written as hexadecimal."""
        raw = self.token_bytes(token)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return "".join(f"<{byte:02X}>" for byte in raw)

    def _with_bos(self, ids: list[int], prepend_bos: bool) -> list[int]:
        if prepend_bos and self.bos_id is not None and ids[:1] != [self.bos_id]:
            return [self.bos_id, *ids]
        return list(ids)

    def _tokens(self, ids: Sequence[int], strings: Sequence[str]) -> Tokens:
        return Tokens(tuple(ids), tuple(strings), tuple(i in self.special_ids for i in ids))

    @cached_property
    def _decoder(self) -> str:
        """The tokenizer's decoder, as its own JSON."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        decoder = getattr(backend, "decoder", None)
        return "" if decoder is None else bytes(decoder.__getstate__()).decode(errors="replace")

    @cached_property
    def _byte_level(self) -> bool:
        return '"ByteLevel"' in self._decoder

    @cached_property
    def _metaspace(self) -> bool:
        return "▁" in self._decoder or '"Metaspace"' in self._decoder


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for the 256 bytes: character → byte (Radford et al. 2019, `bytes_to_unicode`)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES = _byte_alphabet()
