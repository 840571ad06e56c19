"""Tokens by id, strings that join to the text, BOS and chat templates, on the demo's tokenizer and on small built ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from semascope.core.errors import UserError
from semascope.core.models.text import TextCodec

TEXTS = [
    "The Golden Gate Bridge, 1937.",
    "  two spaces\n\n\tand a tab ",
    "日本語とemoji 🌉🇫🇷 and naïve café",
    "اللغة العربية",
    "x = {'a': [1, 2]}  # comment",
    "",
]


@pytest.fixture(scope="module")
def codec(demo_model_path: Path) -> TextCodec:
    return TextCodec(AutoTokenizer.from_pretrained(demo_model_path))


def _sentencepiece_like() -> TextCodec:
    """A word model as Llama 2 has it: ▁ for spaces, <0x0A> for bytes, and a BOS with id 0."""
    words = ["<s>", "</s>", "▁Hello", "▁world", "▁", "a", "b", *(f"<0x{byte:02X}>" for byte in range(256))]
    backend = Tokenizer(
        models.BPE(
            vocab={word: i for i, word in enumerate(words)},
            merges=[],
            byte_fallback=True,
            ignore_merges=True,
            unk_token="<s>",
        )
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return TextCodec(PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>"))


@pytest.mark.parametrize("text", TEXTS)
def test_strings_join_to_the_text(codec: TextCodec, text: str) -> None:
    tokens = codec.encode(text)
    assert "".join(tokens.strings) == text
    assert tokens.ids == tuple(codec.tokenizer(text)["input_ids"])
    assert len(tokens.strings) == len(tokens.special) == len(tokens)


def test_a_character_of_several_tokens_goes_to_the_last_of_them(codec: TextCodec) -> None:
    tokens = codec.encode("🌉")
    assert len(tokens) > 1
    assert tokens.strings == ("",) * (len(tokens) - 1) + ("🌉",)
    assert codec.piece(tokens.ids[0]).startswith("<") or codec.piece(tokens.ids[0]) == " "


def test_special_tokens_are_known_by_id(codec: TextCodec) -> None:
    tokens = codec.encode("<|im_start|>user")
    assert tokens.special[0]
    assert not any(tokens.special[1:])
    assert not any(codec.encode("a word like <s> is no special token here").special)


def test_bos_is_put_in_front_once(codec: TextCodec) -> None:
    assert codec.encode("hello", prepend_bos=True).ids[0] == codec.bos_id == 1
    assert codec.encode("<|im_start|>hello", prepend_bos=True).ids.count(1) == 1
    assert 1 not in codec.encode("hello").ids


def test_bos_with_id_zero_counts() -> None:
    codec = _sentencepiece_like()
    assert codec.bos_id == 0
    tokens = codec.encode("Hello world", prepend_bos=True)
    assert tokens.ids[0] == 0
    assert tokens.special == (True, False, False)


def test_sentencepiece_strings_have_their_spaces_and_bytes() -> None:
    codec = _sentencepiece_like()
    assert codec.encode("Hello world").strings == ("Hello", " world")
    assert codec.token_bytes(codec.tokenizer.convert_tokens_to_ids("<0x0A>")) == b"\n"
    assert codec.strings([codec.tokenizer.convert_tokens_to_ids(f"<0x{byte:02X}>") for byte in "é".encode()]) == (
        "",
        "é",
    )


def test_chat_is_the_models_own_template(codec: TextCodec) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    tokens = codec.chat(messages)
    written = codec.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert "".join(tokens.strings) == written
    assert [t for t, s in zip(tokens.strings, tokens.special, strict=True) if s] == [
        "<|im_start|>",
        "<|im_end|>",
    ] * 2 + ["<|im_start|>"]


def test_a_model_without_a_template_says_so() -> None:
    with pytest.raises(UserError, match="no chat template"):
        _sentencepiece_like().chat([{"role": "user", "content": "Hi"}])
