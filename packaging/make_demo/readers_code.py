"""Readers of technical documentation and of source code."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from readers import Item, Section


def read_python_docs(folder: Path) -> Iterator[Item]:
    """Python's documentation, a heading a section; roles and directives reduced to their words."""
    root = folder / "usr/share/doc/python3.11/html/_sources"
    for path in sorted(root.rglob("*.rst.txt")):
        if path.parts[-2] in {"whatsnew", "distutils"} or path.name in {
            "license.rst.txt",
            "copyright.rst.txt",
        }:
            continue
        text = path.read_text(encoding="utf-8")
        text = re.sub(
            r"(?m)^\.\. (index|module|sectionauthor|moduleauthor|highlight|toctree|_|testsetup|only|rubric)"
            r".*\n(?:[ \t]+.*\n|\n(?=[ \t]))*",
            "",
            text,
        )
        text = re.sub(r"(?m)^\s+:(synopsis|platform|noindex|maxdepth|deprecated)\b.*\n", "", text)
        text = re.sub(r":[\w:+-]+:`([^`<]*?)\s*(?:<[^>]*>)?`", lambda match: match[1].lstrip("~!."), text)
        text = re.sub(r"`([^`<]+?)\s*<[^>]+>`_+", r"\1", text)
        text = re.sub(r"\*\*Source code:\*\*.*", "", text)
        text = re.sub(r"(?m)^(\s*)\.\. (\w+)::\s*", lambda match: match[1] + RST_WORDS.get(match[2], ""), text)
        text = re.sub(r"(?m)^\s*\.\. .*\n", "", text)
        text = text.replace("``", "`").replace("|version|", "3.11").replace("\\ ", "")
        for part in re.split(r"\n(?=[^\n]+\n[=*~^\-]{4,}\n)", text):
            part = re.sub(r"(?m)^[=*~^#\"\-]{4,}\n", "", part)
            blocks = [
                textwrap.dedent(block.strip("\n")).rstrip()
                for block in re.split(r"\n\s*\n", part)
                if len(block.strip()) > 30
            ]
            yield Section(blocks, "python-docs")


RST_WORDS = {
    "note": "Note: ",
    "warning": "Warning: ",
    "seealso": "See also: ",
    "versionadded": "New in version ",
    "versionchanged": "Changed in version ",
    "deprecated": "Deprecated since version ",
    "function": "",
    "class": "class ",
    "exception": "exception ",
    "data": "",
}


def code_sections(paths: list[Path], source: str, comment: str = "#") -> Iterator[Item]:
    """Source files, a file a section, cut at blank lines; leading comments (licences) left out."""
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8").expandtabs(8 if comment == "/*" else 4)
        except UnicodeDecodeError:
            continue
        blocks = [block.strip("\n") for block in re.split(r"\n\s*\n", text)]
        while blocks and (blocks[0].lstrip().startswith((comment, "/*", "//", "#!")) or "opyright" in blocks[0]):
            blocks.pop(0)
        blocks = [
            block
            for block in blocks
            if block.strip()
            and not re.search(r"(?i)copyright|licen[sc]e", block)
            and max(map(len, block.splitlines())) < 200
        ]
        if sum(map(len, blocks)) > 400:
            yield Section(blocks, source)


def read_code(folders: dict[str, Path]) -> Iterator[Item]:
    """Python, C, JavaScript, style sheets, shell and JSON from packages under permissive licences."""
    stdlib = folders["libpython3.11-stdlib"] / "usr/lib/python3.11"
    python = [
        path
        for path in sorted(stdlib.rglob("*.py"))
        if not {"test", "tests", "encodings", "lib2to3", "pydoc_data", "idlelib"} & set(path.parts)
        and not path.name.startswith("_sysconfigdata")
    ]
    yield from code_sections(python, "code-python")
    c_code = sorted((folders["libpython3.11-dev"] / "usr/include/python3.11").rglob("*.h"))
    c_code += sorted((folders["zlib1g-dev"] / "usr/include").rglob("zlib.h"))
    c_code += sorted((folders["zlib1g-dev"] / "usr/share/doc/zlib1g-dev/examples").glob("*.c"))
    yield from code_sections(c_code, "code-c", "/*")
    yield from code_sections(sorted((folders["libsqlite3-dev"] / "usr/include").glob("*.h")), "code-c", "/*")
    script = sorted((folders["express"] / "package/lib").glob("*.js"))
    script += sorted((folders["jquery"] / "package/src").rglob("*.js"))
    script += [path for path in sorted((folders["lodash"] / "package").glob("*.js")) if path.stat().st_size < 20_000]
    script += sorted((folders["bootstrap"] / "package/js/src").rglob("*.js"))
    yield from code_sections(script, "code-javascript", "//")
    styles = sorted((folders["bootstrap"] / "package/scss").rglob("*.scss"))
    yield from code_sections(styles, "code-css", "//")
    shell = [folders["n"] / "package/bin/n", *sorted((folders["bats"] / "package").glob("*.sh"))]
    shell += [
        path for path in sorted((folders["bats"] / "package/libexec/bats-core").iterdir()) if path.suffix != ".awk"
    ]
    shell += sorted((folders["bats"] / "package/lib/bats-core").glob("*.bash"))
    yield from code_sections(shell, "code-shell")
    for language in ("en", "fr", "de", "es", "it"):
        path = folders["cldr-dates-full"] / f"package/main/{language}/ca-gregorian.json"
        table = json.dumps(json.loads(path.read_text(encoding="utf-8")), indent=2, ensure_ascii=False)
        lines = table.splitlines()
        yield Section(
            ["\n".join(lines[i : i + 20]) for i in range(0, min(len(lines), 300), 20)],
            "code-json",
            joiner="\n",
        )
    for name in ("express", "bootstrap", "jquery", "lodash", "bats"):
        lines = (folders[name] / "package/package.json").read_text(encoding="utf-8").splitlines()
        yield Section(["\n".join(lines[i : i + 20]) for i in range(0, len(lines), 20)], "code-json", joiner="\n")
