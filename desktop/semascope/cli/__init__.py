"""The command line: parse, call core, print. The entry point is `main`; each group of commands has its file.

Nothing here imports torch, transformers, Qt or numpy until a command needs it, so that `--help` is instant. One document of
JSON or readable text goes to stdout, progress and errors to stderr. Exit status: 0; 1 for an error that is told in one
line; 2 for a wrong command line; 130 after Ctrl+C.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from semascope import __version__, paths
from semascope.cli import dictionaries, harvests, inspection, models, window
from semascope.cli.command import Command

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        window.DEMO,
        inspection.IDENTIFY,
        harvests.HARVEST,
        harvests.FEATURES,
        harvests.FEATURE,
        models.ACTIVATIONS,
        models.GENERATE,
        dictionaries.TRAIN,
        dictionaries.CONVERT,
        inspection.SESSION,
    )
}

_BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a token or a path may hold what this terminal can't show
            stream.reconfigure(errors="backslashreplace")
    args = build_parser().parse_args(_with_command(list(sys.argv[1:] if argv is None else argv)))
    if basedir := getattr(args, "basedir", ""):
        paths.set_basedir(basedir)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' advice to programmers
    command: Command = args.command
    try:
        status = command.run(args)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        _complain(f"Cancelled; {command.cancelled}")
        return 130
    except BrokenPipeError:
        # Whoever read us has enough; the interpreter's own flush at exit must not complain about it either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:
        return _failed(error, command)


class _Parser(argparse.ArgumentParser):
    """Tells a wrong command line in one line; the usage is a word away."""

    def error(self, message: str) -> NoReturn:
        """See argparse."""
        self.exit(2, f"{self.prog}: {message.rstrip('.')}. See {self.prog} --help.\n")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line. Opening the window is the command without a name."""
    common = argparse.ArgumentParser(add_help=False)
    # Before or after the command's name; suppressed, so that the one not given doesn't undo the other.
    where = "keep settings, sessions and models in this folder"
    common.add_argument("--basedir", metavar="DIR", default=argparse.SUPPRESS, help=where)
    parser = _Parser(
        prog="semascope",
        parents=[common],
        usage="semascope [PATH ...] | semascope COMMAND ...",
        description="A desktop microscope for the concepts inside local AI models. "
        "Without a command, a window opens on the given sessions, models, SAEs and harvests.",
        epilog="semascope COMMAND --help tells more.",
    )
    parser.add_argument("--version", action="version", version=f"semascope {__version__}")
    commands = parser.add_subparsers(title="commands", prog="semascope", metavar="COMMAND", required=True)
    for command in (*COMMANDS.values(), window.WINDOW):
        settings: dict[str, Any] = {"parents": [common], "description": _sentence(command.help), "allow_abbrev": False}
        if command is not window.WINDOW:  # argparse lists the commands that have a help
            settings["help"] = command.help
        sub = commands.add_parser(command.name, **settings)
        command.options(sub)
        sub.set_defaults(command=command)
    return parser


def _with_command(argv: list[str]) -> list[str]:
    """`argv` with the window's name put in where no command is named."""
    at = 0
    while at < len(argv) and argv[at].startswith("-") and argv[at] != "--":
        if argv[at] in ("-h", "--help", "--version"):
            return argv
        at += 2 if argv[at] == "--basedir" else 1
    if at < len(argv) and argv[at] in COMMANDS:
        return argv
    return [window.WINDOW.name, *argv]


def _failed(error: Exception, command: Command) -> int:
    """Tell what went wrong in one line; the details of a fault of ours are a variable away."""
    from semascope.jobs.failure import EngineFailure, understand

    if os.environ.get("SEMASCOPE_DEBUG"):
        traceback.print_exc()
    understood = understand(error, f"semascope {command.name}")
    hint = "Set SEMASCOPE_DEBUG=1 to see the details." if isinstance(understood, EngineFailure) else understood.hint
    _complain(f"{understood.sentence} {hint}")
    with contextlib.suppress(OSError):  # stdout may be what failed
        sys.stdout.flush()
    return 1


def _complain(line: str) -> None:
    """One line on stderr."""
    with contextlib.suppress(OSError):
        print(f"semascope: {' '.join(line.split())}", file=sys.stderr)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
