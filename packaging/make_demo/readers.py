"""Readers of English: each turns one unpacked package into sections of paragraphs, or into chats.

A reader only yields clean text. What becomes a document, how much of each source is taken and where it goes
is decided in `corpus.py`. Texts under a share-alike licence other than Creative Commons, and data sets whose
licence differs between publishers, are left out on purpose: what is harvested from this corpus is published.
"""

from __future__ import annotations

import gzip
import html
import json
import random
import re
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Section:
    """Paragraphs that belong together; documents are cut from one section and never cross into the next."""

    paragraphs: list[str]
    source: str
    language: str = "en"
    joiner: str = "\n\n"
    topic: str = ""


@dataclass
class Chat:
    """A conversation: (role, content) turns in the order they were spoken."""

    turns: list[tuple[str, str]]
    source: str
    language: str = "en"
    topic: str = ""


Item = Section | Chat
UNWANTED = re.compile(  # what nobody should meet by surprise while browsing examples
    r"(?i)\b(sex|sexual\w*|porn\w*|fuck\w*|shit|bitch|nazi\w*|hitler|gay|lesbian|rapes?|raped|whores?|slut|nigg\w+|negro\w*"
    r"|ejaculat\w+|semen|vagina\w*|penis\w*|masturbat\w+|copulat\w+|prostitut\w*|incest\w*|harlots?|fornicat\w+"
    r"|slur|offensive|derogatory|disparaging|obscene|vulgar|chinaman|mulatto|savages|harm myself|suicid\w+)\b"
    r"|lie(th)? with (a |mankind|thy|his)|went in unto|lay with her|nakedness"
)


def ask(question: str, answer: str, source: str, language: str = "en") -> Chat:
    """A chat of one question and one answer."""
    return Chat([("user", question), ("assistant", answer)], source, language)


def squeeze(text: str) -> str:
    """Collapse every run of white space to one space."""
    return re.sub(r"\s+", " ", text).strip()


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def strip_tags(markup: str) -> str:
    """The readable text of a piece of HTML, on one line."""
    markup = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", markup)
    return squeeze(html.unescape(re.sub(r"<[^>]+>", "", markup)))


# --- countries -------------------------------------------------------------------------------------

FACTBOOK_FIELDS = {
    "Background": "history",
    "Location": "location",
    "Climate": "climate",
    "Terrain": "terrain",
    "Natural resources": "natural resources",
    "Languages": "languages",
    "Religions": "religions",
    "Ethnic groups": "peoples",
    "Economy - overview": "economy",
    "Industries": "industries",
    "Agriculture - products": "agriculture",
    "Government type": "form of government",
    "Capital": "capital",
    "Exports - commodities": "exports",
    "National symbol(s)": "national symbols",
    "Disputes - international": "disputes",
    "Environment - current issues": "environment",
    "Natural hazards": "natural hazards",
    "Population": "population",
    "Life expectancy at birth": "life expectancy",
    "National holiday": "national holiday",
    "Flag description": "flag",
    "Transnational Issues": "issues",
    "Area - comparative": "size",
    "Illicit drugs": "illicit drugs",
    "Legal system": "legal system",
    "Political parties and leaders": "parties",
    "Telephone system": "telephone system",
    "Broadcast media": "media",
    "Geography - note": "geography",
    "Economy": "economy",
    "Constitution": "constitution",
    "Suffrage": "right to vote",
    "Independence": "independence",
    "Major urban areas - population": "cities",
    "Urbanization": "urbanisation",
    "Ports and terminals": "ports",
    "Nationality": "nationality",
    "Imports - commodities": "imports",
    "Land use": "land use",
    "National anthem": "national anthem",
    "International organization participation": "international organisations",
}


