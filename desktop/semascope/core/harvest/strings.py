"""Strings of a harvest in SQLite: the model's vocabulary and the names of documents. Needs no tokenizer to be read.

A token is kept as the bytes it stands for, so that a text can be put together again (a character may be spread over
tokens), and as the piece that a list shows.
"""

from __future__ import annotations

import codecs
import itertools
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from semascope.core.errors import UserError

_SCHEMA = """
CREATE TABLE token (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL, piece TEXT NOT NULL, special INTEGER NOT NULL);
CREATE TABLE document (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
"""
_AT_ONCE = 4096


class Codec(Protocol):
    """What is needed of `core.models.text.TextCodec`."""

    special_ids: frozenset[int]

    def token_bytes(self, token: int) -> bytes: ...

    def piece(self, token: int) -> str: ...


def write_strings(path: Path, codec: Codec, vocabulary: int, documents: Iterable[tuple[int, str]]) -> Iterator[int]:
    """Write the file; yields the number of rows written, every few thousand.

    Raises:
        OSError: The disk is full, or the file can't be written.
    """
    path.unlink(missing_ok=True)
    tokens = (
        (token, codec.token_bytes(token), codec.piece(token), token in codec.special_ids) for token in range(vocabulary)
    )
    try:
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA journal_mode = OFF")  # it appears under its name only when whole
            database.executescript(_SCHEMA)
            rows = 0
            for sql, source in (
                ("INSERT INTO token VALUES (?, ?, ?, ?)", tokens),
                ("INSERT INTO document VALUES (?, ?)", iter(documents)),
            ):
                while batch := list(itertools.islice(source, _AT_ONCE)):
                    database.executemany(sql, batch)
                    rows += len(batch)
                    yield rows
        database.close()
    except sqlite3.OperationalError as error:
        raise OSError(28 if "full" in str(error) else 5, str(error), str(path)) from error


class Strings:
    """The strings of an opened harvest. May be used from several threads."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            UserError: It is missing, damaged or something else.
        """
        self._name = path.name
        self._lock = threading.Lock()
        self._tokens: dict[int, tuple[bytes, str, bool]] = {}
        self._documents: dict[int, str] = {}
        try:
            if not path.is_file():
                raise sqlite3.DatabaseError("missing")
            uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
            self._database = sqlite3.connect(uri, uri=True, check_same_thread=False)
            self._database.execute("SELECT id, bytes, piece, special FROM token LIMIT 1").fetchall()
            self._database.execute("SELECT id, name FROM document LIMIT 1").fetchall()
        except sqlite3.Error as error:
            raise self._damaged() from error

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Each token alone, as lists show it."""
        return [piece for _, piece, _ in self._look_up(ids)]

    def texts(self, ids: Sequence[int]) -> tuple[tuple[str, ...], tuple[bool, ...]]:
        """One string a token, as in `TextCodec.strings`: a character spread over tokens goes to the one that completes it.

        Returns:
            The strings; whether each is a special token.
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rows = self._look_up(ids)
        out: list[str] = []
        for raw, _, special in rows:
            if special:
                if out:
                    out[-1] += decoder.decode(b"", final=True)
                decoder.reset()
                out.append(raw.decode(errors="replace"))
            else:
                out.append(decoder.decode(raw))
        if out:
            out[-1] += decoder.decode(b"", final=True)
        return tuple(out), tuple(special for _, _, special in rows)

    @cached_property
    def pieces_folded(self) -> list[str]:
        """Every token's piece without its case, by id, for searches."""
        return [piece.casefold() for piece in self._all_pieces]

    @cached_property
    def pieces_stripped(self) -> list[str]:
        """Every token's piece without white space around it, by id."""
        return [piece.strip() for piece in self._all_pieces]

    @cached_property
    def _all_pieces(self) -> list[str]:
        return [str(piece) for (piece,) in self._query("SELECT piece FROM token ORDER BY id")]

    def document(self, index: int) -> str:
        """The name of a document, or "" if it has none."""
        if index not in self._documents:
            found = self._query("SELECT name FROM document WHERE id = ?", index)
            self._documents[index] = str(found[0][0]) if found else ""
        return self._documents[index]

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _look_up(self, ids: Iterable[int]) -> list[tuple[bytes, str, bool]]:
        wanted = [int(i) for i in ids]
        for i in {i for i in wanted if i not in self._tokens}:
            found = self._query("SELECT bytes, piece, special FROM token WHERE id = ?", i)
            raw, piece, special = found[0] if found else (b"", f"<{i}>", False)
            self._tokens[i] = (bytes(raw), str(piece), bool(special))
        return [self._tokens[i] for i in wanted]

    def _query(self, sql: str, *values: object) -> list[tuple]:
        with self._lock:
            try:
                return self._database.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise self._damaged() from error

    def _damaged(self) -> UserError:
        return UserError(f"{self._name} is damaged or missing.", "Make the harvest again, or copy it again.")
