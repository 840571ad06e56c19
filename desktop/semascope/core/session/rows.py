"""Between a `Session` and the rows of its file. Writes only what differs from what was written last.

Reading trusts nothing: every value is checked for its type, and whatever does not fit raises ValueError, TypeError or
KeyError, which `file` turns into one sentence.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from semascope.core.errors import UserError
from semascope.core.saes.checked import Check
from semascope.core.saes.kept import KeptReading
from semascope.core.session.document import (
    KINDS,
    MODES,
    Answer,
    AppliedEdit,
    Dictionary,
    FeatureNote,
    Pin,
    Reference,
    Session,
    SteerSettings,
)

_SETTINGS = ("prompt", "prompt_chat", "selected", "search", "sort", "steer", "list_all")


def write(connection: sqlite3.Connection, old: Session, new: Session) -> None:
    """Turn the rows of `old` into those of `new`, inside the caller's transaction."""
    for kind in KINDS:
        if getattr(new, kind) != getattr(old, kind):
            _write_reference(connection, kind, getattr(new, kind))
    if new.notes is not old.notes:
        _write_notes(connection, _flat_notes(old), _flat_notes(new))
    for sae in new.pins.keys() | old.pins.keys():
        if new.pins.get(sae, ()) != old.pins.get(sae, ()):
            _write_pins(connection, sae, new.pins.get(sae, ()))
    _write_list(connection, "prompt", "text", old.prompts, new.prompts)
    answers = [tuple(map(_answer_to_json, session.answers)) for session in (old, new)]
    _write_list(connection, "answer", "answer", *answers)
    dictionaries = [tuple(map(_dictionary_to_json, session.dictionaries)) for session in (old, new)]
    _write_list(connection, "dictionary", "record", *dictionaries)
    _write_records(connection, "reading", old.readings, new.readings)
    _write_records(connection, "self_check", old.checks, new.checks)
    for name in _SETTINGS:
        if getattr(new, name) != getattr(old, name):
            value = asdict(new.steer) if name == "steer" else getattr(new, name)
            connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))


def read(connection: sqlite3.Connection) -> Session:
    """The session in these rows; what no row says has its default."""
    fields: dict[str, Any] = {
        kind: Reference(_string(path), _string(sha256), _string(name), kind)
        for kind, path, sha256, name in connection.execute("SELECT kind, path, sha256, name FROM reference")
        if _must(kind in KINDS, "an unknown kind of reference")
    }
    notes: defaultdict[str, dict[int, FeatureNote]] = defaultdict(dict)
    for sae, feature, label, tags, text in connection.execute("SELECT * FROM note"):
        notes[sae][_natural(feature)] = FeatureNote(_string(label), _strings(json.loads(tags)), _string(text))
    pins: defaultdict[str, tuple[Pin, ...]] = defaultdict(tuple)
    for sae, feature, strength, mode, enabled in connection.execute(
        "SELECT sae, feature, strength, mode, enabled FROM pin ORDER BY sae, place"
    ):
        pins[sae] += (Pin(_natural(feature), _number(strength), mode, bool(enabled)),)
    prompts = tuple(_string(text) for (text,) in connection.execute("SELECT text FROM prompt ORDER BY place"))
    answers = tuple(
        _answer_from_json(text) for (text,) in connection.execute("SELECT answer FROM answer ORDER BY place")
    )
    for name, value in connection.execute("SELECT name, value FROM setting"):
        fields |= _setting(name, json.loads(value))
    records = connection.execute("SELECT record FROM dictionary ORDER BY place")
    by_key = {each.key: each for each in (_dictionary_from_json(text) for (text,) in records)}
    fields["dictionaries"] = tuple(each for key, each in by_key.items() if key)
    try:
        fields["readings"] = {
            _string(sae): KeptReading.from_json(json.loads(text))
            for sae, text in connection.execute("SELECT sae, record FROM reading")
        }
        fields["checks"] = {
            _string(sae): Check.from_json(json.loads(text))
            for sae, text in connection.execute("SELECT sae, record FROM self_check")
        }
    except UserError as error:
        raise ValueError("a way of reading an SAE can't be read") from error
    return Session(notes=notes, pins=dict(pins), prompts=prompts, answers=answers, **fields)


# --- writing -------------------------------------------------------------------------------------------------------


def _write_reference(connection: sqlite3.Connection, kind: str, reference: Reference | None) -> None:
    connection.execute("DELETE FROM reference WHERE kind = ?", (kind,))
    if reference is not None:
        values = (kind, _text(reference.path), _text(reference.sha256), _text(reference.name))
        connection.execute("INSERT INTO reference VALUES (?, ?, ?, ?)", values)


def _flat_notes(session: Session) -> dict[tuple[str, int], FeatureNote]:
    return {(sae, feature): note for sae, notes in session.notes.items() for feature, note in notes.items()}


