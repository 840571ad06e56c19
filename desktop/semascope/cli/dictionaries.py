"""The commands that make a dictionary: `train` learns one, `convert` writes one in SAELens' format."""

from __future__ import annotations

import argparse
from pathlib import Path

from semascope.cli.command import Command, add_json, add_model, add_reading, at_least
from semascope.cli.loading import load_model, load_sae, waiting
from semascope.cli.output import amount, harmless, print_json, with_progress


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


_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def _convert_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sae", metavar="SAE", help="an SAE of any release that opens")
    parser.add_argument("out", metavar="OUT", help="the folder to make, which must not exist yet")
    what = "how numbers are stored; by default as they were, where that loses nothing, else fp32"
    parser.add_argument("--dtype", choices=tuple(_DTYPES), help=what)
    add_reading(parser)
    add_json(parser)


def _convert(args: argparse.Namespace) -> int:
    from semascope.core.saes.save import check_place, save_saelens

    out = Path(args.out).expanduser()
    check_place(out)  # before gigabytes are read
    sae = load_sae(args.sae, args, "cpu")
    with waiting(f"writing {out.name}"):
        save_saelens(sae, out, dtype=_DTYPES.get(args.dtype, ""))

    from semascope.core.saes.elsewhere import in_saelens

    size = sum(file.stat().st_size for file in out.iterdir())
    remarks = in_saelens(sae.config)
    if args.json:
        print_json(
            {
                "out": str(out),
                "bytes": size,
                "converted_from": sae.config.format,
                "architecture": sae.config.architecture,
                "saelens": {"reads": not remarks, "remarks": remarks},
            }
        )
        return 0
    print(f"{harmless(str(out))}: {sae.config.architecture}, {sae.config.features:,} features, {amount(size)}")
    for remark in remarks:
        print(f"  {harmless(remark)}")
    return 0


CONVERT = Command("convert", "write any SAE that opens as a SAELens folder, losing nothing", _convert_options, _convert)
