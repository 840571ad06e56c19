"""The command line before any work: what opens what, what is instant, and how a wrong one is told."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from semascope import __version__, cli
from semascope.cli import window
from semascope.cli.output import describe, duration, print_json, visible
from semascope.core.progress import Progress


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the window would have been opened on."""
    calls: list[list[str]] = []

    def note(args: object) -> int:
        calls.append(args.paths)  # type: ignore[attr-defined]
        return 0

    monkeypatch.setattr(window, "WINDOW", cli.Command("window", "", window._window_options, note))
    return calls


@pytest.mark.parametrize(
    ("argv", "paths"),
    [
        ([], []),
        (["a.semascope"], ["a.semascope"]),
        (["model", "sae", "harvest"], ["model", "sae", "harvest"]),
        (["window"], ["window"]),  # a path like any other
        (["./demo"], ["./demo"]),
        (["--", "demo"], ["demo"]),
    ],
)
def test_what_is_no_command_is_a_path_for_the_window(
    opened: list[list[str]], argv: list[str], paths: list[str]
) -> None:
    assert cli.main(argv) == 0
    assert opened == [paths]


@pytest.mark.parametrize("argv", [["--basedir", "x", "demo", "--json"], ["demo", "--basedir=x", "--json"]])
def test_basedir_stands_before_or_after_the_command(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMASCOPE_BASEDIR", "elsewhere")
    assert cli.main(argv) == 0
    assert Path(cli.os.environ["SEMASCOPE_BASEDIR"]) == tmp_path / "x"
    assert '"image_model": null' in capsys.readouterr().out


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in cli.COMMANDS:
        with pytest.raises(SystemExit) as end:
            cli.main([name, "--help"])
        assert end.value.code == 0
        assert f"semascope {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["features"], "required: H"),
        (["feature", "h", "-3"], "-3 is less than 0"),
        (["feature", "h", "three"], "invalid whole number value: 'three'"),
        (["activations", "--model", "m", "--sae", "s"], "one of the arguments --text --text-file is required"),
        (["generate", "--model", "m", "--sae", "s", "--prompt", "p", "--clamp", "6"], "“6” is not an edit"),
        (["generate", "--model", "m", "--sae", "s", "--prompt", "p", "--max-tokens", "0"], "0 is less than 1"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(argv)
    err = capsys.readouterr().err
    assert (end.value.code, err.count("\n")) == (2, 1)
    assert words in err
    assert "--help" in err


def test_help_and_version_are_instant_and_load_nothing_heavy() -> None:
    """In processor time, since other programs run beside the tests; torch alone would take seconds."""
    code = (
        "import sys; from semascope.cli import build_parser; build_parser().format_help();"
        "print(sorted({'torch', 'transformers', 'numpy', 'PySide6', 'sqlite3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "semascope", "--version"], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout == f"semascope {__version__}\n"
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.2


def test_progress_is_told_as_a_person_would() -> None:
    told = describe(Progress(620_000, 1_000_000, "tokens", 1940.2, 196.0, "harvesting", {"fvu": 0.2134}))
    assert told == "62 %, 620,000 of 1,000,000 tokens, 1,940 tokens/s, 3 min left, fvu 0.2134, harvesting"
    assert describe(Progress(5, None, "files")) == "5 files"
    assert [duration(s) for s in (3.2, 89, 120, 7500)] == ["3 s", "89 s", "2 min", "2 h 5 min"]


def test_what_json_lacks_becomes_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": [float("inf"), 1.5], 3: ("ü",)})
    assert capsys.readouterr().out == '{"a": null, "b": [null, 1.5], "3": ["ü"]}\n'


def test_json_moves_no_cursor_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["esc\x1b[31m", "rtl\u202egnp", "bad\udc80", "c1\x9b", "日本 é"]
    print_json(names)
    out = capsys.readouterr().out
    assert out.rstrip("\n").isprintable()
    assert "日本 é" in out
    assert json.loads(out) == names


def test_tokens_in_lists_cannot_move_the_cursor() -> None:
    assert visible(" a\tb\n\x1b[2J\r") == "·a⇥b↵�[2J�"
