"""Levels of whole books along one driver in doubles, and what the first call takes there: for pictures.

The exact levels are `bulk`'s and `solve`'s. Here an account breaks where its weighted sum of `CallTerms`, a
line in the driver's integer on each straight piece of its range, crosses zero. What the law rounds is left
out: levels agree with the exact ones to about 1e-9 of the price, where an account is worth more than dust
and its protocol does not cut thresholds (Aave before v3.5 cuts the average to a basis point). Where a margin
crosses zero more than once on one side of spot, it is the crossing nearest to spot that counts, as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from defiliq.calls import WENT, CallTerms, Standing, legs_of
from defiliq.engine.calls import first_calls
from defiliq.engine.lines import courses
from defiliq.engine.pieces import straight_pieces
from defiliq.pricing.driver import Driver

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]
_CHUNK = 1 << 13
"""Accounts at a time: their columns stay in the cache."""


class FloatLevels(NamedTuple):
    """k levels, with what breaks there."""

    account: Ints
    """(k,) rows of the terms."""
    is_long: Bools
    """(k,) whether it breaks as the driver falls."""
    price: Floats
    """(k,) the driver's integer, uncut; spot where the account is liquidatable there."""
    is_already: Bools
    """(k,) liquidatable at spot."""
    size_base: Floats
    """(k,) what a rung's size is: the positions that the driver moves, else what the first call seizes of a
    long and repays of a short; 0 where every call is refused, NaN where it is not told."""


def float_levels(terms: CallTerms, prices: Sequence[int], driver: Driver) -> FloatLevels | None:
    """The nearest level of every account on either side of spot; None where a price of the driver is curved.

    An account that is liquidatable at spot has one level, there, on the side that hurts it.
    """
    pieces = straight_pieces(driver)
    if pieces is None:
        return None
    lines = _Lines(terms, prices, driver)
    spot = float(driver.spot)
    at_spot = lines.margin(spot)
    owes = np.bincount(lines.account_of_leg, terms.owed, minlength=len(terms)) > 0
    suspects = np.flatnonzero(((at_spot < 0) | terms.always) & owes)
    legs, _ = legs_of(terms.first_leg, suspects)
    there = lines.price.take(terms.feeds).take(terms.kind.take(legs))
    already = suspects[terms.rule.breaks(Standing.apart(terms, suspects, there))]
    below = lines.nearest(pieces, driver, at_spot, owes, is_long=True)
    above = lines.nearest(pieces, driver, at_spot, owes, is_long=False)
    account = np.concatenate((already, below[0], above[0]))
    price = np.concatenate((np.full(len(already), spot), below[1], above[1]))
    is_long = np.zeros(len(account), dtype=np.bool_)
    is_long[: len(already)] = lines.margin(2.0 * spot)[already] >= at_spot[already]
    is_long[len(already) : len(already) + len(below[0])] = True
    is_already = np.arange(len(account)) < len(already)
    parts = [slice(start, start + _CHUNK) for start in range(0, len(account), _CHUNK)]
    sizes = [_sizes(terms, lines, account[part], price[part], is_long[part]) for part in parts]
    return FloatLevels(account, is_long, price, is_already, np.concatenate([np.zeros(0), *sizes]))


class _Lines:
    """The weighted sums of all accounts along a driver."""

    def __init__(self, terms: CallTerms, prices: Sequence[int], driver: Driver) -> None:
        self.terms, self.account_of_leg = terms, terms.account_of_leg
        self._scale, self._ceiling, _ = courses(driver)
        register_of = np.full(len(prices), -1, dtype=np.intp)
        for feed, register in driver.outputs:
            register_of[feed] = register
        self.price = np.array([float(price) for price in prices])
        self.register = register_of.take(terms.feeds)
        backed = terms.supplied * (terms.weight / terms.unit).take(terms.kind)
        net = backed - terms.owed * (terms.burden / terms.unit).take(terms.kind)
        moved = (self.register >= 0).take(terms.kind)
        still = np.where(moved, 0.0, net * self.price.take(terms.feeds).take(terms.kind))
        sums = np.bincount(self.account_of_leg, still, minlength=len(terms))
        self._still: Floats = sums.astype(np.float64, copy=False)
        self._legs = np.flatnonzero(moved)
        self._account = self.account_of_leg.take(self._legs)
        self._net = net.take(self._legs)
        self._moved_register = self.register.take(terms.kind.take(self._legs))

    def registers(self, at: float) -> Floats:
        """(R,) every price that the driver moves, with the driver at one number."""
        return np.minimum(self._scale * at if at else np.zeros_like(self._scale), self._ceiling)

    def prices_at(self, register: Ints, at: Floats) -> Floats:
        """(m,) a register per row, each with the driver at a number of its own."""
        return np.minimum(self._scale.take(register) * at, self._ceiling.take(register))

    def margin(self, at: float) -> Floats:
        """(N,) with the driver at one number."""
        value = self._net * self.registers(at).take(self._moved_register)
        moved = np.bincount(self._account, value, minlength=len(self.terms))
        return self._still + moved.astype(np.float64, copy=False)

    def nearest(
        self,
        pieces: Sequence[tuple[int, int]],
        driver: Driver,
        at_spot: Floats,
        owes: Bools,
        *,
        is_long: bool,
    ) -> tuple[Ints, Floats]:
        """The accounts, safe at spot, that break on one side of it, and where."""
        found, level = np.zeros(len(at_spot), dtype=np.bool_), np.full(len(at_spot), np.nan)
        near, margin = float(driver.spot), at_spot
        safe = owes & ~self.terms.always & (at_spot >= 0)
        for far in _ends(pieces, driver.spot, is_long=is_long):
            beyond = self.margin(far)
            here = np.flatnonzero(safe & ~found & (beyond < 0))
            share = margin[here] / (margin[here] - beyond[here])
            level[here] = near + (far - near) * share
            found[here] = True
            near, margin = far, beyond
        rows = np.flatnonzero(found)
        return rows, level[rows]


def _ends(pieces: Sequence[tuple[int, int]], spot: int, *, is_long: bool) -> list[float]:
    """The far ends of the pieces on one side of spot, outwards; a line goes on to the next one's."""
    if is_long:
        return [float(first) for first, _ in reversed(pieces) if first < spot]
    return [float(last) for _, last in pieces if last > spot]


def _sizes(terms: CallTerms, lines: _Lines, account: Ints, price: Floats, is_long: Bools) -> Floats:
    """(k,) `FloatLevels.size_base`, each account with the driver at its own level."""
    legs, first = legs_of(terms.first_leg, account)
    level_of = np.repeat(np.arange(len(account)), np.diff(first))
    kind = terms.kind.take(legs)
    register = lines.register.take(kind)
    moved = register >= 0
    there = lines.price.take(terms.feeds).take(kind)
    there[moved] = lines.prices_at(register[moved], price.take(level_of[moved]))
    calls = first_calls(terms, account, there)
    size = np.where(is_long, calls.seized_base, calls.repaid_base)
    size[calls.reason != WENT] = 0.0
    size[np.isin(calls.reason, terms.rule.untold)] = np.nan
    if terms.is_position is None:
        return size
    held = moved & terms.is_position.take(kind)
    side = np.where(is_long.take(level_of), terms.supplied.take(legs), terms.owed.take(legs))
    worth = np.where(held, side * there / terms.unit.take(kind), 0.0)
    notional = np.bincount(level_of, worth, minlength=len(account))
    has_position = np.bincount(level_of[held], minlength=len(account)) > 0
    return np.where(has_position, notional, size)
