"""Settings that someone else wrote, in JSON or YAML: plain values of little depth, or a sentence.

Both readers give the same: a mapping of JSON's types, no deeper than settings ever are, all of whose texts can be printed.
YAML is read as data alone: no tags, so that it can name no class, and no aliases, so that it can't grow.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import yaml

from semascope.core.errors import UserError, from_os_error
from semascope.core.foreign.fields import Fields

_MOST_JSON = 8 << 20
_MOST_LINE = 1 << 20
_MOST_YAML = 1 << 18
_MOST_EVENTS = 50_000
_MOST_BITS = 1024
_DEEPEST = 64


class _Nonsense(ValueError):
    """What the settings do wrong; the message ends a sentence that begins with the file's name."""


def read_json(path: Path, name: str) -> Fields:
    """The JSON object in a small file. NaN and infinity, which Python writes and JSON doesn't know, are taken as numbers.

    Raises:
        UserError: The file is no JSON object, or is far larger than such a file ever is.
    """
    return _json(_small(path, name, _MOST_JSON), name)


def read_json_line(path: Path, name: str) -> tuple[Fields, int]:
    """The JSON object in a file's first line, and the line's length in bytes, with its end.

    Raises:
        UserError: The file does not begin with such a line, or with a far longer one.
    """
    try:
        with path.open("rb") as stream:
            line = stream.readline(_MOST_LINE + 1)
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error
    if not line.endswith(b"\n") or len(line) > _MOST_LINE:
        raise _refusal(name, "does not begin with a line of JSON")
    return _json(line, name), len(line)


def _json(data: bytes, name: str) -> Fields:
    try:
        return _mapping(json.loads(data), name, "is not a JSON object")
    except _Nonsense as error:
        raise _refusal(name, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _refusal(name, "is not valid JSON") from error


def read_yaml(path: Path, name: str) -> Fields:
    """The YAML mapping in a small file; keys that are no texts become texts, and dates too.

    Raises:
        UserError: The file is no YAML mapping, is far larger or deeper than settings are, or uses tags or aliases.
    """
    data = _small(path, name, _MOST_YAML)
    try:
        _check_events(data)
        return _mapping(_plain(yaml.safe_load(data)), name, "is not a YAML mapping")
    except _Nonsense as error:
        raise _refusal(name, str(error)) from error
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, RecursionError) as error:
        raise _refusal(name, "is not valid YAML") from error


def _small(path: Path, name: str, most: int) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error
    if len(data) > most:
        raise _refusal(name, "is too large to be a settings file")
    return data


def _refusal(name: str, why: str) -> UserError:
    return UserError(f"{name} {why}.", "Copy the whole folder again.")


def _mapping(content: Any, name: str, otherwise: str) -> Fields:
    """The fields of a mapping that holds nothing deep and nothing that can't be printed."""
    if not isinstance(content, dict):
        raise _Nonsense(otherwise)
    level: list[Any] = [content]
    depth = 0
    while level:
        depth += 1
        if depth > _DEEPEST:
            raise _Nonsense("is nested deeper than settings ever are")
        inner = [value for item in level for value in (item.values() if isinstance(item, dict) else item)]
        texts = [key for item in level if isinstance(item, dict) for key in item]
        texts += [value for value in inner if isinstance(value, str)]
        try:
            for text in texts:
                text.encode()
        except UnicodeEncodeError as error:
            raise _Nonsense("holds text that can't be printed") from error
        if any(isinstance(value, int) and value.bit_length() > _MOST_BITS for value in inner):
            raise _Nonsense("holds a number larger than any setting")  # Python prints none of thousands of digits
        level = [value for value in inner if isinstance(value, dict | list)]
    return Fields(content, name)


def _check_events(data: bytes) -> None:
    """Refuse what could name a class, grow, or nest without end, before any value is made."""
    depth = 0
    for count, event in enumerate(yaml.parse(data, Loader=yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise _Nonsense("uses aliases of YAML, which are not followed")
        if getattr(event, "tag", None) is not None:
            raise _Nonsense("uses tags of YAML, which are not followed")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST or count > _MOST_EVENTS:
            raise _Nonsense("is larger or nested deeper than settings ever are")


def _plain(value: Any) -> Any:
    """YAML's values in JSON's types; its depth was checked."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value
