"""The commands that run a model: `activations` and `generate`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from semascope.cli.command import Command, add_json, add_model, add_sae, at_least
from semascope.cli.loading import load_pair
from semascope.cli.output import print_json, print_table, visible
from semascope.core.errors import UserError, from_os_error
from semascope.core.steering.edits import MODES, Edit, checked, parse_edit

_LONGEST_FILE = 16 << 20  # bytes; far beyond any model's context


def _activations_options(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_sae(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", metavar="T", help="the text to run")
    source.add_argument("--text-file", metavar="F", help="a UTF-8 file with the text to run")
    parser.add_argument(
        "--feature", type=at_least(0), nargs="+", action="extend", metavar="ID", help="these features and no others"
    )
    parser.add_argument("--top", type=at_least(1), default=10, metavar="N", help="how many of the strongest (10)")
    add_json(parser)


def _activations(args: argparse.Namespace) -> int:
    from semascope.core.activations import activations_of
    from semascope.core.prompt import prompt_tokens

    text = args.text if args.text_file is None else _read(Path(args.text_file))
    model, sae = load_pair(args)
    found = activations_of(model, sae, prompt_tokens(model, sae, text), args.feature)
    report = found.report(args.feature, args.top)
    if args.json:
        print_json(report)
        return 0
    print_table(
        [("feature", "max", "at", "token")]
        + [
            (row["id"], f"{row['max']:.3g}", row["position"], visible(found.strings[row["position"]]))
            if row["position"] is not None
            else (row["id"], "silent", "", "")
            for row in report["features"]
        ],
        ">>><",
    )
    return 0


def _read(path: Path) -> str:
    """The text of a file."""
    try:
        if path.stat().st_size > _LONGEST_FILE:
            raise UserError(
                f"{path.name} is larger than any model can read at once.", "Harvest it as a corpus instead."
            )
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path.name} is not text in UTF-8.", "Convert it first.") from None
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error


ACTIVATIONS = Command(
    "activations",
    "what fires on a text: every token's activation of its strongest or of chosen features",
    _activations_options,
    _activations,
)


def _generate_options(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_sae(parser)
    parser.add_argument("--prompt", required=True, metavar="T", help="the text to continue")
    parser.add_argument("--chat", action="store_true", help="put the prompt to the model as a user's message")
    what = {
        "clamp": "set a feature's activation to VALUE on every token",
        "scale": "multiply a feature's activation by FACTOR",
        "ablate": "set a feature's activation to 0",
        "add": "add VALUE to a feature's activation",
    }
    shape = {"clamp": "ID=VALUE", "scale": "ID=FACTOR", "ablate": "ID", "add": "ID=VALUE"}
    for mode in MODES:
        # One list for all modes, so that the edits keep the order in which they were written.
        parser.add_argument(
            f"--{mode}",
            dest="edits",
            type=partial(_edit, mode),
            nargs="+",
            action="extend",
            default=[],
            metavar=shape[mode],
            help=what[mode],
        )
    parser.add_argument("--max-tokens", type=at_least(1), default=48, metavar="N", help="the most new tokens (48)")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of the sampling (0)")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="X", help="0, the default, is greedy")
    parser.add_argument("--top-p", type=float, default=1.0, metavar="X", help="sample from this much probability (1)")
    add_json(parser)


def _edit(mode: str, text: str) -> Edit:
    try:
        return parse_edit(text, mode)  # type: ignore[arg-type]
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _generate(args: argparse.Namespace) -> int:
    from semascope.core.prompt import prompt_tokens
    from semascope.core.steering.answer import Generation
    from semascope.core.steering.generate import generate

    model, sae = load_pair(args)
    edits = checked(args.edits, sae.config.features)
    tokens = (
        prompt_tokens(model, sae, messages=[("user", args.prompt)])
        if args.chat
        else prompt_tokens(model, sae, args.prompt)
    )

    def answer(edits: tuple[Edit, ...]) -> Generation:
        """One answer, printed as it grows unless it goes into a document."""
        stream = generate(
            model,
            tokens,
            sae=sae,
            edits=edits,
            max_tokens=args.max_tokens,
            temperature=args.temperature,
            top_p=args.top_p,
            seed=args.seed,
        )
        while True:
            try:
                token = next(stream)
            except StopIteration as end:
                finished: Generation = end.value
                return finished
            if not args.json:
                print(token.string, end="", flush=True)

    if not args.json and edits:
        print("baseline")
    baseline = answer(())
    if not args.json and edits:
        print("\n\nsteered")
    steered = answer(edits) if edits else baseline
    if not args.json:
        print()
        return 0
    print_json(
        {
            "prompt": args.prompt,
            "text": steered.text,
            "tokens": [token.string for token in steered.tokens],
            "logprobs": [token.logprob for token in steered.tokens],
            "clamps": {str(edit.feature): edit.value for edit in args.edits if edit.mode == "clamp"},
            "edits": [{"feature": edit.feature, "mode": edit.mode, "value": edit.value} for edit in args.edits],
            "finish": steered.finish,
            "baseline_text": baseline.text,
        }
    )
    return 0


GENERATE = Command(
    "generate", "continue a prompt as the model is and with features steered", _generate_options, _generate
)
