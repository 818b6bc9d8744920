"""Closed spans of a venue's columns, kept on disk, so that only what is new is asked for.

A file holds the rows of one column over a fixed stretch of time, with the spans that were asked for within
it: an empty span that was asked for is known to be empty. It is written whole or not at all. A file that is
damaged is told, and what it held is asked for anew.
"""

from __future__ import annotations

import os
import re
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import orjson

from defiliq.cex.venues.config import Say, say_nothing
from defiliq.cex.venues.rows import Rows, joined

Json: TypeAlias = Any
Span: TypeAlias = tuple[int, int]
"""[since_ms, until_ms)"""

FORMAT: Final = "defiliq venue rows 1"
ROWS_A_FILE: Final = 2_016
"""Of a regular column: a week of 5 minutes."""
DAY_S: Final = 86_400
IRREGULAR_DAYS: Final = 30
LARGEST_FILE: Final = 64 << 20
SUFFIX: Final = ".rows"
_UNSAFE: Final = re.compile(r"^\.+|[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Key:
    """Whose rows they are. `origin` is the venue, with what tells a configured address from its own."""

    origin: str
    market_id: str
    kind: str
    period_s: int
    columns: int

    @property
    def stretch_ms(self) -> int:
        """How much time one file is about."""
        return 1000 * (max(DAY_S, self.period_s * ROWS_A_FILE) if self.period_s else IRREGULAR_DAYS * DAY_S)


@dataclass(frozen=True, slots=True)
class _Page:
    rows: Rows
    covered: tuple[Span, ...]


class Cache:
    """A folder of rows. Safe for threads; processes that share it may at worst ask something twice."""

    def __init__(self, folder: str | Path, max_bytes: int = 1 << 30, say: Say = say_nothing) -> None:
        self._folder, self._max_bytes, self._say = Path(folder), max_bytes, say
        self._lock = threading.Lock()

    def read(self, key: Key, since_ms: int, until_ms: int) -> tuple[Rows, list[Span]]:
        """The rows of a span that are kept, in order of time, and the spans that are missing, in order."""
        parts: list[Rows] = []
        covered: list[Span] = []
        for start_ms in _stretches(key, since_ms, until_ms):
            page = self._load(key, start_ms)
            if page is not None:
                parts.append(page.rows.within(since_ms, until_ms))
                covered += page.covered
        return joined(parts, key.columns), _without((since_ms, until_ms), covered)

    def write(self, key: Key, span: Span, rows: Rows, fetched_at: int) -> None:
        """Keep what a span holds, in place of what was kept of it. What cannot be written is told."""
        try:
            for start_ms in _stretches(key, *span):
                part = max(span[0], start_ms), min(span[1], start_ms + key.stretch_ms)
                if part[0] < part[1]:
                    self._merge(key, start_ms, part, rows.within(*part), fetched_at)
            self._make_way()
        except OSError as error:
            self._say(f"nothing is kept below {self._folder}: {error.strerror or 'it cannot be written'}")

    def read_note(self, name: str, at: int, max_age_s: int) -> Json:
        """A small value kept under a name, unless it is older than that; None where there is none."""
        header, body = self._open(self._folder / f"{_UNSAFE.sub('_', name)}{SUFFIX}", name)
        if header is None or not 0 <= at - int(header["fetched_at"]) <= max_age_s:
            return None
        return body

    def write_note(self, name: str, value: Json, at: int) -> None:
        """Keep a small value under a name."""
        try:
            self._save(self._folder / f"{_UNSAFE.sub('_', name)}{SUFFIX}", name, value, at)
        except OSError as error:
            self._say(f"nothing is kept below {self._folder}: {error.strerror or 'it cannot be written'}")

    def _path(self, key: Key, start_ms: int) -> Path:
        names = (key.origin, key.market_id, f"{key.kind}-{key.period_s}", f"{start_ms // 1000}{SUFFIX}")
        return self._folder.joinpath(*(_UNSAFE.sub("_", name) for name in names))

    def _merge(self, key: Key, start_ms: int, span: Span, rows: Rows, fetched_at: int) -> None:
        old = self._load(key, start_ms)
        parts = [] if old is None else [_outside(old.rows, span)]
        spans = _united([*(() if old is None else old.covered), span])
        merged = joined([*parts, rows], key.columns)
        body = {"covered": spans, "at_ms": merged.at_ms.tolist(), "values": merged.values.T.tolist()}
        self._save(self._path(key, start_ms), _label(key, start_ms), body, fetched_at)

    def _load(self, key: Key, start_ms: int) -> _Page | None:
        path = self._path(key, start_ms)
        header, body = self._open(path, _label(key, start_ms))
        if header is None:
            return None
        try:
            at_ms = np.array(body["at_ms"], dtype=np.int64)
            values = np.array(body["values"], dtype=np.float64).reshape(key.columns, len(at_ms)).T
            covered = tuple((int(first), int(last)) for first, last in body["covered"])
        except (KeyError, TypeError, ValueError):
            self._tell_damaged(path)
            return None
        return _Page(Rows(at_ms, values), covered)

    def _open(self, path: Path, label: str) -> tuple[Json, Json]:
        """(header, body) of a file; (None, None) where there is none, or one that cannot be used."""
        try:
            if path.stat().st_size > LARGEST_FILE:
                self._tell_damaged(path)
                return None, None
            first, _, rest = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None, None
        except OSError as error:
            self._say(f"cannot read {path.name}: {error.strerror or 'no reason given'}")
            return None, None
        try:
            header, body = orjson.loads(first), orjson.loads(rest)
            is_sound = (header["format"], header["about"], header["crc32"]) == (
                FORMAT,
                label,
                zlib.crc32(rest),
            )
            int(header["fetched_at"])
        except (KeyError, TypeError, ValueError):
            is_sound = False
        if not is_sound:
            self._tell_damaged(path)
            return None, None
        return header, body

    def _tell_damaged(self, path: Path) -> None:
        self._say(f"the kept file {path.parent.parent.name}/{path.name} is damaged: it is fetched anew")

    def _save(self, path: Path, label: str, value: Json, fetched_at: int) -> None:
        body = orjson.dumps(value)
        header = {"format": FORMAT, "about": label, "crc32": zlib.crc32(body), "fetched_at": fetched_at}
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            beside.write_bytes(orjson.dumps(header) + b"\n" + body)
            beside.replace(path)
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)

    def _make_way(self) -> None:
        """Remove what was written longest ago, until the folder is within its bound."""
        with self._lock:
            files = []
            for path in self._folder.rglob(f"*{SUFFIX}"):
                with suppress(FileNotFoundError):
                    seen = path.stat()
                    files.append((seen.st_mtime_ns, seen.st_size, path))
            total = sum(size for _, size, _ in files)
            for _, size, path in sorted(files):
                if total <= self._max_bytes:
                    return
                path.unlink(missing_ok=True)
                total -= size