def read_factbook(folder: Path) -> Iterator[Item]:
    """Country profiles: a paragraph a field, and a question and answer for the longer ones."""
    for path in sorted(folder.glob("package/*/*.json")):
        profile = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(profile, dict) or "Introduction" not in profile:
            continue
        names = profile.get("Government", {}).get("Country name", {})
        name = names.get("conventional short form", {}).get("text", "").split("(")[0].strip()
        if not name or name.lower() == "none":
            name = names.get("conventional long form", {}).get("text", "").split("(")[0].strip()
        if not name or name.lower() == "none":
            continue
        name = name.split(";")[0]
        paragraphs = []
        for chapter in profile.values():
            for field, value in chapter.items():
                text = squeeze(flatten(value).replace("++", " "))
                if len(text) < 30 or field not in FACTBOOK_FIELDS:
                    continue
                heading = FACTBOOK_FIELDS[field]
                paragraphs.append(f"{name}, {heading}: {text}")
                if 160 < len(text) < 1500 and field != "Background":
                    yield ask(f"What can you tell me about the {heading} of {name}?", capital(text), "factbook-chat")
                elif field == "Background":
                    yield ask(f"Tell me about the history of {name}.", text, "factbook-chat")
        yield Section(paragraphs, "factbook")


def flatten(value: object) -> str:
    """One sentence-like line from a factbook field, whose parts may be nested."""
    if not isinstance(value, dict):
        return str(value)
    parts = []
    for key, inner in value.items():
        text = flatten(inner)
        parts.append(text if key == "text" else f"{key}: {text}")
    return "; ".join(part for part in parts if part)


# --- dictionaries ----------------------------------------------------------------------------------

WORDNET_FILES = {  # the number of a lexicographer file -> what its entries are about
    5: "animals",
    6: "things made by people",
    7: "attributes",
    8: "the body",
    9: "the mind",
    10: "communication",
    11: "events",
    12: "feelings",
    13: "food",
    14: "groups",
    15: "places",
    17: "nature",
    18: "people",
    19: "natural phenomena",
    20: "plants",
    21: "possession",
    22: "processes",
    23: "quantities",
    24: "relations",
    25: "shapes",
    26: "states",
    27: "substances",
    28: "time",
    4: "acts",
    37: "feeling",
    29: "the body",
    30: "change",
    31: "thinking",
    32: "speaking",
    33: "competition",
    34: "eating and drinking",
    35: "touch",
    36: "making",
    38: "motion",
    39: "the senses",
    40: "having and giving",
    41: "society",
    42: "being",
    43: "weather",
    0: "qualities",
    1: "relations of qualities",
    2: "manner",
    44: "participles",
}


def read_wordnet(folder: Path, seed: int) -> Iterator[Item]:
    """Glosses, grouped by subject and shuffled within it in small runs, so that neighbours stay related."""
    by_subject: dict[int, list[str]] = {}
    questions = []
    for part in ("noun", "verb", "adj", "adv"):
        path = folder / f"usr/share/wordnet/data.{part}"
        for line in path.read_text(encoding="latin-1").splitlines():
            if line.startswith("  "):
                continue
            data, _, gloss = line.partition(" | ")
            if UNWANTED.search(line):
                continue
            fields = data.split()
            count = int(fields[3], 16)
            words = [re.sub(r"\(\w+\)$", "", fields[4 + 2 * i]).replace("_", " ") for i in range(count)]
            definition, *examples = [squeeze(text) for text in gloss.strip().split('; "')]
            entry = f"{', '.join(words)}: {definition}"
            if examples:
                entry += "; for example: " + "; ".join(f"“{text.strip(chr(34))}”" for text in examples)
            by_subject.setdefault(int(fields[1]), []).append(entry)
            if len(gloss) > 120:
                answer = f"{capital(words[0])}: {definition}."
                if examples:
                    answer += " For example: " + "; ".join(f"“{text.strip(chr(34))}”" for text in examples) + "."
                if len(words) > 1:
                    answer += f" It is also called {', '.join(words[1:])}."
                question = f"What does it mean to {words[0]}?" if part == "verb" else f"What does “{words[0]}” mean?"
                questions.append(ask(question, answer, "wordnet-chat"))
    rng = random.Random(seed)
    for subject in sorted(by_subject):
        entries = by_subject[subject]
        runs = [entries[i : i + 8] for i in range(0, len(entries), 8)]
        rng.shuffle(runs)
        for run in runs:
            yield Section([f"Words about {WORDNET_FILES.get(subject, 'things')}.", *run], "wordnet", joiner="\n")
    rng.shuffle(questions)
    for first, second in zip(questions[0::2], questions[1::2], strict=False):
        yield Chat(first.turns + second.turns, "wordnet-chat")


