"""What generation and measurement give back. Plain values without torch, so they can cross to the interface as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Finish = Literal["stop", "length", "context"]


@dataclass(frozen=True)
class Token:
    """One token of an answer.

    Attributes:
        id: Its id in the model's vocabulary.
        string: The text it adds. Bytes of a character that is spread over several tokens go to the token that
            completes it, and the earlier ones add "": joined strings never show half a character.
        logprob: Natural logarithm of its probability under the (steered) model, before temperature and top-p.
    """

    id: int
    string: str
    logprob: float


@dataclass(frozen=True)
class Generation:
    """A finished answer.

    Attributes:
        tokens: The answer's tokens, without the one that ended it.
        text: Their strings joined.
        ids: Every id the model produced, the ending one included.
        finish: "stop": the model ended it. "length": the asked number of tokens was reached. "context": the
            model's context is full.
    """

    tokens: tuple[Token, ...]
    text: str
    ids: tuple[int, ...]
    finish: Finish


@dataclass(frozen=True)
class Effect:
    """What an edit does to next-token distributions, in nats; `measure` defines each number.

    Attributes:
        kl: Mean KL(steered ‖ baseline) along the baseline answer.
        random_kl: The same for a push of equal norm, token by token, in one random direction.
        fluency_cost: How much less likely a token of the steered answer is, to the unsteered model, than a token of
            the baseline answer (difference of mean log-probabilities; positive is a cost).
        tokens: Next-token distributions that were compared.
    """

    kl: float
    random_kl: float
    fluency_cost: float
    tokens: int
