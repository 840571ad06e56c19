"""What went wrong in the lane, told to people: any exception as a UserError or an EngineFailure. No torch is imported."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Callable

from semascope.core.errors import UserError, from_os_error

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")


class EngineFailure(Exception):
    """A fault of the program, not of the user: one sentence, and the details for a report.

    Attributes:
        sentence, hint: As UserError has them.
        details: The traceback as text.
    """

    def __init__(self, sentence: str, hint: str, details: str) -> None:
        super().__init__(sentence, hint)
        self.sentence = sentence
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return f"{self.sentence} {self.hint}".strip()


def understand(error: BaseException, title: str = "") -> UserError | EngineFailure:
    """The error as a person should meet it; memory that an out-of-memory error still holds is freed first."""
    doing = f"finish “{title}”" if title else "finish the request"
    if isinstance(error, (UserError, EngineFailure)):
        return error
    if _is_out_of_memory(error):
        error.__traceback__ = None  # the frames hold the tensors
        free_memory()
        return UserError(
            f"There was not enough memory to {doing}.",
            "Close other programs, choose a smaller context or batch, or another device.",
        )
    if isinstance(error, OSError) and error.errno is not None:
        return from_os_error(error, doing)
    details = "".join(traceback.format_exception(error))
    return EngineFailure(
        f"Something went wrong inside the program: {type(error).__name__}.",
        "Your work is kept. The details can be copied for a report.",
        details,
    )


# A window puts its own in here: what belongs to Qt must not be freed on the engine's thread.
collect: Callable[[], object] = gc.collect


def free_memory() -> None:
    """Give back what can be given back, on the device too."""
    collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "AcceleratorError"):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _NO_MEMORY)
