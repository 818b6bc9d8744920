"""What a benchmark says: a title, one row per way of doing the same, and notes. Ratios are of one run."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

HEADINGS = ("", "per second", "seconds", "of", "ratio", "target", "")


class Missing(Exception):
    """A part cannot run here: one line saying what it needs."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way of doing it: so many things in so many seconds."""

    name: str
    count: int
    seconds: float
    target: float | None = None
    """How many times slower than the first row it should be at least."""

    @property
    def rate(self) -> float:
        """Things per second."""
        return self.count / self.seconds


@dataclass(frozen=True, slots=True)
class Note:
    """A fact beside the table; `ok` is None where it is information and nothing is asked of it."""

    text: str
    ok: bool | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One part's answer. The first row is the one whose lead over the others is shown."""

    title: str
    rows: Sequence[Row]
    notes: Sequence[Note] = field(default_factory=tuple)
    is_wrong: bool = False
    """Whether ways that must agree do not."""


def best_of(repeats: int, run: Callable[[], object]) -> float:
    """The shortest time of some runs, in seconds: the least disturbed one."""
    times = []
    for _ in range(repeats):
        begun = perf_counter()
        run()
        times.append(perf_counter() - begun)
    return min(times)


def render(report: Report) -> str:
    """The report as aligned text."""
    first = report.rows[0]
    cells = [HEADINGS, *(_cells(row, first.rate / row.rate) for row in report.rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(HEADINGS))]
    lines = [report.title]
    for line in cells:
        padded = [line[0].ljust(widths[0]), *(line[k].rjust(widths[k]) for k in range(1, len(line)))]
        lines.append(f"  {'  '.join(padded)}".rstrip())
    lines += [f"  {note.text}{'' if note.ok is None else f'  {judged(note.ok)}'}" for note in report.notes]
    return "\n".join(lines)


def _cells(row: Row, lead: float) -> tuple[str, ...]:
    is_ahead = "" if row.target is None else judged(lead >= row.target)
    wanted = "" if row.target is None else f">= {row.target:,.0f}x"
    return (
        row.name,
        f"{row.rate:,.0f}",
        f"{row.seconds:.3f}",
        f"{row.count:,}",
        f"{lead:,.1f}x",
        wanted,
        is_ahead,
    )


def judged(is_met: bool) -> str:
    """How a target came out."""
    return "ok" if is_met else "SHORT"


def machine() -> str:
    """What the figures were measured on."""
    node = shutil.which("node")
    version = "none"
    if node is not None:
        version = subprocess.run(
            [node, "--version"], capture_output=True, text=True, check=False
        ).stdout.strip()
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}, node {version}"
    )
