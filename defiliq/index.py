"""Whom to ask about: accounts found in logs, kept in SQLite with the blocks they were looked for in.

A scan is some events of some contracts on one chain. Its accounts and its newest checkpoint change in one
transaction, so the file never claims a block whose accounts it lacks, whatever kills the process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.log_columns import no_logs
from defiliq.chain.logs import scan_logs
from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.chain.settled import SettledLogs
from defiliq.errors import BadFile, BlockNotFound
from defiliq.types import Block, ChainId

OwnerOf: TypeAlias = Callable[[Logs], NDArray[np.uint8]]
"""The accounts that some logs name: (n, K) keys, one per log, or (n, A, K), of which some may be the same.

K is the same for all logs of a scan, and (0, K) or (0, A, K) tells it even of none.
"""

Progress: TypeAlias = Callable[[int, int, int, int], None]
"""Told after every committed range: (block done, first block, last block, accounts so far)."""

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 30
KEPT_RECENT = 16
"""Checkpoints kept whatever their distance; older ones thin out with it."""

SCHEMA = """
CREATE TABLE scans (
    id INTEGER PRIMARY KEY, chain_id INTEGER NOT NULL, contract BLOB NOT NULL, topic0 BLOB NOT NULL,
    from_block INTEGER NOT NULL, UNIQUE (chain_id, contract, topic0));
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY, scan INTEGER NOT NULL REFERENCES scans, address BLOB NOT NULL,
    first_block INTEGER NOT NULL, UNIQUE (scan, address));
