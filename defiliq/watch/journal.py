"""What a watch has told and what it must remember, kept in SQLite: one file per market.

The events of a block, what is remembered after it and the block itself change in one transaction. So the file
never claims a block whose events it lacks, whatever kills the process, and what a sink still has to get
survives with them. A power cut may take the last blocks as a whole: they are evaluated again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from defiliq.errors import BadFile
from defiliq.types import Head
from defiliq.watch.journal_file import MEMORY, Lock, Unusable, named, opened, seal
from defiliq.watch.journal_rows import changes, flat_at, head_from_json, head_json, memory_of, own
from defiliq.watch.memory import Memory
from defiliq.watch.schema import Event

KEPT_BLOCKS: Final = 256
"""Evaluated blocks that can be taken back."""
TIDY_EVERY: Final = 32
"""Commits between two looks for events that nobody needs any more."""
FREE_PAGES: Final = 256
"""Unused pages that stay in the file; more are given back."""


class Kept(NamedTuple):
    """A block that was evaluated, and what was remembered after it."""

    head: Head
    memory: Memory


class Line(NamedTuple):
    """An event on its way to a sink."""

    seq: int
    """Its place in the journal: later events have larger ones."""
    id: str
    line: str
    """The event as JSON, without a newline."""


class Journal:
    """The file. One process at a time has it; several threads of it may use it."""

    def __init__(self, path: Path | str, market: str) -> None:
        """Open or begin the journal of a market, by whatever name tells it from all others.

        JournalInUse where another live process has it; BadFile for another market's. One that is damaged is
        kept aside and a new one begun, which `notices` says. `:memory:` keeps nothing.
        """
        self.path = str(path)
        self.notices: list[str] = []
        self._mutex = threading.RLock()
        self._commits = 0
        self._memory: Memory | None = None
        self._lock = None if self.path == MEMORY else Lock(self.path)
        try:
            self._db, self.notices = opened(self.path, market, _check)
            self._recall()
        except BaseException:
            self._unlock()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back. Nothing is pending: every change was committed when it was made."""
        with self._mutex:
            self._db.close()
            self._unlock()

    def last(self) -> Kept | None:
        """The last block that was committed, with its memory; None in a new journal."""
        with self._reading():
            return _kept_at(self._db, self._newest(), self.path)

    def heads(self) -> list[tuple[int, str]]:
        """(number, hash) of the blocks that can be gone back to, newest first: KEPT_BLOCKS at most."""
        with self._reading():
            rows = self._db.execute("SELECT number, hash FROM heads ORDER BY number DESC").fetchall()
        return [(int(number), str(block_hash)) for number, block_hash in rows]

    def commit(self, head: Head, memory: Memory, events: Sequence[Event]) -> None:
        """Keep a block, what is remembered after it and its events, as one change.

        JournalFull where the disk takes no more: nothing of it is kept then, and the same commit can be made
        again. ValueError for a block that is not after the last one.
        """
        number = head.block.number
        with self._changing():
            last = self._newest()
            if last is not None and number <= last:
                raise ValueError(f"block {number} is not after block {last}")
            told = head_json(head)
            row = (number, head.block.hash, told)
            self._db.execute("INSERT INTO heads VALUES (?, ?, ?, ?)", (*row, seal(*row)))
            self._remember(number, memory)
            self._tell(number, events)
            self._forget_old()
            if self._commits % TIDY_EVERY == 0:
                self._tidy()
        self._memory = own(memory)
        if self._commits % TIDY_EVERY == 0:
            self._shrink()
        self._commits += 1

    def rollback(self, number: int, told: Callable[[list[str]], Sequence[Event]]) -> Kept | None:
        """Forget the blocks after `number`; the block that is the last one now, None where it is not kept.

        `told` gives the events that say so, from the ids of the events that no longer hold, oldest first.
        They are kept in the same change, and follow those in the sinks. Where nothing is after `number`
        nothing changes. JournalFull as for `commit`.
        """
        with self._mutex:
            with self._changing():
                newest = self._newest()
                found = self._db.execute("SELECT 1 FROM heads WHERE number = ?", (number,)).fetchone()
                if newest is None or found is None:
                    return None
                if number < newest:
                    self._take_back(number, told)
            return self._recall()

    def register(self, sink: str, *, from_start: bool = False, position: int = 0) -> None:
        """Make a sink known that may be known already.

        A new one, which stands at `position`, gets what is told from now on, or everything still kept.
        """
        # The sequence outlives the events that were pruned.
        start = "0" if from_start else "(SELECT ifnull(max(seq), 0) FROM sqlite_sequence)"
        with self._changing():
            self._db.execute(f"INSERT OR IGNORE INTO sinks SELECT ?, {start}, ?", (sink, position))

    def forget(self, sink: str) -> None:
        """Let go of a sink: events are not kept for it any longer."""
        with self._changing():
            self._db.execute("DELETE FROM sinks WHERE name = ?", (sink,))

    def sinks(self) -> list[str]:
        """The names of those that are known."""
        with self._reading():
            return [str(row[0]) for row in self._db.execute("SELECT name FROM sinks ORDER BY name")]

    def told(self) -> int:
        """How many events were ever told, those that are void included."""
        with self._reading():
            row = self._db.execute("SELECT ifnull(max(seq), 0) FROM sqlite_sequence").fetchone()
        return int(row[0])

    def pending(self, sink: str, limit: int) -> list[Line]:
        """The next events that a sink has not got, in order; none for a sink that is not known."""
        with self._reading():
            rows = self._db.execute(
                "SELECT seq, id, line FROM events "
                "WHERE seq > (SELECT delivered FROM sinks WHERE name = ?) ORDER BY seq LIMIT ?",
                (sink, limit),
            ).fetchall()
        return [Line(*row) for row in rows]

    def delivered(self, sink: str, seq: int, position: int = 0) -> None:
        """A sink has everything up to `seq`, surely, and stands at `position`, whatever that means to it."""
        with self._changing():
            self._db.execute(
                "UPDATE sinks SET delivered = ?, position = ? WHERE name = ? AND delivered < ?",
                (seq, position, sink, seq),
            )

    def position(self, sink: str) -> int:
        """Where a sink stood when it last had everything; 0 for one that is not known."""
        with self._reading():
            row = self._db.execute("SELECT position FROM sinks WHERE name = ?", (sink,)).fetchone()
        return 0 if row is None else int(row[0])

    def backlog(self, sink: str) -> int:
        """How many events a sink has not got."""
        with self._reading():
            row = self._db.execute(
                "SELECT count(*) FROM events WHERE seq > (SELECT delivered FROM sinks WHERE name = ?)",
                (sink,),
            ).fetchone()
        return int(row[0])

    def _newest(self) -> int | None:
        row = self._db.execute("SELECT max(number) FROM heads").fetchone()
        return None if row[0] is None else int(row[0])

    def _recall(self) -> Kept | None:
        kept = self.last()
        self._memory = None if kept is None else kept.memory
        return kept

    def _remember(self, number: int, memory: Memory) -> None:
        """What changed since the last block; NULL where a key went."""
        rows = [(*key, number, value) for key, value in changes(self._memory, memory).items()]
        self._db.executemany("INSERT INTO state VALUES (?, ?, ?, ?, ?)", [(*row, seal(*row)) for row in rows])

    def _tell(self, number: int, events: Sequence[Event]) -> None:
        rows = [(event.id, number, event.kind, event.line()) for event in events]
        try:
            self._db.executemany(
                "INSERT INTO events (id, number, kind, line, seal) VALUES (?, ?, ?, ?, ?)",
                [(*row, seal(*row)) for row in rows],
            )
        except sqlite3.IntegrityError:
            raise BadFile(self.path, f"an event of block {number} stands in it already") from None

    def _take_back(self, number: int, told: Callable[[list[str]], Sequence[Event]]) -> None:
        # What a reorganisation took back stays taken back when a deeper one follows.
        orphaned = "number > ? AND is_void = 0 AND kind != 'reorg'"
        rows = self._db.execute(f"SELECT id FROM events WHERE {orphaned} ORDER BY seq", (number,))  # noqa: S608
        ids = [str(row[0]) for row in rows.fetchall()]
        self._db.execute(f"UPDATE events SET is_void = 1 WHERE {orphaned}", (number,))  # noqa: S608
        self._db.execute("DELETE FROM state WHERE number > ?", (number,))
        self._db.execute("DELETE FROM heads WHERE number > ?", (number,))
        self._tell(number, told(ids))

    def _forget_old(self) -> None:
        """Keep KEPT_BLOCKS heads, and of the state what is needed to go back to any of them."""
        oldest = self._db.execute("SELECT min(number) FROM heads").fetchone()[0]
        row = self._db.execute(
            "SELECT number FROM heads ORDER BY number DESC LIMIT 1 OFFSET ?", (KEPT_BLOCKS - 1,)
        ).fetchone()
        if row is None or row[0] == oldest:
            return
        self._db.execute("DELETE FROM heads WHERE number < ?", row)
        newer = self._db.execute(
            "SELECT section, key, number, value FROM state WHERE number > ? AND number <= ?", (oldest, *row)
        ).fetchall()
        for section, key, number, value in newer:
            until = number if value is None else number - 1
            self._db.execute(
                "DELETE FROM state WHERE section = ? AND key = ? AND number <= ?", (section, key, until)
            )

    def _tidy(self) -> None:
        """Drop events that every sink has got and that cannot be taken back any more."""
        # The plus keeps SQLite from looking at all events of old blocks, which may wait for a sink.
        everywhere = "ifnull((SELECT min(delivered) FROM sinks), (SELECT max(seq) FROM events))"
        settled = "+number < (SELECT min(number) FROM heads)"
        self._db.execute(f"DELETE FROM events WHERE seq <= {everywhere} AND {settled}")  # noqa: S608

    def _shrink(self) -> None:
        """Give pages that nobody needs back to the disk."""
        # The block is kept already, so a failure here must not look like one of its commit.
        with self._mutex, suppress(sqlite3.Error):
            free = int(self._db.execute("PRAGMA freelist_count").fetchone()[0])
            if free > FREE_PAGES:
                # A step per page, which only a script goes through to the end.
                self._db.executescript(f"PRAGMA incremental_vacuum({free - FREE_PAGES})")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._mutex, named(self.path):
            yield

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One transaction: all of it, or nothing."""
        with self._mutex, named(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite itself takes back some of the transactions that fail for want of room.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()


def _check(db: sqlite3.Connection) -> None:
    """Unusable where the last block of a journal cannot be gone on from."""
    newest = db.execute("SELECT max(number) FROM heads").fetchone()[0]
    if newest is not None:
        _head_at(db, newest)
        memory_of(flat_at(db, newest))


def _head_at(db: sqlite3.Connection, number: int) -> Head:
    return head_from_json(str(db.execute("SELECT head FROM heads WHERE number = ?", (number,)).fetchone()[0]))


def _kept_at(db: sqlite3.Connection, number: int | None, path: str) -> Kept | None:
    if number is None:
        return None
    try:
        return Kept(_head_at(db, number), memory_of(flat_at(db, number)))
    except Unusable as error:
        raise BadFile(path, str(error)) from None
