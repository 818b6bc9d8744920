"""The levels of whole books on one driver: the same answers as `solve`, a column at a time.

Per side of spot and straight piece of the driver's range, nearest first:

1. Float lines with a proven bound (`lines`) clear everything up to shortly before the crossing, or the whole
   piece.
2. From there on exact integers (`sweep`) decide, down to the single integer.
3. Where the driver moves both sides of an account, rounding may make it safe again further out: the same
   search from the far end looks for the last such integer, which is the level's band.

An account whose columns do not fit, or that might be safe again far out, is handed back for `solve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Bools, Int64s
from defiliq.book import MarginTerms, ValueTerms
from defiliq.engine.exact import HIGHEST_EXACT, Margins, margins_of, registers_at
from defiliq.engine.lines import Lines, lines_of, registers_as_float
from defiliq.engine.pieces import straight_pieces
from defiliq.engine.sweep import FOR_LAW, FOUND, NEVER, nearest
from defiliq.pricing.driver import Driver
from defiliq.types import Side

NO_BAND = 0
"""No driver integer: a level's band lies at 1 or above."""
_NUDGES = (1.0 - 2.0**-46, 1.0 - 2.0**-20)
"""How much short of the line's zero to look first: the line is only as straight as doubles are."""


@dataclass(frozen=True, slots=True)
class Crossings:
    """What a driver does to some accounts on one side of spot."""

    state: NDArray[np.int8]
    """(n,) NEVER, FOUND, or FOR_LAW where only the law can tell."""
    price: Int64s
    """(n,) the driver integer where FOUND."""
    band: Int64s
    """(n,) the last crossing where there are several, else NO_BAND."""


def crossings(
    terms: MarginTerms,
    values: ValueTerms,
    prices: Sequence[int],
    driver: Driver,
    side: Side,
    rows: NDArray[np.intp],
) -> Crossings:
    """Where the accounts `rows`, all safe at spot, break on one side of it."""
    state = np.full(len(rows), NEVER, dtype=np.int8)
    price = np.zeros(len(rows), dtype=np.int64)
    band = np.full(len(rows), NO_BAND, dtype=np.int64)
    pieces = _outwards(driver, side)
    if pieces is None:
        state[:] = FOR_LAW
        return Crossings(state, price, band)
    lines = lines_of(terms, prices, driver, rows)
    for number, (near, far) in enumerate(pieces):
        may_break = (state == NEVER) & _is_unclear(driver, lines, near, far)
        unclear = np.flatnonzero(may_break)
        if not len(unclear):
            continue
        margins = margins_of(terms, values, prices, driver, rows[unclear])
        piece = _Piece(driver, lines.of(may_break), margins, near, far)
        state[unclear], price[unclear] = piece.first_liquidatable()
        both = np.flatnonzero((state[unclear] == FOUND) & piece.owes_what_moves())
        if len(both):
            mixed = unclear[both]
            ends_in_debt = _breaks_for_good(driver, lines, pieces[number:])[mixed]
            seen, last = piece.last_safe(both, price[mixed])
            state[mixed[~ends_in_debt | (seen == FOR_LAW)]] = FOR_LAW
            band[mixed] = np.where(seen == FOUND, last + (1 if far > near else -1), NO_BAND)
    return Crossings(state, price, band)


def _outwards(driver: Driver, side: Side) -> list[tuple[int, int]] | None:
    """(near, far) integers of each straight piece on one side of spot, nearest first."""
    pieces = straight_pieces(driver)
    if pieces is None:
        return None
    if side == "long":
        below = [(min(last, driver.spot - 1), first) for first, last in reversed(pieces)]
        return [(near, far) for near, far in below if near >= far]
    above = [(max(first, driver.spot + 1), last) for first, last in pieces]
    return [(near, far) for near, far in above if near <= far]