def read_jargon(folder: Path) -> Iterator[Item]:
    """The Jargon File, an entry a section; pronunciations, braces and hard line breaks removed."""
    text = gzip.decompress((folder / "usr/share/dictd/jargon.dict.dz").read_bytes()).decode("utf-8")
    for entry in re.split(r"\n(?=\S)", text)[30:]:
        head, _, body = entry.partition("\n")
        paragraphs = [squeeze(block) for block in re.split(r"\n\s*\n", body)]
        clean = [re.sub(r"\{\s*([^}]*?)\s*\}", r"\1", block) for block in paragraphs]
        clean = [re.sub(r"^(/[^/]+/,?\s*)+([a-z.,/ ]{1,20}\.)?\s*|^[a-z., ]{1,20}\.$", "", block) for block in clean]
        clean = [block for block in clean if len(block) > 20 and not UNWANTED.search(block)]
        if clean and len(head) < 60:
            yield Section([f"{head}: {clean[0]}", *clean[1:]], "jargon")


def read_devil(folder: Path) -> Iterator[Item]:
    """The Devil's Dictionary, an entry a section, with its verses kept as verses."""
    text = gzip.decompress((folder / "usr/share/dictd/devil.dict.dz").read_bytes()).decode("utf-8", "replace")
    entries = [entry for entry in re.split(r"\n(?=[A-Z][A-Z' -]+, )", text) if re.match(r"[A-Z]{2}", entry)]
    paragraphs = []
    for entry in entries:
        for block in entry.split("\n\n"):
            verse = all(line.startswith("  ") for line in block.splitlines())
            block = re.sub(r"_(.+?)_", r"\1", block, flags=re.S)
            clean = "\n".join(line.strip() for line in block.splitlines()) if verse else squeeze(block)
            if len(clean) > 8 and not UNWANTED.search(clean):
                paragraphs.append(clean)
    for start in range(0, len(paragraphs), 30):
        yield Section(paragraphs[start : start + 30], "devil")


# --- prose -----------------------------------------------------------------------------------------


def read_bible(program: Path, texts: Path) -> Iterator[Item]:
    """The King James Bible, a chapter a section, verses in threes; `bible` unpacks its own data file."""
    run = subprocess.run(
        [program / "usr/bin/bible", "-f", "-p", texts / "usr/lib", "gen1:1-rev22:21"],
        capture_output=True,
        check=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    chapters: dict[str, list[str]] = {}
    for line in run.stdout.splitlines():
        match = re.match(r"(\d?[A-Za-z]+\d+):\d+ (.*)", line)
        if match:
            chapters.setdefault(match[1], []).append(match[2].replace("¶", "").strip())
    for verses in chapters.values():
        joined = [" ".join(verses[i : i + 3]) for i in range(0, len(verses), 3)]
        yield Section([text for text in joined if not UNWANTED.search(text)], "bible", joiner="\n")


def read_austen(folder: Path) -> Iterator[Item]:
    """Jane Austen's novels, from the serialised character vectors of an R data base, a chapter a section."""
    data = (folder / "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb").read_bytes()
    while len(data) > 4:
        unpacker = zlib.decompressobj()
        vector = unpacker.decompress(data[4:])
        data = unpacker.unused_data
        lines = list(r_strings(vector))
        for chapter in re.split(r"\n(?=(?:CHAPTER|Chapter|VOLUME) )", "\n".join(lines)):
            paragraphs = [squeeze(block) for block in chapter.split("\n\n")]
            yield Section([text.replace("_", "") for text in paragraphs if len(text) > 25], "austen", joiner="\n")


def r_strings(data: bytes) -> Iterator[str]:
    """The strings of a serialised R character vector: 4 bytes of flags, 4 of length, then the bytes."""
    position = 0
    while True:
        position = data.find(b"\x00\x04\x00\x09", position)
        if position < 0:
            return
        length = int.from_bytes(data[position + 4 : position + 8], "big")
        yield data[position + 8 : position + 8 + length].decode("utf-8", "replace") if length < 10_000 else ""
        position += 8 + (length if length < 10_000 else 0)
