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
from defiliq.engine.exact import Margins, margins_of
from defiliq.engine.lines import Lines, lines_of, rough_lines
from defiliq.engine.pieces import straight_pieces
from defiliq.engine.sweep import FOR_LAW, FOUND, NEVER, UNRESOLVED, nearest
from defiliq.engine.track import HIGHEST_EXACT
from defiliq.pricing.driver import Driver
from defiliq.types import Side

NO_BAND = 0
"""No driver integer: a level's band lies at 1 or above."""
NO_BRACKET = -1
_SAFE, _BROKEN = 1, -1
_NUDGES = tuple(1.0 - 2.0**-bits for bits in (44, 24, 8, 30, 10, 3))
"""How much short of the line's zero to look, again and again: doubles put that zero a little off, and by so
much less the nearer the last proved integer is."""
_WIDEST = 2.0**62
_COARSEST = 1
"""The lowest integer of any driver. A rule with a requirement leaves alone whoever has no value that requires
something, though the margin may be short. Where values leave 0 one by one that makes no other level, because
a value of 1 requires 1 and so counts nothing; they leave it by more only between this integer and the next,
because nowhere else can a price more than double. What is found here is for the law."""


@dataclass(frozen=True, slots=True)
class Crossings:
    """What a driver does to some accounts on one side of spot."""

    state: NDArray[np.int8]
    """(n,) NEVER, FOUND, FOR_LAW where columns cannot tell, UNRESOLVED where they gave up."""
    price: Int64s
    """(n,) the driver integer where FOUND."""
    band: Int64s
    """(n,) the last crossing where there are several, else NO_BAND."""
    near: Int64s
    """(n,) where FOR_LAW and the lines tell so much: no integer before this one breaks the account ..."""
    far: Int64s
    """(n,) ... and every one after this does. NO_BRACKET where they do not tell."""

    def bracket(self, row: int) -> tuple[int, int] | None:
        """Between which integers the law has to look; None where anywhere."""
        near, far = self.near.item(row), self.far.item(row)
        return None if NO_BRACKET in (near, far) else (near, far)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Some accounts of a book, made ready to be moved along one driver."""

    driver: Driver
    count: int
    pieces: Sequence[tuple[int, int]] | None
    """The driver's straight pieces; None where a price is curved, which only the law can follow."""
    lines: Lines | None
    margins: Margins | None
    """None where the protocol has no exact columns: then what the lines do not clear is for the law."""


def prepare(
    terms: MarginTerms,
    values: ValueTerms | None,
    prices: Sequence[int],
    driver: Driver,
    rows: NDArray[np.intp],
) -> Prepared:
    """The accounts `rows` along a driver."""
    pieces = straight_pieces(driver)
    if pieces is None:
        return Prepared(driver, len(rows), None, None, None)
    if values is None:
        return Prepared(driver, len(rows), pieces, rough_lines(terms, prices, driver, rows), None)
    margins = margins_of(terms, values, prices, driver, rows)
    return Prepared(driver, len(rows), pieces, lines_of(terms, prices, driver, rows, margins), margins)


def crossings(prepared: Prepared, side: Side) -> Crossings:
    """Where the accounts, all safe at spot, break on one side of it."""
    found = Crossings(
        np.full(prepared.count, NEVER, dtype=np.int8),
        np.zeros(prepared.count, dtype=np.int64),
        np.full(prepared.count, NO_BAND, dtype=np.int64),
        np.full(prepared.count, NO_BRACKET, dtype=np.int64),
        np.full(prepared.count, NO_BRACKET, dtype=np.int64),
    )
    if prepared.pieces is None or prepared.lines is None:
        found.state[:] = FOR_LAW
        return found
    pieces = _outwards(prepared.driver, prepared.pieces, side)
    if prepared.margins is not None:
        _search(prepared.driver, prepared.lines, prepared.margins, pieces, side, found)
        return found
    _bracket(prepared.driver, prepared.lines, pieces, 1 if side == "short" else -1, found)
    return found


