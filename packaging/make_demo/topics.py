"""Write the demo's special topics, which packages lack, from sentence frames kept in `topics/*.toml`.

A file is one topic. Its `budget` is how many characters to write. Each `[[part]]` has a `language` and a
`style`:

- `body` holds one sentence frame a line, with perhaps `opening` and `closing` lines: a document is an
  opening, several different sentences in a random order and a closing;
- `questions` and `answers` make chats: a question, an opening (if any) and a few answer sentences that share
  words with it; in a style that starts with "pairs" the n-th block of questions belongs to the n-th block of
  answers ("---" between);
- `snippets`, separated by lines of "---", are kept whole; a document holds one to three of them.

In a frame `[a|b|c]` is a choice and `{NAME}` a word from the slot of that name, in `[slots]` or
`common.toml`; within a document a slot keeps its value. The same sentence is written a few times at most, so
documents don't repeat.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from readers import Chat, Item, Section, capital

FOLDER = Path(__file__).parent / "topics"
CHOICE = re.compile(r"\[([^\[\]\n]*\|[^\[\]\n]*)\]")
SLOT = re.compile(r"\{([A-Z_]+)(\d?)\}")
Slots = dict[str, list[str]]
REPEATS = 5


class Writer:
    """Writes the sentences of one topic and remembers them."""

    def __init__(self, slots: Slots, seed: str) -> None:
        self.slots = slots
        self.rng = random.Random(seed)
        self.written: Counter[str] = Counter()
        self.values: dict[str, str] = {}

    def start(self) -> None:
        """Begin a document: slots get new values."""
        self.values = {}

    def fill(self, frame: str) -> str:
        """The frame with its choices made and its slots filled."""
        previous = ""
        while previous != frame:
            previous = frame
            frame = CHOICE.sub(lambda match: self.rng.choice(match[1].split("|")), frame)
        return SLOT.sub(lambda match: self.value(match[1], match[2]), frame)

    def value(self, name: str, number: str) -> str:
        """The value of a slot in this document; {CITY} and {CITY2} are different cities."""
        if name not in self.slots:
            raise SystemExit(f"no slot is called {name}")
        key = name + number
        if key not in self.values:
            taken = {value for other, value in self.values.items() if other.rstrip("0123456789") == name}
            free = [value for value in self.slots[name] if value not in taken]
            self.values[key] = self.rng.choice(free or self.slots[name])
        return self.values[key]

    def sentences(self, frames: list[str], count: int, tries: int = 6) -> list[str]:
        """Up to `count` sentences from different frames, none of which was written too often before."""
        found: list[str] = []
        for frame in self.rng.sample(frames, len(frames)):
            for _ in range(tries):
                sentence = capital(self.fill(frame)) if frame.startswith("{") else self.fill(frame)
                if self.written[sentence] < REPEATS:
                    self.written[sentence] += 1
                    found.append(sentence)
                    break
            if len(found) == count:
                break
        return found


def lines(block: str) -> list[str]:
    """The lines of a block that aren't empty."""
    return [line.strip() for line in block.splitlines() if line.strip()]


def blocks(text: str) -> list[str]:
    """The pieces between lines of three dashes."""
    return [piece.strip("\n") for piece in re.split(r"(?m)^---$", text) if piece.strip()]


def write_text(writer: Writer, part: dict[str, str], topic: str) -> Section | None:
    """One document of sentences, in one or two paragraphs, or line by line for poems, lists and dialogues."""
    writer.start()
    body = writer.sentences(lines(part["body"]), writer.rng.randint(6, 11))
    if len(body) < 5:
        return None
    opening = [writer.fill(writer.rng.choice(lines(part["opening"])))] if "opening" in part else []
    closing = [writer.fill(writer.rng.choice(lines(part["closing"])))] if "closing" in part else []
    if part["style"].split()[0] in {"poem", "dialogue", "list"}:
        text = "\n".join([*opening, *body, *closing])
    elif part["style"].split()[0] in {"letter", "email"}:
        text = "\n\n".join([*opening, " ".join(body), *closing])
    else:
        half = len(body) // 2
        text = " ".join([*opening, *body[:half]]) + "\n\n" + " ".join([*body[half:], *closing])
    return Section([text], f"topic-{topic}", part["language"], topic=topic)


