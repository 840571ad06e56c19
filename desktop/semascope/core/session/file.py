"""The session file: one SQLite database, `.semascope`, saved so often and so cheaply that nothing is ever lost.

While a `SessionFile` is open it holds the file for itself, in write-ahead mode: a save is one small transaction of
what changed, and a process killed at any moment leaves the last save whole. Closed, it is one plain file again.
`read_session` only looks: it reads a copy, so it works on read-only media and on a file that a window has open.

Files come from strangers. Size, header, version and the exact tables are checked before anything is read, and every
failure is a `UserError`.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from semascope.core.atomic import atomic_file
from semascope.core.errors import UserError, from_os_error
from semascope.core.session import rows
from semascope.core.session.document import Session
from semascope.core.session.migrations import VERSION, expected_tables, migrate, tables

SUFFIX = ".semascope"
APPLICATION_ID = 0x53656D61  # "Sema"
LARGEST = 1 << 30  # bytes; a session with a hundred thousand long notes has a tenth of this
_LONGEST_VALUE = 64 << 20
_MAGIC = b"SQLite format 3\0"

_open_files: WeakValueDictionary[Path, SessionFile] = WeakValueDictionary()


class SessionFile:
    """An open session file. `save` may be called from any one thread at a time; calls wait for each other.

    Attributes:
        path: Where it is.
        session: What it holds: the session read at opening, then the one saved last.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, session: Session) -> None:
        self.path = path
        self.session = session
        self._connection: sqlite3.Connection | None = connection
        self._lock = threading.Lock()
        _open_files[path] = self

    @classmethod
    def create(cls, path: str | Path, session: Session | None = None, *, overwrite: bool = False) -> SessionFile:
        """Make a new file that holds `session` (default: an empty one) and open it.

        Raises:
            UserError: There is such a file already and `overwrite` is False, it is open in a window, or it can't be
                written.
        """
        path = Path(path).absolute()
        if path.exists() and (path.is_dir() or not overwrite):
            raise UserError(f"{path} exists already.", "Choose another name.")
        if path.resolve() in _open_files or (path.exists() and _is_held(path)):
            raise _in_use(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as beside, _failures(path, "save"):
                connection = _connect(beside)
                with contextlib.closing(connection), _transaction(connection):
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    migrate(connection, 0)
                    rows.write(connection, Session(), session or Session())
                for remains in ("-wal", "-journal"):  # of a killed window: they must not meet the new file
                    path.with_name(path.name + remains).unlink(missing_ok=True)
        except OSError as error:
            raise from_os_error(error, f"save the session {path}") from error
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> SessionFile:
        """Open a file for reading and saving, and keep every other window out of it.

        Raises:
            UserError: It is no session, damaged, from a newer version, open elsewhere, or can't be written.
        """
        path = Path(path).absolute().resolve()
        if path in _open_files:
            raise _in_use(path)
        _check_header(path)
        with _failures(path, "open"):
            connection = _connect(path)
            try:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("PRAGMA journal_mode = WAL")
                with _transaction(connection):  # takes the lock, and finds out whether the file can be written
                    session = _load(connection, path)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection, session)

    def save(self, session: Session) -> None:
        """Write what differs from the last save; when this returns, a killed process loses nothing of it.

        Raises:
            UserError: The disk is full or the file can't be written. The last save stays whole, and the next call
                tries again with everything since.
        """
        with self._lock, _failures(self.path, "save"):
            if self._connection is None:
                raise UserError(f"The session {self.path} is closed.")
            if session is not self.session:
                with _transaction(self._connection):
                    rows.write(self._connection, self.session, session)
                self.session = session

    def close(self) -> None:
        """Fold the write-ahead log into the one file and let go of it. Closing twice does nothing."""
        with self._lock:
            connection, self._connection = self._connection, None
            _open_files.pop(self.path, None)
            if connection is not None:
                # On a full disk the log stays beside the file and is read at the next opening: nothing is lost.
                with contextlib.closing(connection), contextlib.suppress(sqlite3.Error):
                    connection.execute("PRAGMA journal_mode = DELETE")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_session(path: str | Path) -> Session:
    """The session in a file, which is neither changed nor locked.

    Raises:
        UserError: It is no session, damaged, or from a newer version.
    """
    path = Path(path).absolute().resolve()
    if (opened := _open_files.get(path)) is not None:
        return opened.session
    _check_header(path)
    with tempfile.TemporaryDirectory(prefix="semascope-") as folder, _failures(path, "read"):
        copy = _snapshot(path, Path(folder))
        with contextlib.closing(_connect(copy)) as connection, _transaction(connection):
            return _load(connection, path)


# --- opening with care ---------------------------------------------------------------------------------------------


def _check_header(path: Path) -> None:
    """Refuse what is no session, by its first hundred bytes, before SQLite touches it."""
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder, not a session.", f"Open a {SUFFIX} file.")
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise from_os_error(error, f"read the session {path}") from error
    if not header.startswith(_MAGIC) or int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise UserError(f"{path} is not a Semascope session.", f"Open a {SUFFIX} file.")
    if size > LARGEST:
        raise UserError(f"The session {path} is too large to be one ({size >> 20} MB).")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _is_held(path: Path) -> bool:
    """Whether another window holds the file; one that is no database is held by nobody."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    with contextlib.closing(connection):
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return False


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            connection.execute("ROLLBACK")
        raise


def _load(connection: sqlite3.Connection, path: Path) -> Session:
    """Check the file, bring it to the current version, and read it; inside the caller's transaction."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise UserError(f"The session {path} was made by a newer version of Semascope.", "Update Semascope.")
    if version < 1 or tables(connection) != expected_tables(version):
        raise UserError(f"The session {path} is damaged: its tables are not those of a session.", _DAMAGED_HINT)
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise UserError(f"The session {path} is damaged.", _DAMAGED_HINT)
    if version < VERSION:
        migrate(connection, version)
    try:
        return rows.read(connection)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise UserError(f"The session {path} is damaged: {_reason(error)}.", _DAMAGED_HINT) from error


def _reason(error: Exception) -> str:
    return str(error) if type(error) is ValueError and len(str(error)) < 80 else "a value can't be read"


_DAMAGED_HINT = "Open another copy of it, if there is one."


def _snapshot(path: Path, folder: Path) -> Path:
    """A copy of the file with its write-ahead log, taken while nobody moved pages from the one to the other."""
    log = path.with_name(path.name + "-wal")
    copy = folder / path.name
    for _ in range(5):
        before = path.stat()
        shutil.copyfile(path, copy)
        if log.exists():
            shutil.copyfile(log, copy.with_name(log.name))
        after = path.stat()
        if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
            return copy
        copy.with_name(log.name).unlink(missing_ok=True)
    raise _in_use(path)


def _in_use(path: Path) -> UserError:
    return UserError(f"The session {path} is open in another window.", "Close it there first.")


@contextlib.contextmanager
def _failures(path: Path, doing: str) -> Iterator[None]:
    """Every failure met while `doing` something with `path`, as the sentence for it."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise _in_use(path) from error
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            raise UserError(
                f"Could not {doing} the session {path}: no permission to write there.", "Save it elsewhere."
            ) from error
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise UserError(
                f"Could not {doing} the session {path}: the disk is full or failing.",
                "Free some space or save it elsewhere.",
            ) from error
        raise UserError(f"The session {path} is damaged.", _DAMAGED_HINT) from error
    except OSError as error:
        raise from_os_error(error, f"{doing} the session {path}") from error