def _write_notes(
    connection: sqlite3.Connection,
    old: dict[tuple[str, int], FeatureNote],
    new: dict[tuple[str, int], FeatureNote],
) -> None:
    gone = old.keys() - new.keys()
    connection.executemany("DELETE FROM note WHERE sae = ? AND feature = ?", gone)
    changed = (
        (*key, _text(note.label), json.dumps(note.tags), _text(note.notes))
        for key, note in new.items()
        if old.get(key) != note
    )
    connection.executemany("INSERT OR REPLACE INTO note VALUES (?, ?, ?, ?, ?)", changed)


def _write_pins(connection: sqlite3.Connection, sae: str, pins: Iterable[Pin]) -> None:
    connection.execute("DELETE FROM pin WHERE sae = ?", (sae,))
    rows = ((sae, i, p.feature, p.strength, p.mode, int(p.enabled)) for i, p in enumerate(pins))
    connection.executemany("INSERT INTO pin VALUES (?, ?, ?, ?, ?, ?)", rows)


def _write_list(
    connection: sqlite3.Connection, table: str, column: str, old: tuple[str, ...], new: tuple[str, ...]
) -> None:
    """Rewrite a numbered list from the first place where it differs; adding at the end writes one row."""
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    if same == len(old) == len(new):
        return
    connection.execute(f"DELETE FROM {table} WHERE place >= ?", (same,))
    rows = ((place, _text(text)) for place, text in enumerate(new[same:], start=same))
    connection.executemany(f"INSERT INTO {table} (place, {column}) VALUES (?, ?)", rows)


def _answer_to_json(answer: Answer) -> str:
    return json.dumps(asdict(answer))


def _dictionary_to_json(dictionary: Dictionary) -> str:
    return json.dumps(asdict(dictionary))


def _write_records(
    connection: sqlite3.Connection,
    table: str,
    old: Mapping[str, KeptReading] | Mapping[str, Check],
    new: Mapping[str, KeptReading] | Mapping[str, Check],
) -> None:
    """Rewrite what differs of a table of records by SAE."""
    connection.executemany(f"DELETE FROM {table} WHERE sae = ?", ((sae,) for sae in old.keys() - new.keys()))
    changed = ((sae, json.dumps(record.to_json())) for sae, record in new.items() if old.get(sae) != record)
    connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", changed)


def _text(text: str) -> str:
    """`text` without lone surrogates, which an input method can leave behind and no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# --- reading -------------------------------------------------------------------------------------------------------


def _setting(name: str, value: Any) -> dict[str, Any]:
    match name:
        case "prompt" | "search":
            return {name: _string(value)}
        case "prompt_chat" | "list_all":
            return {name: bool(value)}
        case "selected":
            return {name: None if value is None else _natural(value)}
        case "sort":
            column, descending = value
            return {name: (_string(column), bool(descending))}
        case "steer":
            return {name: _steer(value)}
    raise ValueError("an unknown setting")


def _steer(value: dict[str, Any]) -> SteerSettings:
    return SteerSettings(
        prompt=_string(value["prompt"]),
        chat=bool(value["chat"]),
        max_tokens=_natural(value["max_tokens"]),
        temperature=_number(value["temperature"]),
        seed=_integer(value["seed"]),
    )


def _answer_from_json(text: str) -> Answer:
    value = json.loads(text)
    edits = tuple(
        AppliedEdit(_natural(edit["feature"]), _mode(edit["mode"]), _number(edit["value"]), _string(edit["label"]))
        for edit in value["edits"]
    )
    words = {key: _string(value[key]) for key in ("prompt", "baseline", "steered", "model", "sae", "made")}
    return Answer(edits=edits, settings=_steer(value["settings"]), **words)


def _dictionary_from_json(text: str) -> Dictionary:
    value = json.loads(text)
    parts = {kind: _reference(kind, value[kind]) for kind in ("sae", "harvest")}
    selected = value["selected"]
    return Dictionary(selected=None if selected is None else _natural(selected), **parts)


def _reference(kind: Any, value: dict[str, Any] | None) -> Reference | None:
    if value is None:
        return None
    return Reference(_string(value["path"]), _string(value["sha256"]), _string(value["name"]), kind)


def _must(true: bool, otherwise: str) -> bool:
    if not true:
        raise ValueError(otherwise)
    return True


def _string(value: Any) -> str:
    _must(isinstance(value, str), "a text is missing")
    return str(value)


def _strings(value: Any) -> tuple[str, ...]:
    _must(isinstance(value, list), "a list is missing")
    return tuple(map(_string, value))


def _integer(value: Any) -> int:
    _must(isinstance(value, int) and not isinstance(value, bool), "a number is missing")
    return int(value)


def _natural(value: Any) -> int:
    _must(_integer(value) >= 0, "a number is negative")
    return int(value)


def _number(value: Any) -> float:
    _must(isinstance(value, int | float) and math.isfinite(value), "a number is not finite")
    return float(value)


def _mode(value: Any) -> Any:
    _must(value in MODES, "an unknown way of steering")
    return value
