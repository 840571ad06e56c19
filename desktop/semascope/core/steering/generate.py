"""Answer a prompt token by token, with or without steering, from a cache of what the model has already read.

A `Stream` is one answer that someone else steps, so that two of them (baseline and steered) can grow side by side on one
model; `generate` is a stream driven to its end. Nothing is done to the logits but temperature and top-p: no repetition
penalty, no suppressed tokens. Greedy answers are those of transformers' own `generate(do_sample=False)`. What steering
adds to a pass is in `apply`; what it did to the distributions in `measure`.
"""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.steering.answer import Finish, Generation, Token
from semascope.core.steering.apply import Steering
from semascope.core.steering.edits import Edit, Positions

if TYPE_CHECKING:
    from semascope.core.models.model import LanguageModel
    from semascope.core.models.text import TextCodec, Tokens
    from semascope.core.saes.sae import SAE

# Prompt tokens a pass. Larger prompts are read in several passes, between which others may be served; smaller ones in
# one, whose rounding is then that of transformers' own generate.
_PREFILL = 512


def generate(
    model: LanguageModel,
    tokens: Tokens,
    *,
    sae: SAE | None = None,
    edits: Sequence[Edit] = (),
    max_tokens: int = 48,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    positions: Positions = "all",
    skip_special: bool = True,
) -> Generator[Token, None, Generation]:
    """Continue `tokens`; see `Stream` and `Steering` for the arguments. Yields each token as it is chosen."""
    steering = None if sae is None else Steering(sae, edits, positions=positions, skip_special=skip_special)
    stream = Stream(model, tokens, steering, max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed)
    for _ in stream.prefill():
        pass
    while (token := stream.step()) is not None:
        yield token
    return stream.generation()


class Stream:
    """One answer in the making. Drive `prefill` to its end, then call `step` until it gives None.

    Args:
        model: The model; other streams may use it between two steps.
        tokens: The prompt.
        steering: Applied to this stream's passes only; may be replaced between steps.
        max_tokens: The most tokens to produce.
        temperature: 0 takes the likeliest token.
        top_p: Sample from the smallest set of tokens whose probabilities sum to at least this.
        seed: Of a generator of this stream's own. Streams with the same seed draw the same numbers, so they
            part only where their distributions do.

    Raises:
        UserError: The prompt leaves no room in the model's context, a setting makes no sense, or the SAE reads images.
    """

    def __init__(
        self,
        model: LanguageModel,
        tokens: Tokens,
        steering: Steering | None = None,
        *,
        max_tokens: int = 48,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> None:
        if not (temperature >= 0 and 0 < top_p <= 1 and max_tokens >= 1):
            raise UserError(
                "Temperature must be 0 or more, top-p above 0 and at most 1, and at least one token asked for."
            )
        if not 0 < len(tokens) < model.context:
            raise UserError(
                f"The prompt has {len(tokens):,} tokens, and the model's context holds {model.context:,}.",
                "Shorten the prompt." if len(tokens) else "Write some text.",
            )
        towers = [hook for hook in steering.sae.config.reads if hook.tower] if steering and steering.active else []
        if towers:  # else the steered answer would be the baseline, and nobody would know why
            raise UserError(
                f"Text alone never passes {towers[0]} of this model.", "Choose an SAE of the language model."
            )
        self.model = model
        self.prompt = tokens
        self.steering = steering
        self.tokens: list[Token] = []
        self.ids: list[int] = []
        self.finish: Finish | None = None
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._top_p = top_p
        self._random = torch.Generator().manual_seed(seed)
        self._text = _TextStream(model.codec)
        self._cache: Any = None
        self._passed = 0  # tokens that the cache holds
        self._logits: Tensor | None = None  # (vocabulary,) after everything read so far; None: the last id is unread

    @property
    def text(self) -> str:
        """The answer so far, whole characters only."""
        return "".join(token.string for token in self.tokens)

    def prefill(self) -> Iterator[int]:
        """Read the prompt, yielding the number of tokens read."""
        ids, special = self.prompt.ids, self.prompt.special
        for start in range(0, len(ids), _PREFILL):
            stop = min(start + _PREFILL, len(ids))
            self._read(ids[start:stop], special[start:stop], generated=False)
            yield stop

    def step(self) -> Token | None:
        """The next token, or None when the answer has ended (then `finish` says why)."""
        if self.finish is not None:
            return None
        if self._logits is None:
            last = self.ids[-1]
            self._read((last,), (last in self.model.codec.special_ids,), generated=True)
        assert self._logits is not None, "prefill comes first"
        chosen = choose(self._logits, self._temperature, self._top_p, self._random)
        logprob = float(self._logits[chosen] - self._logits.logsumexp(0))
        self._logits = None
        self.ids.append(chosen)
        if chosen in self.model.codec.eos_ids:
            self.finish = "stop"
            return None
        token = Token(chosen, self._text.add(chosen), logprob)
        self.tokens.append(token)
        if len(self.ids) >= self._max_tokens:
            self.finish = "length"
        elif len(self.prompt) + len(self.ids) >= self.model.context:
            self.finish = "context"
        return token

    def generation(self) -> Generation:
        """The finished answer."""
        return Generation(tuple(self.tokens), self.text, tuple(self.ids), self.finish or "length")

    def _read(self, ids: Sequence[int], special: Sequence[bool], generated: bool) -> None:
        """One pass over new ids: fills the cache and `_logits`."""
        batch = torch.tensor([ids], dtype=torch.long)
        if self.steering is None:
            logits, self._cache = self.model.step(batch, self._cache)
        else:
            self.steering.aim(special, [generated] * len(ids), before=self._passed)
            with self.steering.attached(self.model):
                logits, self._cache = self.model.step(batch, self._cache)
        self._passed += len(ids)
        self._logits = logits[0].cpu()  # sampled on the CPU, so that a seed means the same on every device


def choose(logits: Tensor, temperature: float, top_p: float, random: torch.Generator) -> int:
    """A token id drawn from `logits` (vocabulary,), float32 on the CPU."""
    if temperature == 0:
        return int(logits.argmax())
    probabilities = (logits / temperature).softmax(0)
    if top_p < 1:
        ranked, order = probabilities.sort(descending=True)
        beyond = ranked.cumsum(0) - ranked >= top_p  # the tokens before it already hold top_p
        probabilities[order[beyond]] = 0.0
    return int(torch.multinomial(probabilities, 1, generator=random))


class _TextStream:
    """Bytes of tokens to text, holding back a character until its last byte is here."""

    def __init__(self, codec: TextCodec) -> None:
        self._codec = codec
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token: int) -> str:
        """The text that `token` completes; a special token adds none."""
        if token in self._codec.special_ids:
            return self._decoder.decode(b"", final=True)
        return self._decoder.decode(self._codec.token_bytes(token))
