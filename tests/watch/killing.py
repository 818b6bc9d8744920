"""Runs of a journal and a file, each killed elsewhere: `python -m tests.watch.killing FOLDER SEED KILLS`.

A run does a fixed script of blocks and reorganisations, from wherever the journal stands. It kills itself at
a random line of the journal or the sinks, with SIGKILL; files are written a few bytes at a time, so that
lines are torn. The last run goes to the end.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

from defiliq.watch.journal import Journal
from defiliq.watch.sinks import Delivery, FileSink
from tests.watch.keeping import MARKET, event, head, memory, reorged

CYCLE: Final = "aaaa<bb<aa"
CYCLES: Final = 36
EVENTS: Final = 3
DEPTH: Final = 2
PIECE_BYTES: Final = 90
LATEST_KILL: Final = 3_000
UNCOUNTED: Final = ("seal", "_prepare", "<genexpr>", "flat_at", "_told", "_text", "_list")


def operations() -> Iterator[tuple[str, int, str]]:
    """What happens, in order: blocks of one fork or the other, and steps back; the first fork comes back."""
    number = 0
    for step in CYCLE * CYCLES:
        number += -DEPTH if step == "<" else 1
        yield "back" if step == "<" else "block", number, step


def told() -> list[str]:
    """The ids of the events of an undisturbed run, in order."""
    ids: list[str] = []
    standing: dict[int, list[str]] = {}
    for kind, number, side in operations():
        if kind == "block":
            standing[number] = [event(number, str(key), side).id for key in range(EVENTS)]
            ids += standing[number]
        else:
            void = [each for block in sorted(standing) if block > number for each in standing[block]]
            standing = {block: its for block, its in standing.items() if block <= number}
            ids.append(reorged(number, void).id)
    return ids


def run(folder: Path) -> None:
    """Go on with the script to its end."""
    with Journal(folder / "m.sqlite", MARKET) as journal:
        assert journal.notices == []
        sink = FileSink(folder / "events.jsonl")
        delivery = Delivery(journal, sink, from_start=True)
        delivery.pump()
        row = journal._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        done = 0 if row is None else row[0]
        for kind, number, side in operations():
            done -= EVENTS if kind == "block" else 1
            if done >= 0:
                continue
            if kind == "block":
                events = [event(number, str(key), side) for key in range(EVENTS)]
                journal.commit(head(number, side), memory(number), events)
            else:
                journal.rollback(number, lambda ids, number=number: [reorged(number, ids)])  # type: ignore[misc]
            delivery.pump()
        sink.close()


def killed_after(lines: int) -> Callable[[FrameType, str, Any], Any]:
    """A tracer that kills the process once so many lines of the journal or the sinks have begun."""
    left = lines

    def trace(frame: FrameType, what: str, _: Any) -> Any:
        nonlocal left
        # Rows are sealed one by one when a journal is opened, which would take most of all lines.
        if "defiliq/watch" not in frame.f_code.co_filename or frame.f_code.co_name in UNCOUNTED:
            return None
        if what == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def in_pieces(write: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
    return lambda file, data: write(file, data[:PIECE_BYTES])


def main(folder: Path, seed: int, kills: int) -> None:
    """Kill some runs, then let one end."""
    random_ = random.Random(seed)
    os.write = in_pieces(os.write)  # type: ignore[assignment]
    count = 0
    for _ in range(kills):
        lines = random_.randrange(1, LATEST_KILL)
        child = os.fork()
        if child == 0:
            sys.settrace(killed_after(lines))
            run(folder)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        count += os.WIFSIGNALED(status)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    run(folder)
    sys.stdout.write(f"{count}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
