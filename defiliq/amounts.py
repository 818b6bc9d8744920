"""Non-negative integers beyond 64 bits, and exact products and quotients of them, as numpy columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOW_64 = 2**64 - 1
LIMB = np.uint64(32)
LOW_32 = np.uint64(2**32 - 1)
LIMBS_IN = 3
"""96 bits: what `ray_mul` takes on either side."""
BILLION = 10**9
CHUNK = 1 << 14
"""Rows at a time: their limbs stay in the cache."""

Int64s = NDArray[np.int64]
UInt64s = NDArray[np.uint64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Amounts:
    """Non-negative integers below 2**128, one per leg, as two columns of 64 bits."""

    high: UInt64s
    low: UInt64s

    @classmethod
    def of(cls, values: Sequence[int]) -> Amounts:
        """Columns of Python ints; OverflowError from 2**128 on."""
        if any(value < 0 or value >> 128 for value in values):
            raise OverflowError("an amount does not fit in 128 bits")
        return cls(
            np.array([value >> 64 for value in values], dtype=np.uint64),
            np.array([value & LOW_64 for value in values], dtype=np.uint64),
        )

    @classmethod
    def of_words(cls, words: NDArray[np.uint8]) -> Amounts:
        """The lower 128 bits of words (n, 32), highest byte first."""
        halves = np.ascontiguousarray(words[:, 16:]).view(">u8").astype(np.uint64)
        return cls(halves[:, 0], halves[:, 1])

    @classmethod
    def joined(cls, parts: Sequence[Amounts]) -> Amounts:
        """Several columns in a row, at least one."""
        return cls(
            np.concatenate([part.high for part in parts]), np.concatenate([part.low for part in parts])
        )

    def __len__(self) -> int:
        return len(self.low)

    def __getitem__(self, leg: int) -> int:
        return (self.high.item(leg) << 64) | self.low.item(leg)

    @classmethod
    def small(cls, values: Int64s) -> Amounts:
        """Columns of non-negative int64."""
        return cls(np.zeros(len(values), dtype=np.uint64), values.view(np.uint64))

    def take(self, rows: NDArray[np.intp] | Bools) -> Amounts:
        """Some rows, by number or by mask."""
        return Amounts(self.high[rows], self.low[rows])

    def sums(self, group: NDArray[np.integer[Any]], groups: int) -> list[int]:
        """The exact sum of the rows of each group, for up to 2**32 rows."""
        limbs = (self.low & LOW_32, self.low >> LIMB, self.high & LOW_32, self.high >> LIMB)
        totals = [0] * groups
        for k, limb in enumerate(limbs):
            columns = np.zeros(groups, dtype=np.uint64)
            np.add.at(columns, group, limb)
            totals = [total + (part << 32 * k) for total, part in zip(totals, columns.tolist(), strict=True)]
        return totals

    def is_positive(self) -> Bools:
        """(L,) which are not 0."""
        positive: Bools = (self.high | self.low) != 0
        return positive

    def to_float(self) -> NDArray[np.float64]:
        """The nearest doubles, within two roundings (relative error at most 2**-52)."""
        return self.high.astype(np.float64) * 2.0**64 + self.low.astype(np.float64)


@dataclass(frozen=True, slots=True)
class Signed:
    """Integers of either sign whose size is below 2**128, one per leg."""

    size: Amounts
    below_zero: Bools

    @classmethod
    def of(cls, values: Sequence[int]) -> Signed:
        """Columns of Python ints; OverflowError where a size has more than 128 bits."""
        below_zero = np.array([value < 0 for value in values], dtype=np.bool_)
        return cls(Amounts.of([abs(value) for value in values]), below_zero)

    @classmethod
    def joined(cls, parts: Sequence[Signed]) -> Signed:
        """Several columns in a row, at least one."""
        below_zero = np.concatenate([part.below_zero for part in parts])
        return cls(Amounts.joined([part.size for part in parts]), below_zero)

    def __getitem__(self, leg: int) -> int:
        return -self.size[leg] if self.below_zero[leg] else self.size[leg]

    def take(self, rows: NDArray[np.intp] | Bools) -> Signed:
        """Some rows, by number or by mask."""
        return Signed(self.size.take(rows), self.below_zero[rows])


def ray_mul(
    amounts: Amounts, rays: Sequence[int], ray_of: NDArray[np.intp], *, up: bool
) -> tuple[Amounts, Bools]:
    """amount * ray / 1e27, rounded down or `up`, row by row; and the rows in which it is exact.

    `ray_of` names each row's ray. Rows are not exact, and hold nothing of use, where the amount or the ray
    has more than 96 bits. Schoolbook multiplication in limbs of 32 bits; 1e27 is divided out as three times
    1e9, which rounds like one division.
    """
    fits_ray = np.array([ray >> (32 * LIMBS_IN) == 0 for ray in rays], dtype=np.bool_)
    table = [
        np.array([ray >> (32 * k) & 0xFFFFFFFF for ray in rays], dtype=np.uint64) for k in range(LIMBS_IN)
    ]
    fits: Bools = (amounts.high >> LIMB == 0) & fits_ray[ray_of]
    high, low = np.empty_like(amounts.high), np.empty_like(amounts.low)
    for first in range(0, len(amounts), CHUNK):
        rows = slice(first, first + CHUNK)
        x = [amounts.low[rows] & LOW_32, amounts.low[rows] >> LIMB, amounts.high[rows] & LOW_32]
        limbs = _multiply(x, [limb[ray_of[rows]] for limb in table])
        some_left = np.zeros(len(x[0]), dtype=np.bool_)
        for _ in range(3):
            some_left |= _divide_by_billion(limbs)
        low[rows] = limbs[0] | limbs[1] << LIMB
        high[rows] = limbs[2] | limbs[3] << LIMB
        if up:
            low[rows] += some_left
            high[rows] += some_left & (low[rows] == 0)
    return Amounts(high, low), fits


def _multiply(x: list[UInt64s], y: list[UInt64s]) -> list[UInt64s]:
    """Limbs of the product, lowest first."""
    columns = [np.zeros_like(x[0]) for _ in range(len(x) + len(y))]
    for i, a in enumerate(x):
        for j, b in enumerate(y):
            product = a * b
            columns[i + j] += product & LOW_32
            columns[i + j + 1] += product >> LIMB
    for k in range(len(columns) - 1):
        columns[k + 1] += columns[k] >> LIMB
        columns[k] &= LOW_32
    return columns


def _divide_by_billion(limbs: list[UInt64s]) -> Bools:
    """Divide in place, rounding down; which rows leave a remainder."""
    divisor = np.uint64(BILLION)
    rest = np.zeros_like(limbs[0])
    for k in range(len(limbs) - 1, -1, -1):
        current = rest << LIMB | limbs[k]
        limbs[k] = current // divisor
        rest = current - limbs[k] * divisor
    left: Bools = rest != 0
    return left


def mul_div(
    x: Amounts, about_x: NDArray[np.float64], y: Int64s, d: Int64s, *, up: bool
) -> tuple[Int64s, Bools]:
    """x * y / d, rounded down or `up`, row by row; and the rows in which it fits, which is below 2**60.

    `about_x` is `x.to_float()`. The quotient in doubles is off by less than one where it is below 2**50,
    because six roundings of 2**-53 are; the few rows beyond are done with more digits.
    """
    estimate = np.floor(about_x * y / d)
    fits: Bools = (d < 2**61) & (y >= 0) & (y < 2**62)
    is_near = fits & (estimate < 2.0**50)
    quotient = _corrected(np.where(is_near, estimate, 0.0).astype(np.int64), x, y, d, up=up)
    wide = np.flatnonzero(fits & ~is_near & (estimate < 2.0**60))
    if len(wide):
        quotient[wide] = _wide_quotient(x.take(wide), y[wide], d[wide], up=up)
        is_near[wide] = True
    return quotient, is_near


def _corrected(quotient: Int64s, x: Amounts, y: Int64s, d: Int64s, *, up: bool) -> Int64s:
    """Quotients that are off by at most one, made exact.

    What they are off by shows in the remainder, which arithmetic modulo 2**64 gives exactly while d is below
    2**61.
    """
    product = x.low * y.view(np.uint64)
    rest = (product - quotient.view(np.uint64) * d.view(np.uint64)).view(np.int64)
    off = (rest >= d).astype(np.int64) - (rest < 0)
    quotient += off
    if up:
        quotient += rest != off * d
    return quotient


def _wide_quotient(x: Amounts, y: Int64s, d: Int64s, *, up: bool) -> Int64s:
    """Quotients from 2**50 to 2**60: in extended doubles where the machine has them, else one by one.

    Six roundings of 2**-64 are less than one there, too.
    """
    if np.finfo(np.longdouble).nmant >= 63:
        about_x = x.high.astype(np.longdouble) * np.longdouble(2**64) + x.low.astype(np.longdouble)
        return _corrected(np.floor(about_x * y / d).astype(np.int64), x, y, d, up=up)
    rows = zip(range(len(x)), y.tolist(), d.tolist(), strict=True)
    exact = [-(-x[row] * price // unit) if up else x[row] * price // unit for row, price, unit in rows]
    return np.array(exact, dtype=np.int64)
