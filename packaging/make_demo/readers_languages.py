"""Readers of what exists in many languages, and of conversations."""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from readers import UNWANTED, Chat, Item, Section, ask, squeeze, strip_tags

HANDBOOK_LANGUAGES = [
    "en-US",
    "fr-FR",
    "de-DE",
    "es-ES",
    "it-IT",
    "ru-RU",
    "zh-CN",
    "ja-JP",
    "ar-MA",
    "pt-BR",
    "nb-NO",
    "pl-PL",
    "nl-NL",
    "sv-SE",
    "ko-KR",
    "vi-VN",
]
FUNCTION_WORDS = {
    "the",
    "of",
    "and",
    "is",
    "to",
    "that",
    "with",
    "for",
    "are",
    "this",
    "it",
    "be",
    "which",
    "by",
}


def looks_english(text: str) -> bool:
    """Whether a good part of the words are English function words, as in an untranslated paragraph."""
    words = re.findall(r"\w+", text.lower())
    return sum(word in FUNCTION_WORDS for word in words) > 0.08 * len(words)


def read_handbook(folder: Path) -> Iterator[Item]:
    """The Debian Administrator's Handbook in many languages, a page a section, without untranslated parts."""
    english: set[str] = set()  # what was already met: English comes first, and translations have gaps
    for locale in HANDBOOK_LANGUAGES:
        language = locale.split("-")[0]
        for page in sorted((folder / f"usr/share/doc/debian-handbook/html/{locale}").glob("*.html")):
            blocks = re.findall(r'(?s)<div class="para">(.*?)</div>', page.read_text(encoding="utf-8"))
            paragraphs = [text for block in blocks if len(text := strip_tags(block)) > 40]
            if language == "en":
                english.update(paragraphs)
            else:
                paragraphs = [text for text in paragraphs if text not in english and not looks_english(text)]
            yield Section(paragraphs, f"handbook-{language}", language)


UDHR_LANGUAGES = {
    "eng": "en",
    "fra": "fr",
    "deu_1996": "de",
    "spa": "es",
    "ita": "it",
    "por_PT": "pt",
    "rus": "ru",
    "nld": "nl",
    "pol": "pl",
    "swe": "sv",
    "dan": "da",
    "fin": "fi",
    "hun": "hu",
    "ces": "cs",
    "tur": "tr",
    "ell_monotonic": "el",
    "ukr": "uk",
    "bul": "bg",
    "ron_2006": "ro",
    "cat": "ca",
    "eus": "eu",
    "ind": "id",
    "vie": "vi",
    "swh": "sw",
    "arb": "ar",
    "heb": "he",
    "hin": "hi",
    "cmn_hans": "zh",
    "jpn": "ja",
    "kor": "ko",
    "lat": "la",
    "epo": "eo",
    "isl": "is",
    "gle": "ga",
    "cym": "cy",
    "nob": "nb",
    "hrv": "hr",
    "slk": "sk",
    "lit": "lt",
    "est": "et",
}


def read_udhr(folder: Path) -> Iterator[Item]:
    """The Universal Declaration of Human Rights in forty languages, ten articles a section."""
    for name, language in UDHR_LANGUAGES.items():
        path = folder / f"package/declaration/{name}.html"
        if not path.exists():
            continue
        blocks = re.findall(r"(?s)<(?:p|h2|li)>(.*?)</(?:p|h2|li)>", path.read_text(encoding="utf-8"))
        yield Section([strip_tags(block) for block in blocks], "udhr", language, joiner="\n")


EMOJI_LANGUAGES = [
    "en",
    "fr",
    "de",
    "es",
    "it",
    "pt",
    "ru",
    "nl",
    "pl",
    "sv",
    "tr",
    "id",
    "zh",
    "ja",
    "ar",
    "ko",
]


def read_emoji(folder: Path, seed: int) -> Iterator[Item]:
    """What emoji show, in many languages ("name: keyword, keyword"), and each in all languages at once."""
    names: dict[str, dict[str, str]] = {}
    for language in EMOJI_LANGUAGES:
        path = folder / f"package/annotations/{language}/annotations.json"
        annotations = json.loads(path.read_text(encoding="utf-8"))["annotations"]["annotations"]
        lines = []
        for emoji, entry in annotations.items():
            name = (entry.get("tts") or [""])[0]
            keywords = [word for word in entry.get("default", []) if word != name]
            if name and keywords and ord(emoji[0]) > 0x2000:
                lines.append(f"{emoji} {name}: {', '.join(keywords)}.")
                names.setdefault(emoji, {})[language] = name
        runs = [lines[i : i + 12] for i in range(0, len(lines), 12)]
        random.Random(seed).shuffle(runs)
        for run in runs:
            yield Section(run, "emoji", language, joiner="\n")
    for emoji, by_language in names.items():
        if len(by_language) > 8:
            line = ", ".join(f"{language}: {name}" for language, name in by_language.items())
            yield Section([f"{emoji} {line}."], "emoji-parallel", "mul", joiner="\n")


