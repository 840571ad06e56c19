"""What a command is, and the options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One word of the command line.

    Attributes:
        name: The word. help: What it does, for the list of commands.
        options: Adds its options to a parser.
        run: Does it, and returns the exit status.
        cancelled: What to say after "Cancelled; " when Ctrl+C stopped it.
    """

    name: str
    help: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    cancelled: str = "nothing was written."


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")


def add_model(parser: argparse.ArgumentParser) -> None:
    """--model, --device, --dtype."""
    parser.add_argument("--model", required=True, metavar="M", help="a model's folder (safetensors), or a GGUF file")
    parser.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 or mps; the best one here by default")
    parser.add_argument("--dtype", metavar="T", help="bf16, fp16 or fp32; by default what is fast on the device")


def add_sae(parser: argparse.ArgumentParser) -> None:
    """--sae, and how it is read."""
    parser.add_argument("--sae", required=True, metavar="S", help="an SAE of this model")
    add_reading(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How an SAE is read, where its files don't say or say wrongly: --hook, --processing …"""
    group = parser.add_argument_group("reading an SAE otherwise than its files say")
    group.add_argument("--hook", metavar="H", help="where it reads, such as resid_post.15, or mlp_in.0-25")
    group.add_argument("--hook-out", metavar="H", help="where a transcoder writes")
    group.add_argument("--processing", choices=("raw", "centred", "folded"), help="in what form it takes activations")
    group.add_argument("--input-scale", type=float, metavar="X", help="multiply activations by this first")
    group.add_argument(
        "--normalize",
        choices=("none", "expected_average_only_in", "constant_norm_rescale", "layer_norm"),
        help="what is done to each activation first",
    )
    group.add_argument("--threshold-factor", type=float, metavar="X", help="multiply its thresholds by this")
    group.add_argument("--sae-dtype", metavar="T", help="what the SAE computes in: fp32 (the default), bf16 or fp16")
    group.add_argument("--mapped", action="store_true", default=None, help="leave the SAE's matrices in their file")


def at_least(least: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number from `least` up."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return value

    number.__name__ = "whole number"  # argparse says "invalid whole number value"
    return number
