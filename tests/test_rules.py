"""The rules of the house, each with the reason why it is one. What a rule forbids fails here, not in a review."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

Node = TypeVar("Node", bound=ast.AST)

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "desktop" / "semascope"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 500  # lines; half of them have fewer than 120

TORCH_ROOMS = (
    # The rooms that compute. Everything else must open, list and show without waiting seconds for torch.
    "semascope.core.models",
    "semascope.core.saes",
    "semascope.core.steering",
    "semascope.core.training",
)
TORCH_MODULES = (
    "semascope.core.harvest.forward",
    "semascope.core.harvest.passing",
    "semascope.core.harvest.run",
)
SOCKETS_WITHIN = ("semascope.ui.interrupts",)  # a pair of sockets inside the process wakes the event loop


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = [module_name(path) for path in SOURCES]


def needs_torch(name: str) -> bool:
    return name in TORCH_MODULES or any(name.startswith(room + ".") for room in TORCH_ROOMS)


def tracked_files() -> list[Path]:
    """The files of the repository, or (in an archive without git) all that is not built."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    built = {".venv", "build", "dist", "__pycache__"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not built & set(path.relative_to(ROOT).parts)]


def run_python(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


# --- what may import what ------------------------------------------------------------------------------------------


def test_arrows_point_down() -> None:
    """The contracts of pyproject.toml: layers, no Qt in the engine, panels that do not know each other."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_outside_the_torch_rooms_imports_torch() -> None:
    """The window is on the screen, and a harvest can be read, before torch's four seconds are spent."""
    assert set(TORCH_MODULES) <= set(NAMES), "a module of that list is gone"
    names = [name for name in NAMES if not needs_torch(name)]
    run_python(
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    heavy = {'torch', 'transformers'} & sys.modules.keys()\n"
        "    assert not heavy, f'{name} imports {heavy}'"
    )


def test_core_runs_with_qt_uninstalled() -> None:
    """The engine's second face is a server without a screen."""
    names = [name for name in NAMES if name.startswith("semascope.core") or name == "semascope.paths"]
    run_python(
        "import importlib, importlib.abc, sys\n"
        "class NoQt(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('PySide6', 'shiboken6', 'pyqtgraph'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, NoQt())\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)"
    )


def test_qt_is_imported_by_the_interface_only() -> None:
    allowed = ("semascope.ui", "semascope.jobs.bridge", "semascope.jobs.pool", "semascope.state")
    for path, name in zip(SOURCES, NAMES, strict=True):
        if not name.startswith(allowed):
            imported = {module.split(".")[0] for module in imports(path)}
            assert not imported & {"PySide6", "pyqtgraph"}, name


def test_the_network_is_never_asked() -> None:
    """No module imports what could open a connection."""
    clients = {"socket", "requests", "urllib3", "httpx", "aiohttp", "huggingface_hub", "ftplib", "smtplib"}
    for path, name in zip(SOURCES, NAMES, strict=True):
        found = {module for module in imports(path) if module.split(".")[0] in clients}
        found |= {module for module in imports(path) if module.startswith(("urllib.request", "http.client"))}
        assert found <= ({"socket"} if name in SOCKETS_WITHIN else set()), name


def nodes(path: Path, kind: type[Node]) -> Iterator[Node]:
    """The parts of a file's syntax tree of one kind."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, kind):
            yield node


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in nodes(path, ast.AST):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# --- how files are -------------------------------------------------------------------------------------------------


def test_a_module_begins_by_saying_what_it_is() -> None:
    silent = [path for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert not silent


def test_no_module_is_long() -> None:
    long = [path for path in SOURCES if path.read_text(encoding="utf-8").count("\n") > LONGEST_MODULE]
    assert not long


def test_packaging_holds_no_init() -> None:
    """With one, the folder would shadow the library `packaging`, which pytest and transformers import."""
    assert not list((ROOT / "packaging").rglob("__init__.py"))


def test_colours_are_named_in_the_theme_only() -> None:
    """So that light, dark and contrast are looked after in one place."""
    colour = re.compile(r"#([0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})")
    for path in (PACKAGE / "ui").rglob("*.py"):
        if "theme" not in path.relative_to(PACKAGE / "ui").parts:
            strings = [node for node in nodes(path, ast.Constant) if isinstance(node.value, str)]
            calls = [call for call in nodes(path, ast.Call) if ast.unparse(call.func).endswith("horizontalAdvance")]
            measured = {ast.unparse(argument) for call in calls for argument in call.args}  # "#000000", a feature's id
            found = {node.value for node in strings if colour.fullmatch(str(node.value))}
            assert {text for text in found if repr(text) not in measured} == set(), path.name


def test_labels_are_never_read_as_rich_text() -> None:
    """Labels, prompts and tokens come from strangers: as HTML they could load files."""
    for path in (PACKAGE / "ui").rglob("*.py"):
        assert not re.search(
            r"\.setHtml\(|\.insertHtml\(|Qt\.RichText|TextFormat\.RichText", path.read_text("utf-8")
        ), path


def test_nothing_can_run_code_from_a_file() -> None:
    """Weights, corpora and sessions are data: no pickle, no code of a model's own, no eval."""
    unsafe = {("trust_remote_code", True), ("allow_pickle", True), ("weights_only", False), ("shell", True)}
    for path in SOURCES:
        assert not {"pickle", "marshal", "shelve", "dill"} & {name.split(".")[0] for name in imports(path)}, path
        for call in nodes(path, ast.Call):
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            assert name not in ("eval", "exec", "compile"), f"{path.name}: {name}"
            for keyword in call.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                assert (keyword.arg, value) not in unsafe, f"{path.name}: {keyword.arg}={value}"


def test_torch_files_are_opened_as_data() -> None:
    for path in SOURCES:
        for call in nodes(path, ast.Call):
            if ast.unparse(call.func) == "torch.load":
                assert "weights_only=True" in ast.unparse(call), path.name


def test_no_machine_is_named() -> None:
    """Nothing in the repository knows where somebody's checkout or home folder lies."""
    machine = re.compile(r"(?<![\w.])/(?:work|root|home|Users)/\w|/tmp/\w+/")
    for path in tracked_files():
        if path.suffix in {".py", ".md", ".toml", ".sh", ".json", ".txt", ""} and "demo" not in path.parts:
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                assert not machine.search(line), f"{path.relative_to(ROOT)}: {line.strip()[:100]}"


# --- what the libraries must do --------------------------------------------------------------------------------------


def test_qt_calls_do_not_lose_references_to_none() -> None:
    """PySide6 6.12.0 on Python 3.11 drops one reference to None at each void call, and aborts when none are left."""
    run_python(
        "import os, sys\n"
        "os.environ['QT_QPA_PLATFORM'] = 'offscreen'\n"
        "from PySide6.QtWidgets import QApplication, QLabel\n"
        "application, label = QApplication([]), QLabel()\n"
        "before = sys.getrefcount(None)\n"
        "for i in range(20_000):\n"
        "    label.setText('a' if i % 2 else 'b')\n"
        "lost = before - sys.getrefcount(None)\n"
        "assert abs(lost) < 200, f'{lost} references to None are gone'"
    )