CREATE INDEX accounts_by_block ON accounts (scan, first_block);
CREATE TABLE checkpoints (
    scan INTEGER NOT NULL REFERENCES scans, block INTEGER NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (scan, block)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What a scan has found up to a block."""

    owners: NDArray[np.uint8]
    """(N, K) in order of first sight; (0, 0) where there are none."""
    covered: int | None
    """The last block up to which nothing is missing; None before the first range."""


class Index:
    """The file. Several processes may use it at once; each waits for the other's transaction."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        with self._named():
            self._db = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
        self._prepare()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back. Nothing is pending: every change was committed when it was made."""
        self._db.close()

    def known(self, chain_id: ChainId, wanted: LogFilter, up_to: int) -> Known:
        """The accounts first seen at or before block `up_to`, and how far the search has come."""
        with self._named():
            scan = self._scan(chain_id, wanted)
            if scan is None:
                return Known(np.zeros((0, 0), dtype=np.uint8), None)
            rows = self._db.execute(
                "SELECT address FROM accounts WHERE scan = ? AND first_block <= ? ORDER BY first_block, id",
                (scan, up_to),
            ).fetchall()
            covered = self._covered(scan)
        owners = _as_rows(self.path, [row[0] for row in rows])
        return Known(owners, None if covered is None else min(covered, up_to))

    def count(self, scan: int) -> int:
        """How many accounts a scan has found."""
        with self._named():
            return int(
                self._db.execute("SELECT count(*) FROM accounts WHERE scan = ?", (scan,)).fetchone()[0]
            )

    def open_scan(self, chain_id: ChainId, wanted: LogFilter, from_block: int) -> int:
        """The scan's row, made if need be.

        A scan that began later than `from_block` is forgotten: nobody looked at the blocks before it.
        """
        with self._changing():
            self._db.execute(
                "INSERT OR IGNORE INTO scans (chain_id, contract, topic0, from_block) VALUES (?, ?, ?, ?)",
                (chain_id, *_key(wanted), from_block),
            )
            scan = self._scan(chain_id, wanted)
            assert scan is not None, "the row was just inserted"  # noqa: S101
            if self._begun(scan) > from_block:
                self._forget(scan, after=-1)
            if self._covered(scan) is None:
                self._db.execute("UPDATE scans SET from_block = ? WHERE id = ?", (from_block, scan))
        return scan

    def checkpoints(self, scan: int) -> list[tuple[int, str]]:
        """(block, hash) of every checkpoint, newest first."""
        with self._named():
            rows = self._db.execute(
                "SELECT block, hash FROM checkpoints WHERE scan = ? ORDER BY block DESC", (scan,)
            ).fetchall()
        return [(int(block), str(seen)) for block, seen in rows]

    def commit(
        self, scan: int, first: int, last: Block, owners: NDArray[np.uint8], blocks: NDArray[np.int64]
    ) -> int:
        """Add the accounts of blocks `first` to `last` and move the checkpoint to `last`, as one change.

        `owners` are what OwnerOf says, `blocks` (n,). The number of accounts that are new. A gap before
        `first` is refused.
        """
        keys = np.ascontiguousarray(owners).reshape(-1, owners.shape[-1])
        each = len(keys) // max(1, len(blocks))
        packed = keys.view(np.dtype((np.void, owners.shape[-1]))).reshape(len(keys))
        _, firsts = np.unique(packed, return_index=True)
        rows = [(scan, keys[i].tobytes(), int(blocks[i // each])) for i in np.sort(firsts)]
        with self._changing():
            covered = self._covered(scan)
            if first > (self._begun(scan) if covered is None else covered + 1):
                raise BadFile(self.path, "another process stepped it back over a reorganisation; run again")
            added = self._db.executemany(
                "INSERT OR IGNORE INTO accounts (scan, address, first_block) VALUES (?, ?, ?)", rows
            ).rowcount
            self._db.execute(
                "INSERT OR REPLACE INTO checkpoints (scan, block, hash) VALUES (?, ?, ?)",
                (scan, last.number, last.hash),
            )
            self._thin(scan)
        return max(added, 0)  # sqlite3 says -1 where there was nothing to insert

    def forget(self, scan: int, *, after: int) -> None:
        """Drop everything that was seen in blocks later than `after`."""
        with self._changing():
            self._forget(scan, after)

    def _prepare(self) -> None:
        with self._changing():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise BadFile(self.path, f"index format {version}, not {SCHEMA_VERSION}; delete it to rescan")

    def _scan(self, chain_id: ChainId, wanted: LogFilter) -> int | None:
        row = self._db.execute(
            "SELECT id FROM scans WHERE chain_id = ? AND contract = ? AND topic0 = ?",
            (chain_id, *_key(wanted)),
        ).fetchone()
        return None if row is None else int(row[0])

    def _begun(self, scan: int) -> int:
        return int(self._db.execute("SELECT from_block FROM scans WHERE id = ?", (scan,)).fetchone()[0])

    def _covered(self, scan: int) -> int | None:
        row = self._db.execute("SELECT max(block) FROM checkpoints WHERE scan = ?", (scan,)).fetchone()
        return None if row[0] is None else int(row[0])

    def _forget(self, scan: int, after: int) -> None:
        self._db.execute("DELETE FROM checkpoints WHERE scan = ? AND block > ?", (scan, after))
        self._db.execute("DELETE FROM accounts WHERE scan = ? AND first_block > ?", (scan, after))

    def _thin(self, scan: int) -> None:
        rows = self._db.execute(
            "SELECT block FROM checkpoints WHERE scan = ? ORDER BY block DESC", (scan,)
        ).fetchall()
        blocks = [int(row[0]) for row in rows]
        dropped = sorted(set(blocks) - kept_checkpoints(blocks))
        self._db.executemany(
            "DELETE FROM checkpoints WHERE scan = ? AND block = ?", [(scan, block) for block in dropped]
        )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One transaction: all of it, or nothing."""
        with self._named():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise BadFile(self.path, f"{error} (the account index; delete it to rescan)") from error


def kept_checkpoints(blocks: Sequence[int]) -> set[int]:
    """Which of some checkpoint blocks, newest first, to keep: the recent ones, then two per doubling of age.

    Their number stays bounded (about 2 * 64) and a step back loses at most as much as it must times four.
    """
    kept = set(blocks[:KEPT_RECENT])
    for block in blocks[KEPT_RECENT:]:
        octave = (blocks[0] - block).bit_length()
        peers = [other for other in blocks if (blocks[0] - other).bit_length() == octave]
        kept |= {peers[0], peers[-1]}
    return kept


def discover(
    node: Node,
    index: Index,
    wanted: LogFilter,
    owner_of: OwnerOf,
    from_block: int,
    at: Block,
    on_progress: Progress | None = None,
) -> NDArray[np.uint8]:
    """The (N, K) accounts that `wanted` named in blocks `from_block` to `at`, in order of first sight.

    Reads only blocks that no earlier run has read. When a range fails the error passes through, everything
    before it is already stored: `Index.known` returns it, with the last covered block.
    """
    scan = index.open_scan(node.chain_id, wanted, from_block)
    covered = _step_back(node, index, scan)
    first = from_block if covered is None else covered + 1
    if first <= at.number:
        found = index.count(scan)
        settled = SettledLogs(node, at)

        def keep(begin: int, end: int, logs: Logs) -> None:
            nonlocal found
            found += index.commit(scan, begin, settled.end, owner_of(logs), logs.blocks)
            if on_progress is not None:
                on_progress(end, first, at.number, found)

        scan_logs(settled, wanted, first, at.number, on_range=keep)
    owners = index.known(node.chain_id, wanted, at.number).owners
    return owners if len(owners) else np.zeros((0, owner_of(no_logs()).shape[-1]), dtype=np.uint8)


def _step_back(node: Node, index: Index, scan: int) -> int | None:
    """Forget what was read from blocks that the chain no longer has; the last block that still stands."""
    checkpoints = index.checkpoints(scan)
    for block, seen in checkpoints:
        if _hash_of(node, block) == seen:
            if block != checkpoints[0][0]:
                index.forget(scan, after=block)
            return block
    if checkpoints:
        index.forget(scan, after=-1)
    return None


def _hash_of(node: Node, number: int) -> str | None:
    try:
        return node.block(number).hash
    except BlockNotFound:
        return None


def _as_rows(path: str, keys: Sequence[bytes]) -> NDArray[np.uint8]:
    """Keys of one length as (n, K)."""
    widths = {len(key) for key in keys} or {0}
    if len(widths) > 1:
        raise BadFile(path, "accounts of several lengths (the account index; delete it to rescan)")
    return np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), widths.pop())


def _key(wanted: LogFilter) -> tuple[bytes, bytes]:
    """What names a scan: its contracts and its events, each in one order."""
    contracts = sorted(bytes.fromhex(address.removeprefix("0x")) for address in wanted.addresses)
    return b"".join(contracts), b"".join(sorted(wanted.topics))
