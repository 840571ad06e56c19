"""A model and its SAE for the commands that run them, with the wait told on a terminal."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semascope.core.models.model import LanguageModel
    from semascope.core.saes.sae import SAE


def load_model(args: argparse.Namespace) -> LanguageModel:
    """The model of --model, --device and --dtype."""
    with _waiting("loading PyTorch and the model"):
        from semascope.core.models.open import open_model

        return open_model(args.model, args.device, args.dtype)


def load_pair(args: argparse.Namespace) -> tuple[LanguageModel, SAE]:
    """The model, and the SAE of --sae on its device, made sure of that they fit."""
    from semascope.core.fit import fit

    with _waiting("loading PyTorch and the SAE"):
        from semascope.core.saes import open_sae

        sae = open_sae(args.sae)  # first: it is the smaller one, and the likelier to be wrong
    model = load_model(args)
    fit(model, sae)
    return model, sae if model.device == sae.device else open_sae(args.sae, device=str(model.device))


@contextlib.contextmanager
def _waiting(for_what: str) -> Iterator[None]:
    """Say what is waited for, on a terminal, and wipe it afterwards."""
    tty = sys.stderr.isatty()
    if tty:
        print(f"{for_what} …", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if tty:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
