"""Rows of a venue's answer as numbers, checked for shape; what they mean is the venue's file to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias

import numpy as np

from defiliq.cex.history import Floats, Int64s
from defiliq.errors import BadVenueAnswer

Json: TypeAlias = Any

LARGEST_MS: Final = 10**14
MAX_ROWS: Final = 10_000
"""Of one page: the largest page of any endpoint read here has 1,500."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Numbers with a time each, in any order."""

    at_ms: Int64s
    """(n,)"""
    values: Floats
    """(n, k)"""

    def __len__(self) -> int:
        return len(self.at_ms)

    def within(self, since_ms: int, until_ms: int) -> Rows:
        """Those of [since, until)."""
        mask = (self.at_ms >= since_ms) & (self.at_ms < until_ms)
        return Rows(self.at_ms[mask], self.values[mask])


def no_rows(columns: int) -> Rows:
    """None, of so many columns."""
    return Rows(np.empty(0, np.int64), np.empty((0, columns)))


def joined(parts: Sequence[Rows], columns: int) -> Rows:
    """All rows of all parts, in order of time; rows of one time keep their order."""
    if not parts:
        return no_rows(columns)
    at_ms = np.concatenate([part.at_ms for part in parts])
    values = np.concatenate([part.values for part in parts])
    order = np.argsort(at_ms, kind="stable")
    return Rows(at_ms[order], values[order])


def items_of(venue: str, what: str, answer: Json, *path: str) -> list[Json]:
    """The list below `path` of an answer; BadVenueAnswer where there is none, or one without bounds."""
    seen = answer
    for name in path:
        seen = seen.get(name) if isinstance(seen, dict) else None
    if not isinstance(seen, list):
        raise BadVenueAnswer(venue, f"{what} without a list of rows")
    if len(seen) > MAX_ROWS:
        raise BadVenueAnswer(venue, f"{what} in one page of {len(seen)} rows")
    return seen


def table(venue: str, what: str, items: Sequence[Json], fields: Sequence[int | str]) -> Floats:
    """(n, k) numbers of the named fields; BadVenueAnswer where one is missing, no number, or not finite."""
    try:
        cells = [[item[name] for name in fields] for item in items]
        numbers = np.array(cells, dtype=np.float64).reshape(len(items), len(fields))
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        raise BadVenueAnswer(venue, f"{what} with a row that lacks a number") from None
    if not np.isfinite(numbers).all():
        raise BadVenueAnswer(venue, f"{what} with a number that is not finite")
    return numbers


def timed(venue: str, what: str, items: Sequence[Json], at: int | str, fields: Sequence[int | str]) -> Rows:
    """Rows whose time in milliseconds is field `at`."""
    numbers = table(venue, what, items, (at, *fields))
    stamps = numbers[:, 0]
    if ((stamps < 0) | (stamps > LARGEST_MS) | (stamps != np.floor(stamps))).any():
        raise BadVenueAnswer(venue, f"{what} with a time that is none")
    return Rows(stamps.astype(np.int64), numbers[:, 1:])


def scaled(venue: str, what: str, items: Sequence[Json], name: int | str, factor: Decimal) -> Floats:
    """(n,) a field times a factor, rounded once: contracts in what a contract is of."""
    try:
        products = [Decimal(str(item[name])) * factor for item in items]
    except (KeyError, IndexError, TypeError, ArithmeticError):
        raise BadVenueAnswer(venue, f"{what} with a row that lacks a number") from None
    numbers = np.array([float(product) for product in products], dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise BadVenueAnswer(venue, f"{what} with a number that is not finite")
    return numbers
