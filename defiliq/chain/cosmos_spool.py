"""Pages of an interrupted read, kept in files so that the next one goes on from there."""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Final

import orjson

from defiliq.types import Block, ChainId

FORMAT: Final = "defiliq pages 1"
LONGEST_FIRST_LINE: Final = 4_096
LARGEST_PAGE: Final = 1 << 30
LARGEST_FILE: Final = 8 << 30
KEPT: Final = 3
"""So many interrupted reads of one query are kept; older ones make way."""
SIZE_BYTES: Final = 4
SUFFIX: Final = ".pages"

Warn = Callable[[str], None]


class PageStore:
    """A directory of interrupted reads, one file for each chain, block and query."""

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(directory)

    def open(self, at: Block, method: str, warn: Warn) -> Spool | None:
        """Where the pages of a query at a block are kept; None, with a warning, where nothing can be."""
        path = self._directory.joinpath(_name(at, method))
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._make_way(at.chain_id, method, path)
            return Spool(path, _first_line(at, method), warn)
        except OSError as error:
            warn(_unkept(error))
            return None

    def unfinished(self, chain_id: ChainId, method: str) -> Block | None:
        """The newest block at which a read of this query was interrupted."""
        found = [block for block, _ in self._interrupted(chain_id, method)]
        return max(found, key=lambda block: block.number, default=None)

    def _interrupted(self, chain_id: ChainId, method: str) -> list[tuple[Block, Path]]:
        try:
            paths = sorted(self._directory.glob(f"*{SUFFIX}"))
        except OSError:
            return []
        read = ((_block_of(path, method), path) for path in paths)
        return [(block, path) for block, path in read if block is not None and block.chain_id == chain_id]

    def _make_way(self, chain_id: ChainId, method: str, path: Path) -> None:
        others = [pair for pair in self._interrupted(chain_id, method) if pair[1] != path]
        others.sort(key=lambda pair: pair[0].number, reverse=True)
        for _, old in others[KEPT - 1 :]:
            old.unlink(missing_ok=True)


class Spool:
    """One file: a line that says what it holds, then each page with its length and checksum.

    A page is written in one piece, and the pages are read only as far as they are whole, so that neither a
    crash nor a full disk leaves more than a page to ask for again.
    """

    def __init__(self, path: Path, first_line: bytes, warn: Warn) -> None:
        self._path, self._warn = path, warn
        self._start = len(first_line)
        self._last = self._next = self._start
        file = FileIO(path, "a+")
        try:
            file.seek(0)
            if file.read(self._start) != first_line:
                file.truncate(0)
                file.write(first_line)
            self._end = file.seek(0, os.SEEK_END)
        except OSError:
            file.close()
            raise
        self._file: FileIO | None = file

    def pages(self) -> Iterator[bytes]:
        """The pages that are whole, in order; whatever follows them is cut off."""
        self._next = self._start
        while (raw := self._page_at(self._next)) is not None:
            self._last, self._next = self._next, self._next + 2 * SIZE_BYTES + len(raw)
            yield raw
        self._keep(self._next)

    def cut_last(self) -> None:
        """Forget the page that `pages` gave last, and whatever follows it."""
        self._keep(self._last)

    def add(self, raw: bytes) -> None:
        """Keep one more page; where that fails, say so once and go on without."""
        if self._file is None:
            return
        record = len(raw).to_bytes(SIZE_BYTES, "big") + zlib.crc32(raw).to_bytes(SIZE_BYTES, "big") + raw
        try:
            written = self._file.write(record) if self._end + len(record) <= LARGEST_FILE else 0
        except OSError as error:
            self._give_up(error)
            return
        self._end += len(record)
        if written != len(record):
            self._give_up(OSError(0, "no room"))

    def remove(self) -> None:
        """All pages have been taken: nothing is left to resume."""
        self.close()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._warn(_unkept(error))

    def close(self) -> None:
        """Give the file back; the pages in it stay, and one without pages goes."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        if self._end == self._start:
            self.remove()

    def _page_at(self, position: int) -> bytes | None:
        if self._file is None:
            return None
        try:
            self._file.seek(position)
            head = self._file.read(2 * SIZE_BYTES)
            size = int.from_bytes(head[:SIZE_BYTES], "big")
            if len(head) < 2 * SIZE_BYTES or size > min(LARGEST_PAGE, self._end - position):
                return None
            raw = _whole(self._file, size)
        except OSError as error:
            self._give_up(error)
            return None
        is_whole = len(raw) == size and zlib.crc32(raw) == int.from_bytes(head[SIZE_BYTES:], "big")
        return raw if is_whole else None

    def _keep(self, end: int) -> None:
        if self._file is None:
            return
        try:
            self._file.truncate(end)
            self._end = end
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._warn(_unkept(error))
        self.close()


def _whole(file: FileIO, size: int) -> bytes:
    """So many bytes, or as many as there are: one read may return fewer."""
    parts: list[bytes] = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _first_line(at: Block, method: str) -> bytes:
    said = {
        "format": FORMAT,
        "chain": at.chain_id,
        "height": at.number,
        "hash": at.hash,
        "time": at.timestamp,
        "method": method,
    }
    return orjson.dumps(said) + b"\n"


def _name(at: Block, method: str) -> str:
    """A file name that people can read and that no two queries share."""
    chain = re.sub(r"[^A-Za-z0-9-]", "_", str(at.chain_id))[:40]
    return f"{chain}-{at.number}-{hashlib.sha256(_first_line(at, method)).hexdigest()[:16]}{SUFFIX}"


def _block_of(path: Path, method: str) -> Block | None:
    """The block whose pages a file holds, if it says so, they are this query's and there are any."""
    try:
        with path.open("rb") as file:
            said = orjson.loads(file.readline(LONGEST_FIRST_LINE))
            if not file.read(1):
                return None
    except (OSError, orjson.JSONDecodeError):
        return None
    match said:
        case {
            "chain": int() | str() as chain,
            "height": int(height),
            "hash": str(block_hash),
            "time": int(time),
        }:
            block = Block(chain, height, block_hash, time)
            return block if path.name == _name(block, method) else None
    return None


def _unkept(error: OSError) -> str:
    why = error.strerror if error.strerror else type(error).__name__
    return f"pages cannot be kept ({why}): if this read is interrupted, it starts anew"
