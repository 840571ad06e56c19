"""The commands that look at files: `identify`, which needs a model only for a self-check, and `session`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semascope.cli.command import Command, add_json, add_reading, at_least
from semascope.cli.loading import load_model, load_sae, reading_of
from semascope.cli.output import amount, harmless, print_facts, print_json, with_progress
from semascope.core.errors import UserError

if TYPE_CHECKING:
    from semascope.core.identify import Identified
    from semascope.core.models.model import LanguageModel

_ALL_FOLDERS = 1 << 20
_TREE_LIMIT = 400  # lines of a release that are printed as text; --json has them all

_SAID_OTHERWISE = frozenset(
    # what a person is told in other words, or does not need to be
    {
        "path", "kind", "problems", "within", "release", "members", "notes", "memory", "asks", "check", "fit", "fits",
        "why", "hook_points", "hook_points_out", "apply_b_dec_to_input", "mask_first", "mask_ids", "prepend_bos",
        "negative_kept", "title", "recognised_by",
    }
)  # fmt: skip


def _identify_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file or folder")
    parser.add_argument("--model", metavar="M", help="say whether each SAE fits this model")
    parser.add_argument("--corpus", nargs="+", metavar="C", help="check on this text whether each SAE is read rightly")
    parser.add_argument("--tokens", type=at_least(1), default=4096, metavar="N", help="tokens to check on (4096)")
    parser.add_argument("--alternatives", action="store_true", help="try other ways of reading whatever the check says")
    parser.add_argument("--device", metavar="D", help="of the check: cpu, cuda, cuda:1 or mps")
    parser.add_argument("--dtype", metavar="T", help="of the model in the check: bf16, fp16 or fp32")
    add_reading(parser)
    add_json(parser)


def _identify(args: argparse.Namespace) -> int:
    from semascope.core.identify import identify

    if args.corpus and not args.model:
        raise UserError("A check needs the model that the SAE was made for.", "Add --model M.")
    found = [identify(path, folders=_ALL_FOLDERS) for path in args.paths]
    reports = [each.as_json() for each in found]
    _add_fits(args, found, reports)
    if args.corpus:
        _add_checks(args, found, reports)
    if args.json:
        print_json(reports)
        return 0
    for number, about in enumerate(reports):
        if number:
            print()
        _print(about)
    return 0


def _add_fits(args: argparse.Namespace, found: Sequence[Identified], reports: Sequence[dict[str, Any]]) -> None:
    """Say of each SAE which of the models it fits."""
    from semascope.core.identify import fit_of, identify

    chosen = identify(args.model) if args.model else None
    if chosen is not None and chosen.kind != "model":
        raise UserError(f"{args.model} is not a model. {' '.join(chosen.problems)}", "Choose a model's folder.")
    models = [*([chosen] if chosen is not None else []), *(each for each in found if each.kind == "model")]
    for each, about in zip(found, reports, strict=True):
        if each.kind == "sae" and models:
            all_fits = [fit_of(each, model, reading_of(args)) for model in models]
            about["fits"] = list(dict.fromkeys(fit["model"] for fit in all_fits if fit["fits"]))
            about["fit"] = all_fits


def _add_checks(args: argparse.Namespace, found: Sequence[Identified], reports: Sequence[dict[str, Any]]) -> None:
    """Check each SAE; one that can't be says why, and the others still are."""
    if not any(each.config is not None for each in found):
        return
    model = load_model(args)
    for each, about in zip(found, reports, strict=True):
        if each.config is not None:
            try:
                about["check"] = _check(args, model, each.path)
            except UserError as error:
                about["check"] = None
                about["problems"].append(f"It could not be checked: {error.sentence}")


def _check(args: argparse.Namespace, model: LanguageModel, path: Path) -> dict[str, Any]:
    from semascope.core.saes.check import self_check

    sae = load_sae(path, args, str(model.device))
    job = self_check(
        model,
        sae,
        args.corpus,
        tokens=args.tokens,
        alternatives=True if args.alternatives else None,
        reading=reading_of(args),
    )
    return with_progress(job, f"checking {path.name}").to_json()


