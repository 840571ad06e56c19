"""The commands that look at files and need no model: `identify` and `session`."""

from __future__ import annotations

import argparse

from semascope.cli.command import Command, add_json
from semascope.cli.output import print_json


def _identify_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file or folder")
    add_json(parser)


def _identify(args: argparse.Namespace) -> int:
    from semascope.core.identify import identify

    found = [identify(path).as_json() for path in args.paths]
    if args.json:
        print_json(found)
        return 0
    for about in found:
        print(f"{about['path']}: {about['kind']}")
        for name, value in about.items():
            if name not in ("path", "kind", "problems", "within") and value not in (None, ""):
                print(f"  {name.replace('_', ' ')}: {value}")
        for problem in about["problems"]:
            print(f"  {problem}")
    return 0


IDENTIFY = Command("identify", "say what files and folders are", _identify_options, _identify)


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