def write_chat(writer: Writer, part: dict[str, str], topic: str) -> Chat | None:
    """One chat of two to four exchanges."""
    writer.start()
    turns: list[tuple[str, str]] = []
    said: set[str] = set()
    pairs = part["style"].startswith("pairs")
    questions, answers = blocks(part["questions"]), blocks(part["answers"])
    if not pairs:
        questions = lines(part["questions"])
    for index in writer.rng.sample(range(len(questions)), min(len(questions), writer.rng.randint(2, 4))):
        question = writer.fill(writer.rng.choice(lines(questions[index])))
        frames = lines(answers[index if pairs else 0])
        frames = [frame for frame in frames if frame not in said]
        if not pairs:
            frames = fitting(question, frames, writer)
        said.update(frames)
        sentences = writer.sentences(frames, writer.rng.randint(2, 5))
        if not sentences:
            continue
        if "opening" in part:
            sentences.insert(0, writer.fill(writer.rng.choice(lines(part["opening"]))))
        turns += [("user", question), ("assistant", " ".join(sentences))]
    if sum(len(content) for _, content in turns) < 200:
        return None
    return Chat(turns, f"topic-{topic}", part["language"], topic=topic)


def fitting(question: str, frames: list[str], writer: Writer) -> list[str]:
    """The frames that share words with the question, at most three; where none does, two of any."""
    asked = set(re.findall(r"\w{4,}", question.lower())) - {
        "what",
        "tell",
        "about",
        "does",
        "should",
        "could",
    }
    scores = {}
    for frame in frames:
        words = re.findall(r"\w{4,}", SLOT.sub(lambda match: writer.value(match[1], match[2]), frame).lower())
        scores[frame] = len(asked.intersection(words)) + 0.5 * writer.rng.random()
    best = sorted(frames, key=lambda frame: -scores[frame])
    return [frame for frame in best if scores[frame] >= 1][:3] or best[:2]


def write_snippets(writer: Writer, part: dict[str, str], topic: str) -> Section | None:
    """One document of one to three snippets."""
    writer.start()
    chosen = writer.sentences(blocks(part["snippets"]), writer.rng.randint(1, 3))
    return Section(["\n\n".join(chosen)], f"topic-{topic}", part["language"], topic=topic) if chosen else None


def write_topic(path: Path, common: Slots, seed: int) -> Iterator[Item]:
    """All documents of a topic: its parts in turn, each until its share is spent or it runs dry."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    topic, parts = path.stem.replace("_", "-"), table["part"]
    writer = Writer(common | table.get("slots", {}), f"{seed} {topic}")
    sizes = [sum(len(part.get(key, "")) for key in ("body", "answers", "questions", "snippets")) for part in parts]
    left = 0.0  # what one part leaves, the next may spend
    for part, size in zip(parts, sizes, strict=True):
        left, failures = max(left, 0) + table["budget"] * size / sum(sizes), 0
        write = write_text if "body" in part else write_chat if "questions" in part else write_snippets
        while left > 0 and failures < 20:
            item = write(writer, part, topic)
            if item is None:
                failures += 1
                continue
            left -= sum(map(len, item.paragraphs if isinstance(item, Section) else [text for _, text in item.turns]))
            yield item


def generate(seed: int) -> Iterator[Item]:
    """The documents of every topic."""
    common = tomllib.loads((FOLDER / "common.toml").read_text(encoding="utf-8"))
    for path in sorted(FOLDER.glob("*.toml")):
        if path.name != "common.toml":
            yield from write_topic(path, common, seed)
