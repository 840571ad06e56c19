"""The command that makes a dictionary: `train`."""

from __future__ import annotations

import argparse
from pathlib import Path

from semascope.cli.command import Command, add_json, add_model, at_least
from semascope.cli.loading import load_model
from semascope.cli.output import print_json, with_progress


def _train_options(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--hook", required=True, metavar="H", help="where to read the model, such as resid_post.15")
    parser.add_argument("--corpus", required=True, nargs="+", metavar="C", help="files or folders of text")
    parser.add_argument("--features", required=True, type=at_least(1), metavar="N", help="how many features to learn")
    parser.add_argument("--out", required=True, metavar="S", help="the SAE's folder, which must not exist yet")
    parser.add_argument("--tokens", type=at_least(1), metavar="N", help="tokens to learn from; one pass by default")
    parser.add_argument("--k", type=at_least(1), default=32, help="mean number of active features a token (32)")
    parser.add_argument("--architecture", choices=("batchtopk", "topk"), default="batchtopk")
    parser.add_argument(
        "--held-out", nargs="+", metavar="C", help="text to measure on; a part of the corpus by default"
    )
    parser.add_argument("--context", type=at_least(2), default=128, metavar="N", help="tokens a context (128)")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of shuffling and of the start (0)")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted training")
    add_json(parser)


def _train(args: argparse.Namespace) -> int:
    from semascope.core.models.hookpoint import HookPoint

    hook = HookPoint.parse(args.hook)
    model = load_model(args)

    from semascope.core.training.train import TrainSettings, train

    settings = TrainSettings(
        hook=hook,
        features=args.features,
        k=args.k,
        architecture=args.architecture,
        tokens=args.tokens,
        context=args.context,
        seed=args.seed,
    )
    job = train(
        model,
        [Path(path) for path in args.corpus],
        Path(args.out),
        settings,
        held_out=[Path(path) for path in args.held_out] if args.held_out else None,
        resume=args.resume,
    )
    result = with_progress(job, "train")
    quality = vars(result.quality)
    if args.json:
        print_json({"out": str(result.out), "tokens": result.tokens, "held_out": quality})
    else:
        print(f"{result.out}: learned from {result.tokens:,} tokens")
        for name, value in quality.items():
            print(f"  {name.replace('_', ' ')}: {value:,.4g}")
    return 0


TRAIN = Command(
    "train",
    "learn a new SAE from a model on a local corpus",
    _train_options,
    _train,
    cancelled="what was learned is kept; add --resume to go on.",
)
