"""Local files read as documents: text of any kind, JSON, JSON Lines, CSV, Parquet, and folders of them. Knows no tokens.

Files are read as a stream, in the order of their names, so a corpus has one order whatever machine reads it. A plain text
file is one document; beyond a megabyte it is cut at line ends, so that memory stays bounded.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semascope.core.errors import UserError, from_os_error

_TEXT_FIELDS = ("text", "content", "body", "prompt", "document", "sentence")
_CHAT_FIELDS = ("messages", "chat", "conversation", "conversations")
_PIECE = 1 << 20
_PROBE = 1 << 16
_LONGEST_LINE = 64 << 20


@dataclass(frozen=True)
class Document:
    """One document: a text, or a conversation that the model's chat template will write out.

    Attributes:
        name: Where it came from: the file, and the line or row in it.
        text: The text; "" for a conversation.
        messages: The turns of a conversation as (role, content); () for a text.
    """

    name: str
    text: str = ""
    messages: tuple[tuple[str, str], ...] = ()


def read_documents(paths: Iterable[str | Path]) -> Iterator[Document]:
    """The documents of some files and folders, in order, empty ones left out.

    Raises:
        UserError: A path is missing, unreadable or not text; or there is no document at all. In a folder, files that are not
            text are passed over.
    """
    some = False
    listed = [Path(path).expanduser() for path in paths]
    for path in listed:
        for document in _read_path(path):
            some = True
            yield document
    if not some:
        raise UserError(
            f"There is no text in {', '.join(str(path) for path in listed)}.",
            "Choose text, JSON Lines, CSV or Parquet files.",
        )


def corpus_files(paths: Iterable[str | Path]) -> list[Path]:
    """The files that `read_documents` would read, in order (for fingerprints and sizes)."""
    files: list[Path] = []
    for path in (Path(p).expanduser() for p in paths):
        files += _folder(path) if path.is_dir() else [path]
    return files


def _folder(path: Path) -> list[Path]:
    return sorted(
        (
            file
            for file in path.rglob("*")
            if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
        ),
        key=lambda file: file.relative_to(path).as_posix(),
    )


def _read_path(path: Path) -> Iterator[Document]:
    if not path.exists():
        raise UserError(f"There is no corpus at {path}.", "Check the path.")
    if path.is_dir():
        for file in _folder(path):
            if file.suffix.lower() == ".parquet" or _encoding(file) is not None:
                yield from _read_file(file, file.relative_to(path).as_posix())
    else:
        yield from _read_file(path, path.name)


def _read_file(file: Path, name: str) -> Iterator[Document]:
    kind = file.suffix.lower()
    try:
        if kind == ".parquet":
            yield from _parquet(file, name)
            return
        encoding = _encoding(file)
        if encoding is None:
            raise UserError(f"{name} is not text.", "Choose text (UTF-8), JSON Lines, CSV or Parquet files.")
        with file.open(encoding=encoding, errors="replace", newline=None) as stream:
            if kind in (".jsonl", ".ndjson"):
                yield from _json_lines(stream, name)
            elif kind == ".json":
                yield from _json(stream.read(), name)
            elif kind in (".csv", ".tsv"):
                yield from _csv(stream, name, "\t" if kind == ".tsv" else ",")
            else:
                yield from _plain(stream, name)
    except OSError as error:
        raise from_os_error(error, f"read {name}") from error
    except MemoryError as error:
        raise UserError(f"{name} does not fit in memory.", "Split it, or convert it to JSON Lines.") from error


def _encoding(file: Path) -> str | None:
    """How a file's text is encoded, or None when it is no text: by its byte-order mark, then by its first bytes."""
    try:
        with file.open("rb") as stream:
            head = stream.read(_PROBE)
    except OSError as error:
        raise from_os_error(error, f"read {file.name}") from error
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    if b"\0" in head or controls > len(head) // 200:
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # incremental: the probe may end inside a character
        return "utf-8-sig"
    except UnicodeDecodeError:
        printable = sum(32 <= byte < 127 or byte in b"\t\n\r" for byte in head)
        return "cp1252" if printable > 0.7 * len(head) else None


def _plain(stream: Iterable[str], name: str) -> Iterator[Document]:
    piece: list[str] = []
    size = 0
    for line in stream:
        piece.append(line)
        size += len(line)
        if size >= _PIECE:
            yield from _document(name, "".join(piece))
            piece, size = [], 0
    yield from _document(name, "".join(piece))


def _json_lines(stream: Any, name: str) -> Iterator[Document]:
    number = 0
    while line := stream.readline(_LONGEST_LINE):
        number += 1
        if line.strip():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"Line {number} of {name} is not JSON.", "Mend or remove that line.") from error
            yield from _record(record, f"{name}:{number}")


def _json(text: str, name: str) -> Iterator[Document]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{name} is not JSON.", "Mend it, or rename it to .jsonl if it has one record a line."
        ) from error
    for number, record in enumerate(whole if isinstance(whole, list) else [whole], 1):
        yield from _record(record, f"{name}:{number}")


def _csv(stream: Iterable[str], name: str, delimiter: str) -> Iterator[Document]:
    csv.field_size_limit(_LONGEST_LINE)
    try:
        for number, row in enumerate(csv.DictReader(stream, delimiter=delimiter), 2):
            yield from _record({key: value for key, value in row.items() if key is not None}, f"{name}:{number}")
    except csv.Error as error:
        raise UserError(f"{name} is not a table: {error}.", "Mend it, or use JSON Lines.") from error


def _parquet(file: Path, name: str) -> Iterator[Document]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=256):
                for record in batch.to_pylist():
                    number += 1
                    yield from _record(record, f"{name}:{number}")
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{name} is not a Parquet file that can be read.", "Check that it is complete.") from error


def _record(record: object, name: str) -> Iterator[Document]:
    """The document in one JSON value or table row: a known text field, a conversation, or the longest text there is."""
    if isinstance(record, str):
        yield from _document(name, record)
    elif isinstance(record, dict):
        for field in _CHAT_FIELDS:
            if turns := _turns(record.get(field)):
                yield Document(name, messages=turns)
                return
        for field in _TEXT_FIELDS:
            if isinstance(record.get(field), str):
                yield from _document(name, record[field])
                return
        texts = [value for value in record.values() if isinstance(value, str)]
        if texts:
            yield from _document(name, max(texts, key=len))


def _turns(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list):
        return ()
    turns = [
        (str(turn.get("role") or turn.get("from")), str(turn.get("content") or turn.get("value") or ""))
        for turn in value
        if isinstance(turn, dict) and ("role" in turn or "from" in turn)
    ]
    return tuple(turns) if len(turns) == len(value) else ()


def _document(name: str, text: str) -> Iterator[Document]:
    if text.strip():
        yield Document(name, text)