def _bracket(
    driver: Driver, lines: Lines, pieces: Sequence[tuple[int, int]], step: int, found: Crossings
) -> None:
    """Mark the accounts that may break, and between which integers where the lines tell that.

    They do where the account is safe up to the one and broken from the other on through all that is left;
    not below `shallow`, where some accounts are not searched.
    """
    for number, (near, far) in enumerate(pieces):
        unclear = (found.state == NEVER) & _is_unclear(lines, near, far)
        found.state[unclear] = FOR_LAW
        rows = np.flatnonzero(unclear & (_outcome(lines, pieces[number:]) == _BROKEN))
        if not len(rows) or max(near, far) >= HIGHEST_EXACT:
            continue
        piece = _Piece(lines.of(np.isin(np.arange(len(unclear)), rows)), near, far, step)
        safe_to, broken_from = piece.proved(near, far, safe=True), piece.proved(far, near, safe=False)
        tells = (broken_from - safe_to) * step >= 0
        if step < 0:
            tells &= broken_from >= driver.shallow
        found.near[rows[tells]], found.far[rows[tells]] = safe_to[tells], broken_from[tells]


def _search(
    driver: Driver,
    lines: Lines,
    margins: Margins,
    pieces: Sequence[tuple[int, int]],
    side: Side,
    found: Crossings,
) -> None:
    """Fill in what lines and exact columns say, piece by piece."""
    state, price, band = found.state, found.price, found.band
    owes_at_zero = margins.owes_at_zero
    hurts = (margins.backed_by_it if side == "long" else margins.owes_it) | ~margins.still.fits
    for number, (near, far) in enumerate(pieces):
        may_break = hurts & (state == NEVER) & _is_unclear(lines, near, far)
        if near < driver.shallow:
            may_break &= owes_at_zero
        unclear = np.flatnonzero(may_break)
        if not len(unclear):
            continue
        piece = _Piece(lines.of(may_break), near, far, 1 if side == "short" else -1)
        here = margins.of(may_break)
        state[unclear], price[unclear] = piece.first_liquidatable(here)
        both = (state[unclear] == FOUND) & here.backed_by_it & here.owes_it
        if both.any():
            mixed = unclear[both]
            shallow = _within(max(driver.lowest, driver.shallow))
            end = np.where(owes_at_zero[mixed] | (side == "short"), _within(pieces[-1][1]), shallow)
            outcome = _outcome(lines, pieces[number:])[mixed]
            seen, band[mixed] = piece.bands(here, both, price[mixed], outcome, end)
            undecided = (seen == FOR_LAW) | (seen == UNRESOLVED)
            state[mixed[undecided]] = seen[undecided]
    if margins.has_requirement:
        state[(state == FOUND) & ((price == _COARSEST) | (band == _COARSEST))] = FOR_LAW


def _outwards(driver: Driver, pieces: Sequence[tuple[int, int]], side: Side) -> list[tuple[int, int]]:
    """(near, far) integers of each straight piece on one side of spot, nearest first."""
    for edge in (driver.shallow, HIGHEST_EXACT):  # below, only some accounts are searched; above, columns end
        pieces = [part for piece in pieces for part in _split(piece, edge)]
    if side == "long":
        below = [(min(last, driver.spot - 1), first) for first, last in reversed(pieces)]
        return [(near, far) for near, far in below if near >= far]
    above = [(max(first, driver.spot + 1), last) for first, last in pieces]
    return [(near, far) for near, far in above if near <= far]


def _split(piece: tuple[int, int], edge: int) -> list[tuple[int, int]]:
    """A piece in two, the second from `edge` on, where that lies inside."""
    first, last = piece
    return [(first, edge - 1), (edge, last)] if first < edge <= last else [piece]


def _is_unclear(lines: Lines, near: int, far: int) -> Bools:
    """(n,) whether an account may break between two integers of a straight piece."""
    clear = [lines.lowest_at(end) > 0 for end in (near, far)]
    return ~(clear[0] & clear[1])