def _is_unclear(driver: Driver, lines: Lines, near: int, far: int) -> Bools:
    """(n,) whether an account may break between two integers of a straight piece."""
    clear = [lines.lowest_at(registers_as_float(driver, end)) > 0 for end in (near, far)]
    return ~(clear[0] & clear[1])


def _breaks_for_good(driver: Driver, lines: Lines, pieces: Sequence[tuple[int, int]]) -> Bools:
    """(n,) whether an account is surely liquidatable at the first far end and all through later pieces."""
    ends = [pieces[0][1], *(end for piece in pieces[1:] for end in piece)]
    broken: Bools = np.ones(len(lines.best), dtype=np.bool_)
    for end in ends:
        broken &= lines.highest_at(registers_as_float(driver, end)) < 0
    return broken


@dataclass(frozen=True, slots=True)
class _Piece:
    """One straight piece of the driver's range, and the accounts that may break on it."""

    driver: Driver
    lines: Lines
    margins: Margins
    near: int
    far: int

    @property
    def _step(self) -> int:
        return 1 if self.far > self.near else -1

    def owes_what_moves(self) -> Bools:
        """(m,) whether the driver moves both what backs and what is owed."""
        both: Bools = (np.diff(self.margins.debit.first) > 0) & (np.diff(self.margins.credit.first) > 0)
        return both

    def first_liquidatable(self) -> tuple[NDArray[np.int8], Int64s]:
        """(m,) the nearest liquidatable integer; NEVER where the piece has none."""
        start = self._proved(self.near, self.far, safe=True)
        broken = self._proved(self.far, self.near, safe=False)
        far = np.full(len(start), _within(self.far), dtype=np.int64)
        suspect = np.where(broken == far, far + self._step, broken)
        state, price = nearest(self.margins, start, far, suspect, step=self._step, liquidatable=True)
        if self.far > HIGHEST_EXACT:
            state[state == NEVER] = FOR_LAW
        return state, price

    def last_safe(self, some: NDArray[np.intp], level: Int64s) -> tuple[NDArray[np.int8], Int64s]:
        """(k,) the safe integer farthest from spot beyond a level; NEVER where all beyond is liquidatable."""
        chosen = np.zeros(len(self.margins), dtype=np.bool_)
        chosen[some] = True
        start = self._proved(self.far, self.near, safe=False)[some]
        return nearest(
            self.margins.of(chosen), start, level + self._step, level, step=-self._step, liquidatable=False
        )

    def _proved(self, near: int, far: int, *, safe: bool) -> Int64s:
        """(m,) the first integer, from `near` on, up to which the lines do not prove one verdict throughout.

        A guess at where the line meets zero counts only if the verdict is proved there as well.
        """
        bound = self.lines.lowest_at if safe else self.lines.highest_at
        sign = 1.0 if safe else -1.0
        at_near = sign * bound(registers_as_float(self.driver, near))
        at_far = sign * bound(registers_as_float(self.driver, far))
        step = 1 if far > near else -1
        left = (at_near > 0) & (at_far <= 0) & np.isfinite(at_far)
        drop = np.subtract(at_near, at_far, out=np.ones_like(at_near), where=left)
        share = np.divide(at_near, drop, out=np.zeros_like(at_near), where=left)
        proved = np.full(len(at_near), _within(near), dtype=np.int64)
        for nudge in _NUDGES:
            guess = float(near) + step * np.floor(share * nudge * float(abs(far - near)))
            fits = left & (guess < HIGHEST_EXACT)
            at = np.where(fits, guess, 0.0).astype(np.int64)
            registers, is_exact = registers_at(self.driver, at)
            sure = fits & is_exact & (sign * bound(registers.astype(np.float64)) > 0)
            proved[sure] = at[sure] + step
            left &= ~sure
        return proved


def _within(at: int) -> int:
    """An integer that the columns can hold; what is beyond never fits there and goes to the law."""
    return min(at, HIGHEST_EXACT)
