"""The commands that open the window: `semascope [PATH ...]` and `semascope demo`."""

from __future__ import annotations

import argparse
from pathlib import Path

from semascope import paths
from semascope.cli.command import Command
from semascope.cli.output import print_json


def demo_paths() -> dict[str, Path | None]:
    """Where the parts of the embedded demo are; None for one that is not here."""
    folder = paths.demo_dir()
    parts = {
        "sae": folder / "sae",
        "harvest": folder / "harvest",
        "corpus": folder / "corpus" / "sample.jsonl",
        "session": folder / "demo.semascope",
    }
    found = {name: path if path.exists() else None for name, path in parts.items()}
    return {"model": paths.demo_model(), **found, "image_model": None, "image_sae": None}


def _add_screenshot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--screenshot", type=Path, metavar="PNG", help="without a screen: draw the window, write this picture, and end"
    )


def _demo_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="open nothing, print where the demo's parts are")
    _add_screenshot(parser)


def _demo(args: argparse.Namespace) -> int:
    if args.json:
        print_json({name: path and str(path.resolve()) for name, path in demo_paths().items()})
        return 0
    from semascope.ui.application import run

    return run([], demo=True, screenshot=args.screenshot)


DEMO = Command("demo", "open the window on the embedded demo", _demo_options, _demo, cancelled="the window was closed.")


def _window_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", metavar="PATH", help="a session, model, SAE, harvest or corpus to open")
    _add_screenshot(parser)


def _window(args: argparse.Namespace) -> int:
    from semascope.ui.application import run

    return run([Path(path) for path in args.paths], screenshot=args.screenshot)


WINDOW = Command("window", "open the window", _window_options, _window, cancelled="the window was closed.")
