"""Events as lines of a file, each exactly once whatever kills the process."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from defiliq.errors import BadFile, SinkFull
from defiliq.watch.journal import Line
from defiliq.watch.journal_file import Lock

TAIL_BYTES: Final = 8 << 20
"""How far back events of an earlier run are looked for: many batches, of several markets."""
FIRST_BYTES: Final = b'{"id":"'
"""How every line begins."""
NOT_OURS: Final = "it holds something other than events; name another file"


class FileSink:
    """Appends to a file that may have events already. Several threads of one process may share it."""

    def __init__(self, path: Path | str, *, is_synced: bool = False) -> None:
        """Open or make it; a last line that a killed run tore is cut off.

        `is_synced` waits after each batch until the disk has it. JournalInUse where another live process
        writes to it; BadFile where it cannot be written, or holds something else: that is left alone.
        """
        self._path, self._is_synced = str(path), is_synced
        self._mutex = threading.Lock()
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(self._path, "or name another file")
        except OSError as error:
            raise BadFile(self._path, f"{error.strerror} (where events go)") from None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            self._lock.close()
            raise BadFile(self._path, f"{error.strerror} (where events go)") from None
        try:
            self._mend()
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """What the journal calls it: by its full path."""
        return f"file:{Path(self._path).resolve()}"

    @property
    def position(self) -> int:
        """Its size in bytes."""
        return os.fstat(self._file).st_size

    def beyond(self, position: int) -> Sequence[str]:
        """The ids of the events after a size that it once had; of the last ones where it was cut since."""
        size = self.position
        is_there = 0 < position <= size and os.pread(self._file, 1, position - 1) == b"\n"
        begin = max(position if is_there else 0, size - TAIL_BYTES)
        lines = _read(self._file, begin, size - begin).split(b"\n")[:-1]
        # Where it is not known that a line begins, the first one is a piece.
        return [self._id(line) for line in (lines if begin in (0, position) else lines[1:])]

    def deliver(self, lines: Sequence[Line]) -> int | None:
        """Append them; SinkFull where the disk takes no more, with the file as it was before."""
        if not lines:
            return None
        data = "".join(f"{line.line}\n" for line in lines).encode()
        with self._mutex:
            whole = self.position
            try:
                _write(self._file, data)
                if self._is_synced:
                    os.fsync(self._file)
            except OSError as error:
                os.ftruncate(self._file, whole)
                raise SinkFull(self._path, f"{error.strerror} (events wait in the journal)") from None
            except BaseException:
                os.ftruncate(self._file, whole)
                raise
        return lines[-1].seq

    def close(self) -> None:
        """Close the file, and let others write to it."""
        os.close(self._file)
        self._lock.close()

    def _mend(self) -> None:
        """Cut a torn last line off; BadFile where the last lines are no events."""
        found = os.fstat(self._file)
        if not stat.S_ISREG(found.st_mode):
            raise BadFile(self._path, "it is no regular file; use stdout and redirect it")
        begin = max(0, found.st_size - TAIL_BYTES)
        tail = _read(self._file, begin, found.st_size - begin)
        end = tail.rfind(b"\n") + 1
        torn = tail[end:]
        if torn[: len(FIRST_BYTES)] != FIRST_BYTES[: len(torn)] or (end == 0 and begin > 0):
            raise BadFile(self._path, NOT_OURS)
        if end:
            self._id(tail[tail.rfind(b"\n", 0, end - 1) + 1 : end - 1])
        if torn:
            os.ftruncate(self._file, begin + end)

    def _id(self, line: bytes) -> str:
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict) or not isinstance(event.get("id"), str):
            raise BadFile(self._path, NOT_OURS)
        return str(event["id"])


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _read(file: int, begin: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.pread(file, size, begin)):
        parts.append(part)
        begin, size = begin + len(part), size - len(part)
    return b"".join(parts)
