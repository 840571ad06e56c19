"""The commands around a harvest: make one (`harvest`), search it (`features`), read one feature (`feature`)."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from semascope.cli.command import Command, add_json, add_model, add_sae, at_least
from semascope.cli.loading import load_pair
from semascope.cli.output import amount, duration, print_json, print_table, visible, with_progress


def _harvest_options(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_sae(parser)
    parser.add_argument("--corpus", required=True, nargs="+", metavar="C", help="files or folders of text")
    parser.add_argument("--out", required=True, metavar="H", help="the harvest's folder, which must not exist yet")
    parser.add_argument("--tokens", type=at_least(1), metavar="N", help="stop after so many tokens")
    parser.add_argument("--context", type=at_least(2), default=128, metavar="N", help="tokens a context (128)")
    parser.add_argument("--batch-tokens", type=at_least(1), metavar="N", help="tokens at once; changes speed only")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted harvest")
    add_json(parser)


def _harvest(args: argparse.Namespace) -> int:
    model, sae = load_pair(args)
    corpus = [Path(path) for path in args.corpus]
    _announce(corpus, args.tokens, sae.config.features)

    from semascope.core.harvest.run import harvest

    job = harvest(
        model,
        sae,
        corpus,
        Path(args.out),
        tokens=args.tokens,
        context=args.context,
        batch_tokens=args.batch_tokens,
        resume=args.resume,
    )
    summary = asdict(with_progress(job, "harvest"))
    if args.json:
        print_json(summary)
    else:
        print(
            f"{args.out}: {summary['tokens']:,} tokens in {summary['contexts']:,} contexts, "
            f"{summary['alive']:,} of {summary['features']:,} features alive, {duration(summary['seconds'])}"
        )
    return 0


def _announce(corpus: list[Path], limit: int | None, features: int) -> None:
    """Say beforehand what it will take."""
    from semascope.core.corpus.readers import corpus_files
    from semascope.core.harvest.settings import estimate

    guess = sum(file.stat().st_size for file in corpus_files(corpus) if file.is_file()) // 3  # bytes a token, or more
    if not guess:
        return  # the harvest itself says what is wrong with such a corpus
    tokens = min(limit or guess, guess)
    cost = estimate(features, tokens)
    print(
        f"harvest: up to {tokens:,} tokens; at most {amount(cost.memory)} of memory and {amount(cost.disk)} of disk",
        file=sys.stderr,
    )


HARVEST = Command(
    "harvest",
    "run a corpus through a model and its SAE, and keep statistics and examples of every feature",
    _harvest_options,
    _harvest,
    cancelled="nothing is half-written. Add --resume to go on from what was kept.",
)


def _features_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("harvest", metavar="H", help="a harvest's folder")
    parser.add_argument("--text", default="", metavar="Q", help="those with this text in their label or a top token")
    parser.add_argument("--promotes", default="", metavar="TOKEN", help="those that make the model say this token")
    parser.add_argument("--like", type=at_least(0), metavar="ID", help="those nearest to this feature")
    parser.add_argument(
        "--where", default="", metavar="FILTER", help="those for which it holds, such as 'density<1%% max>5 alive'"
    )
    parser.add_argument(
        "--sort",
        choices=("density", "max", "id"),
        default="",
        help="ids ascend, all else descends (by nearness with --like, effect with --promotes, else density)",
    )
    parser.add_argument("--limit", type=at_least(0), default=20, metavar="N", help="how many; 0 for all (20)")
    add_json(parser)


def _features(args: argparse.Namespace) -> int:
    from semascope.core.features.records import features_record
    from semascope.core.harvest.store import Harvest

    found = features_record(
        Harvest.open(args.harvest),
        text=args.text,
        promotes=args.promotes,
        like=args.like,
        where=args.where,
        sort=args.sort,
        limit=args.limit or None,
    )
    if args.json:
        print_json(found)
        return 0
    rows = [("id", "density", "max", "label", "top tokens")]
    for row in found["features"]:
        tokens = " ".join(visible(token) for token in row["top_tokens"])
        rows.append((str(row["id"]), f"{100 * row['density']:.3f} %", f"{row['max']:.2f}", row["label"], tokens))
    print_table(rows, ">>><<")
    print(f"{len(found['features']):,} of {found['total']:,} features")
    return 0


FEATURES = Command("features", "list and search the features of a harvest", _features_options, _features)


def _feature_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("harvest", metavar="H", help="a harvest's folder")
    parser.add_argument("feature", type=at_least(0), metavar="ID", help="the feature's id")
    add_json(parser)


def _feature(args: argparse.Namespace) -> int:
    from semascope.core.features.records import feature_record
    from semascope.core.harvest.store import Harvest

    record = feature_record(Harvest.open(args.harvest), args.feature)
    if args.json:
        print_json(record)
        return 0
    print(f"feature {record['id']}  {record['label']}".rstrip())
    print(f"fires on {100 * record['density']:.3f} % of tokens, max {record['max']:.3g}, mean {record['mean']:.3g}")
    for sign, verb in (("positive", "makes more likely"), ("negative", "makes less likely")):
        print(f"{verb}: " + "  ".join(f"{visible(token)} {value:+.2f}" for token, value in record["logits"][sign]))
    print("nearest: " + "  ".join(f"{feature} ({cosine:.2f})" for feature, cosine in record["neighbours"]))
    for example in record["examples"]:
        # The token of the peak stands in brackets.
        text = "".join(
            f"[{visible(token)}]" if at == example["position"] else visible(token)
            for at, token in enumerate(example["tokens"])
        )
        print(f"{example['activation']:8.2f}  {text.replace('·', ' ')}")
    return 0


FEATURE = Command("feature", "read one feature of a harvest", _feature_options, _feature)
