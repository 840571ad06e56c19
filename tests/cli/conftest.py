"""Commands run in this process, as `semascope` would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from semascope import cli

Run = Callable[..., Any]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must succeed, and give back its JSON document, or its text without --json."""

    def call(*argv: object) -> Any:
        status = cli.main([str(word) for word in argv])
        printed = capsys.readouterr()
        assert status == 0, printed.err
        return json.loads(printed.out) if "--json" in argv else printed.out

    return call


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must fail, and give back the one line it says."""

    def call(*argv: object) -> str:
        assert cli.main([str(word) for word in argv]) == 1
        printed = capsys.readouterr()
        lines = [line for line in printed.err.splitlines() if not line.startswith(("harvest: ", "train: "))]
        assert (printed.out, len(lines)) == ("", 1), printed.err
        assert lines[0].startswith("semascope: ")
        assert "Traceback" not in lines[0]
        return lines[0]

    return call


@pytest.fixture
def pair(demo_model_path: Path, small_sae_path: Path) -> tuple[object, ...]:
    return ("--model", demo_model_path, "--sae", small_sae_path, "--device", "cpu")
