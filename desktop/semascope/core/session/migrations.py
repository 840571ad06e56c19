"""The tables of a session file, as an append-only list of steps from nothing to the current version.

A step that has been released is never edited: files in the world were made by it. A change of the tables is a new
function at the end of `MIGRATIONS`, with a test that opens a file of the version before it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable


def m001_first(connection: sqlite3.Connection) -> None:
    """References, notes, pins, prompts, answers, and named settings as JSON."""
    connection.execute(
        """CREATE TABLE reference (
            kind TEXT PRIMARY KEY, path TEXT NOT NULL, sha256 TEXT NOT NULL, name TEXT NOT NULL
        ) STRICT, WITHOUT ROWID"""
    )
    connection.execute(
        """CREATE TABLE note (
            sae TEXT NOT NULL, feature INTEGER NOT NULL,
            label TEXT NOT NULL, tags TEXT NOT NULL, notes TEXT NOT NULL,
            PRIMARY KEY (sae, feature)
        ) STRICT, WITHOUT ROWID"""
    )
    connection.execute(
        """CREATE TABLE pin (
            sae TEXT NOT NULL, place INTEGER NOT NULL, feature INTEGER NOT NULL,
            strength REAL NOT NULL, mode TEXT NOT NULL, enabled INTEGER NOT NULL,
            PRIMARY KEY (sae, place)
        ) STRICT, WITHOUT ROWID"""
    )
    connection.execute("CREATE TABLE prompt (place INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")
    connection.execute("CREATE TABLE answer (place INTEGER PRIMARY KEY, answer TEXT NOT NULL) STRICT")
    connection.execute("CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID")


def m002_several_dictionaries(connection: sqlite3.Connection) -> None:
    """Dictionaries in order, how SAEs are read, and their last self-checks, each as JSON."""
    connection.execute("CREATE TABLE dictionary (place INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT")
    for table in ("reading", "self_check"):
        connection.execute(f"CREATE TABLE {table} (sae TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (m001_first, m002_several_dictionaries)
VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables from `version` to `VERSION`, inside the caller's transaction."""
    for step in MIGRATIONS[version:]:
        step(connection)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def tables(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """Everything the file defines (tables, indexes, views, triggers), to be compared with what it should define."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {(kind, name, sql) for kind, name, sql in rows}


def expected_tables(version: int) -> set[tuple[str, str, str]]:
    """What a file of `version` defines, and nothing else: a foreign view or trigger is never run."""
    connection = sqlite3.connect(":memory:")
    try:
        for step in MIGRATIONS[:version]:
            step(connection)
        return tables(connection)
    finally:
        connection.close()