def _print(about: Mapping[str, Any]) -> None:
    """One path, for a person."""
    print(f"{harmless(about['path'])}: {about['kind']}")
    print_facts(_facts(about))
    for note in about.get("notes", ()):
        print(f"  note: {harmless(note)}")
    for problem in about["problems"]:
        print(f"  {harmless(problem)}")
    for fit in about.get("fit", ()):
        _print_fit(fit)
    if about.get("check"):
        _print_check(about["check"])
    if about.get("release"):
        _print_tree(about["release"])
    for member in about.get("members", ()):
        print(f"  member: {harmless(Path(member).name)}")


def _facts(about: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in about.items():
        if name in _SAID_OTHERWISE or value in (None, "", []) or (name, value) in (("scale", 1.0), ("encoders", 1)):
            continue
        yield name.replace("_", " "), {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
    if memory := about.get("memory"):
        words = {"mapped": "left in the file"}
        yield "memory", ", ".join(f"{amount(size)} {words.get(name, name)}" for name, size in memory.items())
    if why := about.get("recognised_by"):
        yield "recognised by", why
    if about.get("asks"):
        yield "asks for", ", ".join(name.replace("_", " ") for name in about["asks"])


def _print_fit(fit: Mapping[str, Any]) -> None:
    print(f"  {'fits' if fit['fits'] else 'does not fit'} {harmless(fit['model'])}")
    for sentence in (*fit["problems"], *fit["remarks"]):
        print(f"    {harmless(sentence)}")


def _print_check(check: Mapping[str, Any]) -> None:
    print(f"  self-check: {check['verdict']}, on {check['tokens']:,} tokens of {harmless(check['corpus'])}")
    for sentence in check["sentences"]:
        print(f"    {harmless(sentence)}")
    rows = [("explained", check["explained"]), ("L0", check["l0"]), ("L0 stated", check["l0_stated"])]
    rows += [("dead share", check["dead_share"]), ("median norm", check["norm"])]
    print("    " + ", ".join(f"{name} {value:.3g}" for name, value in rows if value is not None))
    for each in check["alternatives"]:
        explained, l0 = (math.nan if each[name] is None else each[name] for name in ("explained", "l0"))
        print(f"    {explained:>10.3f}  L0 {l0:>8.1f}  {harmless(each['words'])}")


def _print_tree(release: Sequence[Mapping[str, Any]]) -> None:
    """The SAEs of a release under the folders they lie in."""
    shown: tuple[str, ...] = ()
    for each in release[:_TREE_LIMIT]:
        place = tuple(each["place"])
        same = next(
            (i for i, (a, b) in enumerate(zip(shown, place, strict=False)) if a != b), min(len(shown), len(place))
        )
        for depth in range(min(same, len(place) - 1), len(place) - 1):
            print(f"  {'  ' * depth}{harmless(place[depth])}/")
        l0 = "" if each["l0"] is None else f", L0 {each['l0']:g}"
        features = f"{each['features']:,} features" if each["features"] else ""
        facts = [each["format"], each["architecture"], each["hook_point"], features]
        said = harmless(each["problem"] or f"{', '.join(filter(None, facts))}{l0}")
        print(f"  {'  ' * (len(place) - 1)}{harmless(place[-1])}: {said}")
        shown = place[:-1]
    if len(release) > _TREE_LIMIT:
        print(f"  … and {len(release) - _TREE_LIMIT:,} more (--json lists all)")


IDENTIFY = Command(
    "identify", "say what files and folders are, and whether an SAE is read rightly", _identify_options, _identify
)


def _session_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .semascope file")
    add_json(parser)


def _session(args: argparse.Namespace) -> int:
    from semascope.core.session.summary import lines, summarise

    summary = summarise(args.file)
    if args.json:
        print_json(summary)
    else:
        print("\n".join(lines(summary)))
    return 0


SESSION = Command("session", "say what a session holds", _session_options, _session)