def _outcome(lines: Lines, pieces: Sequence[tuple[int, int]]) -> NDArray[np.int8]:
    """(n,) what is sure at the first far end and all through the later pieces: _BROKEN, _SAFE or neither."""
    ends = [pieces[0][1], *(end for piece in pieces[1:] for end in piece)]
    broken, safe = (np.ones(len(lines.best), dtype=np.bool_) for _ in range(2))
    for end in ends:
        broken &= lines.highest_at(end) < 0
        safe &= lines.lowest_at(end) > 0
    return np.where(broken, _BROKEN, np.where(safe, _SAFE, 0)).astype(np.int8)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One straight piece of the driver's range, and the lines of the accounts that may break on it."""

    lines: Lines
    near: int
    far: int
    step: int
    """Away from spot: +1 or -1."""

    def first_liquidatable(self, margins: Margins) -> tuple[NDArray[np.int8], Int64s]:
        """(m,) the nearest liquidatable integer; NEVER where the piece has none."""
        start = self.proved(self.near, self.far, safe=True)
        broken = self.proved(self.far, self.near, safe=False)
        far = np.full(len(start), _within(self.far), dtype=np.int64)
        suspect = np.where(broken == far, far + self.step, broken)
        return nearest(margins, start, far, suspect, step=self.step, liquidatable=True)

    def bands(
        self, margins: Margins, some: Bools, level: Int64s, outcome: NDArray[np.int8], end: Int64s
    ) -> tuple[NDArray[np.int8], Int64s]:
        """(k,) the last crossing of some accounts beyond their level, or NO_BAND; and how the search ended.

        Found from far out: first the liquidatable integer nearest to `end`, then the safe one nearest to
        that. Where the lines prove the outcome from some point on, the search starts there.
        """
        margins, inwards = margins.of(some), -self.step
        proved = {
            kind: self.proved(self.far, self.near, safe=kind == _SAFE)[some] for kind in (_SAFE, _BROKEN)
        }
        start = np.select([outcome == _BROKEN, outcome == _SAFE], [level, proved[_SAFE]], end)
        last_state, last = nearest(margins, start, level, level, step=inwards, liquidatable=True)
        start = np.where(outcome == _BROKEN, proved[_BROKEN], last)
        state, safe = nearest(margins, start, level, level, step=inwards, liquidatable=False)
        state = np.where(last_state == FOUND, state, last_state)
        return state, np.where(state == FOUND, safe + self.step, NO_BAND)

    def proved(self, near: int, far: int, *, safe: bool) -> Int64s:
        """(m,) the first integer, from `near` on, up to which the lines do not prove one verdict throughout.

        A guess at where the line meets zero counts only if the verdict is proved there as well.
        """
        bound = self.lines.lowest_at if safe else self.lines.highest_at
        sign = 1.0 if safe else -1.0
        at_near, at_far = sign * bound(near), sign * bound(far)
        step = 1 if far > near else -1
        left = (at_near > 0) & (at_far <= 0) & np.isfinite(at_far)
        drop = np.subtract(at_near, at_far, out=np.ones_like(at_near), where=left)
        slope = drop * (1.0 / float(max(1, abs(far - near))))
        height = np.where(left, at_near, 0.0)
        proved = np.full(len(at_near), _within(near), dtype=np.int64)
        for nudge in _NUDGES:
            way = np.floor(np.minimum(height / slope * nudge, _WIDEST)).astype(np.int64)
            guess = proved + step * way
            left &= (guess >= 0) & (guess < HIGHEST_EXACT) & (guess * step <= _within(far) * step)
            there = sign * bound(np.where(left, guess, 0))
            sure = left & (there > 0)
            proved[sure] = guess[sure] + step
            height[sure] = there[sure]
        return proved


def _within(at: int) -> int:
    """An integer that the columns can hold; what is beyond never fits there and goes to the law."""
    return min(at, HIGHEST_EXACT)


def exposed_sides(prepared: Prepared) -> tuple[Bools, Bools]:
    """(n,) whether `solve.exposed_side` is short, and where that is known."""
    spot, margins = prepared.driver.spot, prepared.margins
    if margins is None or 2 * spot >= HIGHEST_EXACT:
        nothing = np.zeros(prepared.count, dtype=np.bool_)
        return nothing, nothing
    return margins.shrinks(spot, 2 * spot)
