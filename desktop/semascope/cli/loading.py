"""A model and its SAE for the commands that run them, with the wait told on a terminal."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semascope.core.models.model import LanguageModel
    from semascope.core.saes.reading import Reading
    from semascope.core.saes.sae import SAE


def load_model(args: argparse.Namespace) -> LanguageModel:
    """The model of --model, --device and --dtype."""
    with waiting("loading PyTorch and the model"):
        from semascope.core.models.open import open_model

        return open_model(args.model, args.device, args.dtype)


def load_pair(args: argparse.Namespace) -> tuple[LanguageModel, SAE]:
    """The model, and the SAE of --sae on its device, made sure of that they fit."""
    from semascope.core.fit import fit

    sae = load_sae(args.sae, args)  # first: it is the smaller one, and the likelier to be wrong
    model = load_model(args)
    fit(model, sae)
    return model, sae if model.device == sae.device else load_sae(args.sae, args, str(model.device))


def load_sae(path: str | Path, args: argparse.Namespace, device: str | None = None) -> SAE:
    """An SAE, read as the options say (`command.add_reading`)."""
    with waiting("loading PyTorch and the SAE"):
        from semascope.core.saes.opening import open_sae

        return open_sae(path, device, args.sae_dtype, mapped=args.mapped, reading=reading_of(args))


def reading_of(args: argparse.Namespace) -> Reading:
    """The reading of --hook, --hook-out, --processing, --input-scale, --normalize and --threshold-factor.

    Raises:
        UserError: They name no place, or the scale is none.
    """
    from semascope.core.models.hookpoint import parse_hooks
    from semascope.core.saes.reading import Reading

    return Reading(
        parse_hooks(args.hook) if args.hook else (),
        parse_hooks(args.hook_out) if args.hook_out else (),
        args.processing,
        args.input_scale,
        args.normalize,
        args.threshold_factor,
    )


@contextlib.contextmanager
def waiting(for_what: str) -> Iterator[None]:
    """Say what is waited for, on a terminal, and wipe it afterwards."""
    tty = sys.stderr.isatty()
    if tty:
        print(f"{for_what} …", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if tty:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