def _label(key: Key, start_ms: int) -> str:
    return f"{key.origin} {key.market_id} {key.kind} {key.period_s} {key.columns} {start_ms}"


def _stretches(key: Key, since_ms: int, until_ms: int) -> Iterator[int]:
    """The starts of the files that a span touches."""
    yield from range(since_ms - since_ms % key.stretch_ms, until_ms, key.stretch_ms)


def _outside(rows: Rows, span: Span) -> Rows:
    mask = (rows.at_ms < span[0]) | (rows.at_ms >= span[1])
    return Rows(rows.at_ms[mask], rows.values[mask])


def _united(spans: Sequence[Span]) -> list[Span]:
    """The same times as spans that do not touch, in order."""
    united: list[Span] = []
    for first, last in sorted((int(first), int(last)) for first, last in spans):
        if united and first <= united[-1][1]:
            united[-1] = united[-1][0], max(united[-1][1], last)
        elif first < last:
            united.append((first, last))
    return united


def _without(span: Span, covered: Sequence[Span]) -> list[Span]:
    """What of a span no covered one holds, in order."""
    missing: list[Span] = []
    since_ms = span[0]
    for first, last in _united(covered):
        if first > since_ms and first < span[1]:
            missing.append((since_ms, first))
        since_ms = max(since_ms, last)
    if since_ms < span[1]:
        missing.append((since_ms, span[1]))
    return missing
