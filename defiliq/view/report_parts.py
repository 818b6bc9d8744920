"""What reports and tables are made of, however they are written: headings, lines, grids of texts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """A line that begins with what it is about."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it."""

    heading: str
    items: tuple[Item, ...] = ()
    grid: Grid | None = None
    notes: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    """The names of the figures that belong here."""
