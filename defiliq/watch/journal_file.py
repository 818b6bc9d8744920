"""The file of a journal: who may use it, what it must hold, and what becomes of one that cannot be used."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from defiliq.errors import BadFile, JournalFull, JournalInUse

SCHEMA_VERSION: Final = 1
MEMORY: Final = ":memory:"
BUSY_TIMEOUT_S: Final = 30
LARGEST_LOG_BYTES: Final = 16 << 20
"""What of the write-ahead log stays on the disk once it has been copied into the file."""
BESIDE: Final = ("", "-wal", "-shm")
"""A database and what SQLite keeps next to it."""
PRIMARY_CODE: Final = 0xFF
NOT_WRITTEN: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
UNUSABLE: Final = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT}
)

SCHEMA: Final = """
CREATE TABLE journal (market TEXT NOT NULL);
CREATE TABLE heads (
    number INTEGER PRIMARY KEY, hash TEXT NOT NULL, head TEXT NOT NULL, seal INTEGER NOT NULL);
CREATE TABLE state (
    section TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL, value TEXT, seal INTEGER NOT NULL,
    PRIMARY KEY (section, key, number)) WITHOUT ROWID;
CREATE INDEX state_by_number ON state (number);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL,
    line TEXT NOT NULL, is_void INTEGER NOT NULL DEFAULT 0, seal INTEGER NOT NULL);
CREATE INDEX events_by_number ON events (number);
CREATE UNIQUE INDEX standing_events ON events (id) WHERE is_void = 0 AND kind != 'reorg';
CREATE TABLE sinks (
    name TEXT PRIMARY KEY, delivered INTEGER NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID;
"""
"""`state` holds of each key only its changes: its value after a block is that of its newest row up to there,
and NULL says that the key went. `is_void` marks events of blocks that the chain has replaced."""

SEALED: Final = (
    "SELECT number, hash, head, seal FROM heads",
    "SELECT section, key, number, value, seal FROM state",
    "SELECT id, number, kind, line, seal FROM events",
)


class Unusable(Exception):
    """The file is no journal; the text says why."""


def seal(*values: str | int | None) -> int:
    """A checksum of a row: SQLite notices damage to its own pages' order, not to what stands in them."""
    return zlib.crc32(repr(values).encode())


class Lock:
    """Held as long as the process lives, or until it is closed. Children of the process do not inherit it."""

    def __init__(self, path: str, advice: str = "or use another --state") -> None:
        place = f"{path}.lock"
        try:
            self._db = sqlite3.connect(place, timeout=0, isolation_level=None, check_same_thread=False)
            self._db.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if _code(error) == sqlite3.SQLITE_BUSY:
                raise JournalInUse(path, f"another watch is using it; end that one, {advice}") from None
            raise BadFile(place, f"{error} (it only says that {path} is in use)") from None

    def close(self) -> None:
        """Let others have it."""
        self._db.close()


Check: TypeAlias = Callable[[sqlite3.Connection], None]
"""Raises Unusable where what the tables hold makes no sense."""


def opened(path: str, market: str, check: Check) -> tuple[sqlite3.Connection, list[str]]:
    """The database of a journal that is locked already, made or made anew if need be; what to say of that.

    BadFile for a file that cannot be opened, or is the journal of another market.
    """
    try:
        return _connected(path, market, check), []
    except Unusable as error:
        kept = _set_aside(path)
        notice = f"{path} is no journal ({error}): it is kept as {kept}, and a new one begun."
    try:
        return _connected(path, market, check), [notice]
    except Unusable as error:
        raise BadFile(path, str(error)) from None


@contextmanager
def named(path: str) -> Iterator[None]:
    """Failures of SQLite by our names: JournalFull where the disk takes nothing more, BadFile for others."""
    try:
        yield
    except sqlite3.Error as error:
        if _code(error) in NOT_WRITTEN:
            raise JournalFull(path, f"{error} (nothing of the change was written)") from None
        raise BadFile(path, f"{error} (the journal of a watch)") from error


def _code(error: sqlite3.Error) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & PRIMARY_CODE


def _connected(path: str, market: str, check: Check) -> sqlite3.Connection:
    with named(path):
        db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db, path, market)
        check(db)
    except sqlite3.Error as error:
        db.close()
        if _code(error) is None or _code(error) in UNUSABLE:
            raise Unusable(str(error)) from None
        with named(path):
            raise
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: str, market: str) -> None:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    tables = int(db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if version == 0 and tables == 0:
        # Before anything else is written, or SQLite never gives pages back.
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute(f"PRAGMA journal_size_limit = {LARGEST_LOG_BYTES}")
    if version == 0 and tables == 0:
        _create(db, market)
        return
    if version != SCHEMA_VERSION:
        raise Unusable(f"its format is {version}, not {SCHEMA_VERSION}")
    found = str(db.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if found != "ok":
        raise Unusable(" ".join(found.split()))
    owners = [str(row[0]) for row in db.execute("SELECT market FROM journal").fetchall()]
    if len(owners) != 1:
        raise Unusable("it names no market")
    if owners[0] != market:
        raise BadFile(path, f"it is the journal of {owners[0]}, not of {market}")
    for rows in SEALED:
        with closing(db.execute(rows)) as cursor:
            if any(seal(*row[:-1]) != row[-1] for row in cursor):
                raise Unusable("what it holds was changed")


def _create(db: sqlite3.Connection, market: str) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in SCHEMA.split(";"):
            db.execute(statement)
        db.execute("INSERT INTO journal VALUES (?)", (market,))
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _set_aside(path: str) -> str:
    """Rename a database and what is beside it; where to."""
    number = 1
    while any(Path(f"{path}.bad-{number}{end}").exists() for end in BESIDE):
        number += 1
    kept = f"{path}.bad-{number}"
    try:
        for end in BESIDE:
            source = Path(path + end)
            if source.exists():
                source.rename(kept + end)
    except OSError as error:
        raise BadFile(path, f"it is no journal, and cannot be renamed ({error.strerror})") from None
    return kept
