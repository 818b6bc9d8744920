"""From lines of events, in files or on stdin, to the report card of the watch that told them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import orjson
import pandas as pd

from defiliq.errors import BadFile
from defiliq.watch.schema import event_of
from defiliq.watch.score import Reader

STDIN: Final = "-"
LONGEST_LINE: Final = 1 << 24
"""Bytes. The longest event is a reorganisation, with the ids of all that it takes back."""
MOST_FAULTS: Final = 20
"""So many lines that are no events are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Score:
    """A report card, and what speaks against trusting it."""

    table: pd.DataFrame
    """`watch.score.SCORE_COLUMNS`."""
    events: int
    duplicates: int
    retracted: int
    unknown_retractions: int
    faults: tuple[str, ...]
    """Lines that are no events, each with its file and number; at most MOST_FAULTS."""
    bad_lines: int

    @property
    def gap_blocks(self) -> int:
        """Blocks that were not evaluated."""
        return int(self.table["gap_blocks"].iloc[-1]) if len(self.table) else 0

    @property
    def is_complete(self) -> bool:
        """Whether every line was read and no block was passed over."""
        return self.bad_lines == 0 and not self.gap_blocks and self.unknown_retractions == 0


def score(paths: Sequence[str | Path]) -> Score:
    """The report card of the events in some files, one after the other; `-` is stdin.

    A line that is no event is left out and named. BadFile where a file cannot be read, or nothing in any is
    an event.
    """
    reader = Reader()
    faults: list[str] = []
    bad = 0
    for path in paths:
        for number, line in _lines(path):
            if not line.strip():
                continue
            try:
                reader.take(event_of(orjson.loads(line)))
            except ValueError as error:
                bad += 1
                if len(faults) < MOST_FAULTS:
                    faults.append(f"{_name(path)} line {number}: {str(error).splitlines()[0]}")
    if bad and not reader.lines:
        raise BadFile(_name(paths[0]), f"no line of it is an event ({faults[0]})")
    return Score(
        table=reader.table(),
        events=reader.lines,
        duplicates=reader.duplicates,
        retracted=reader.retracted,
        unknown_retractions=reader.unknown_retractions,
        faults=tuple(faults),
        bad_lines=bad,
    )


def _name(path: str | Path) -> str:
    return "stdin" if str(path) == STDIN else str(path)


def _lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines, each at most LONGEST_LINE: what is longer comes in parts, which are no events."""
    try:
        with _opened(path) as stream:
            number = 0
            while line := stream.readline(LONGEST_LINE):
                number += 1
                yield number, line
    except OSError as error:
        raise BadFile(_name(path), error.strerror or str(error)) from None


@contextmanager
def _opened(path: str | Path) -> Iterator[BinaryIO]:
    if str(path) == STDIN:
        yield sys.stdin.buffer
        return
    with Path(path).open("rb") as stream:
        yield stream