PLACE_LANGUAGES = ["en", "fr", "de", "es", "it", "pt", "nl", "pl", "sv", "tr", "ru", "zh", "ja", "ar"]


def read_places(names: Path, dates: Path) -> Iterator[Item]:
    """Countries, languages, months and weekdays by name in many languages."""
    territories: dict[str, dict[str, str]] = {}
    for language in PLACE_LANGUAGES:
        for kind in ("territories", "languages"):
            path = names / f"package/main/{language}/{kind}.json"
            table = json.loads(path.read_text(encoding="utf-8"))["main"][language]["localeDisplayNames"][kind]
            for code, name in table.items():
                if re.fullmatch(r"[A-Z]{2}|[a-z]{2}", code):
                    territories.setdefault(code, {})[language] = name
    for by_language in territories.values():
        if len(by_language) > 10:
            english = by_language["en"]
            others = ", ".join(f"{language}: {name}" for language, name in by_language.items() if language != "en")
            yield Section([f"{english} in other languages is {others}."], "place-names", "mul", joiner="\n")
    for language in PLACE_LANGUAGES:
        path = dates / f"package/main/{language}/ca-gregorian.json"
        calendar = json.loads(path.read_text(encoding="utf-8"))["main"][language]["dates"]["calendars"]["gregorian"]
        months = list(calendar["months"]["stand-alone"]["wide"].values())
        days = list(calendar["days"]["stand-alone"]["wide"].values())
        yield Section([", ".join(days) + ".", ", ".join(months) + "."], "place-names", language, joiner="\n")


CHATTERBOT_LANGUAGES = {
    "english": "en",
    "french": "fr",
    "german": "de",
    "spanish": "es",
    "italian": "it",
    "portuguese": "pt",
    "russian": "ru",
    "chinese": "zh",
    "swedish": "sv",
    "turkish": "tr",
    "indonesian": "id",
    "dutch": "nl",
}


def read_chatterbot(folder: Path, seed: int) -> Iterator[Item]:
    """Small talk: runs of questions and answers of one subject make one chat of three to five exchanges."""
    rng = random.Random(seed)
    for name, language in CHATTERBOT_LANGUAGES.items():
        for path in sorted((folder / f"chatterbot_corpus/data/{name}").glob("*.yml")):
            try:
                conversations = yaml.safe_load(path.read_text(encoding="utf-8")).get("conversations") or []
            except yaml.YAMLError:
                continue
            pairs = []
            for conversation in conversations:
                turns = [squeeze(str(turn)) for turn in conversation if isinstance(turn, str)]
                if path.stem in {"conversations", "greetings"}:
                    pairs += list(zip(turns[0::2], turns[1::2], strict=False))
                else:  # elsewhere a conversation is one question and its alternative answers
                    pairs += [(turns[0], answer) for answer in turns[1:4]]
            pairs = [pair for pair in pairs if all(pair) and not UNWANTED.search(" ".join(pair))]
            while pairs:
                count = rng.randint(3, 6)
                seen: set[str] = set()
                run: list[tuple[str, str]] = []
                rest: list[tuple[str, str]] = []
                for pair in pairs:
                    if len(run) < count and pair[0] not in seen:
                        run.append(pair)
                        seen.add(pair[0])
                    else:
                        rest.append(pair)
                pairs = rest
                spoken = [turn for question, answer in run for turn in (("user", question), ("assistant", answer))]
                yield Chat(spoken, "chatterbot", language)


def read_pyrit(folder: Path) -> Iterator[Item]:
    """Requests with answers that people scored as refusals or not; harmful answers are never taken."""
    path = folder / "pyrit/datasets/scorer_evals/refusal_scorer/refusal.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) == 4][1:]
    harmful = re.compile(r"(?i)fraud|exploit|hack|steal|attack|weapon|bomb|kill|drug|illegal|malware|hate|racis|suicid")
    for objective, answer, refused, _ in rows:
        if UNWANTED.search(objective + answer) or (refused != "1" and harmful.search(objective)):
            continue
        yield ask(squeeze(objective), answer.strip(), "pyrit-refusals")
