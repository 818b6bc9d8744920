"""Exact verdicts on many accounts at once, each with the driver at an integer of its own.

Values are exact int64. Their weighted sums may wrap around, but the same sums in doubles tell by how much: a
margin beyond 2**62 has the sign of its double, whose error is a few parts in 2**50 of sums below 2**76, and
any other is what the wrapped integers say. What does not fit is marked, never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Amounts, Bools, Int64s, mul_div
from defiliq.book import MarginTerms, Requirement, ValueTerms
from defiliq.engine.track import HIGHEST_EXACT, MOST_DIVISOR, Track
from defiliq.pricing.driver import Driver

WRAPS = 2**62
"""Sums beyond this are told by their doubles."""
MOST_OWED = 2**73
"""What is owed by what the driver moves, and by what it does not, stays below: together 2e18 base units, from
where on the health factor's rounding is worth more than one integer of the margin."""


class Totals(NamedTuple):
    """Sums per account."""

    wrapped: Int64s
    """Modulo 2**64."""
    about: NDArray[np.float64]
    """In doubles."""
    fits: Bools
    """Whether every value in the sum is exact."""


@dataclass(frozen=True, slots=True)
class Column:
    """The legs that owe, or those that back, of some accounts; ordered by account."""

    account: NDArray[np.intp]
    first: NDArray[np.intp]
    """(n + 1,) the legs of account i are first[i] to first[i + 1]."""
    feed: NDArray[np.intp]
    """(m,) a feed, or a register of the driver where it moves."""
    amount: Amounts
    about: NDArray[np.float64]
    """(m,) the amounts in doubles."""
    unit: Int64s
    weight: Int64s
    weight_unit: int
    """Weighted values are divided by it and rounded down."""
    up: bool
    """Which way values are rounded."""
    requirement: Requirement | None = None
    """What each value requires: it counts less by that where it backs, and more where it is owed."""
    is_owed: bool = False

    def totals(self, price: Int64s) -> Totals:
        """Sums of weighted values per account, at a price per leg."""
        value, fits = mul_div(self.amount, self.about, price, self.unit, up=self.up)
        weighted, about_weighted = self._weighted(value)
        wrong = np.concatenate(([0], np.cumsum(~fits)))
        running = np.concatenate(([0], np.cumsum(weighted)))
        about = np.bincount(self.account, about_weighted, minlength=len(self.first) - 1)
        return Totals(
            running[self.first[1:]] - running[self.first[:-1]],
            about.astype(np.float64, copy=False),
            wrong[self.first[1:]] == wrong[self.first[:-1]],
        )

    def _weighted(self, value: Int64s) -> tuple[Int64s, NDArray[np.float64]]:
        """(m,) weighted values modulo 2**64, and in doubles."""
        if self.requirement is not None:
            required = self.requirement.of(value)
            counted = value + required if self.is_owed else value - required
            return counted, counted.astype(np.float64)
        if self.weight_unit == 1:
            return value * self.weight, value.astype(np.float64) * self.weight.astype(np.float64)
        # In two parts, neither of which exceeds the value: no weight is above its unit.
        whole, rest = np.divmod(value, self.weight_unit)
        weighted = whole * self.weight + rest * self.weight // self.weight_unit
        return weighted, weighted.astype(np.float64)

    def of(self, chosen: Bools) -> Column:
        """The legs of some accounts, which are numbered anew."""
        kept = chosen[self.account]
        account = (np.cumsum(chosen) - 1)[self.account[kept]]
        return self._rows(kept, account, int(chosen.sum()), self.feed)

    def only(self, kept: Bools, feed: NDArray[np.intp]) -> Column:
        """Some legs of all accounts, each with a feed or register of its own."""
        return self._rows(kept, self.account[kept], len(self.first) - 1, feed)

    def changes(self, track: Track, at: Int64s, step: int, count: int) -> Int64s:
        """(count, m) per leg the next driver integers from `at` (n,), up or down, at which its value is new.

        A value v of amount * price / unit, rounded down, begins at the price ceil(v * unit / amount); rounded
        up, just above (v - 1) * unit / amount. Not every new value need have a new weight. An amount that is
        too large for this, and moves with nearly every price, counts each new price as a change; where not
        even that fits, each integer.
        """
        here, up = at[self.account], self.up
        price, fits_price = track.prices_at(self.feed, here)
        value, fits = mul_div(self.amount, self.about, price, self.unit, up=up)
        number = np.arange(count, dtype=np.int64)[:, np.newaxis]
        small = fits & (self.about < MOST_DIVISOR)
        new = (value + number + 1 if step > 0 else value - number) - (1 if up else 0)
        new = np.where(small, new, 0)
        amount = np.where(small, self.amount.low, np.uint64(1)).view(np.int64)
        flat = np.maximum(new, 0).ravel()
        unit, divisor = np.tile(self.unit, count), np.tile(amount, count)
        by_value, fits_edge = mul_div(Amounts.small(flat), flat.astype(np.float64), unit, divisor, up=not up)
        by_price = np.maximum(price + (number + 1 if step > 0 else -number), 0).ravel()
        is_small = np.tile(small, count)
        edge = np.where(is_small, by_value + (1 if up else 0), by_price)
        reached, fits_way = track.lowest_reaching(np.tile(self.feed, count), edge)
        known = fits_way & np.where(is_small, fits_edge & (new.ravel() >= 0), np.tile(fits_price, count))
        found = np.where(known, reached if step > 0 else reached - 1, 0).reshape(count, -1)
        every = here + step * (number + 1)
        found = np.where(known.reshape(count, -1), found, every)
        changes: Int64s = np.maximum(found, every) if step > 0 else np.minimum(found, every)
        return changes

    def repeated(self, rows: NDArray[np.intp]) -> Column:
        """The legs of accounts by number, in any order and as often as they are named."""
        legs, account = ranges(self.first[rows], self.first[rows + 1])
        return Column(
            account,
            _firsts(account, len(rows)),
            self.feed[legs],
            self.amount.take(legs),
            self.about[legs],
            self.unit[legs],
            self.weight[legs],
            self.weight_unit,
            self.up,
            None if self.requirement is None else self.requirement.take(legs),
            self.is_owed,
        )

    def _rows(self, kept: Bools, account: NDArray[np.intp], accounts: int, feed: NDArray[np.intp]) -> Column:
        return Column(
            account,
            _firsts(account, accounts),
            feed[kept],
            self.amount.take(kept),
            self.about[kept],
            self.unit[kept],
            self.weight[kept],
            self.weight_unit,
            self.up,
            None if self.requirement is None else self.requirement.take(kept),
            self.is_owed,
        )


@dataclass(frozen=True, slots=True)
class Margins:
    """The exact margins of some accounts as functions of one driver."""

    track: Track
    still: Totals
    """What the driver does not move: what backs less what is owed. `fits` is false where the columns do not
    describe the account at all."""
    credit: Column
    debit: Column

    def __len__(self) -> int:
        return len(self.still.fits)

    @property
    def has_requirement(self) -> bool:
        """Whether values must be backed with something besides."""
        return self.credit.requirement is not None

    @property
    def owes_at_zero(self) -> Bools:
        """(n,) whether the margin is negative with the driver at 0, or not known."""
        return _is_negative(self.still.wrapped, self.still.about) | ~self.still.fits

    @property
    def backed_by_it(self) -> Bools:
        """(n,) whether the driver moves something that backs."""
        moved: Bools = np.diff(self.credit.first) > 0
        return moved

    @property
    def owes_it(self) -> Bools:
        """(n,) whether the driver moves something that is owed."""
        moved: Bools = np.diff(self.debit.first) > 0
        return moved

    def is_short(self, credit_at: Int64s, debit_at: Int64s) -> tuple[Bools, Bools]:
        """(n,) whether what backs at one integer is below what is owed at another, and where that is exact.

        No margin between two integers is below the one that joins what backs at the lower with what is owed
        at the upper, nor above the opposite; the same integer twice gives the verdict itself.
        """
        backing, owed = self._backing(credit_at), self._owed(debit_at)
        short = _is_negative(
            self.still.wrapped + backing.wrapped - owed.wrapped, self.still.about + backing.about - owed.about
        )
        return short, self.still.fits & backing.fits & owed.fits

    def same_until(self, at: Int64s, step: int) -> Int64s:
        """(n,) how far from `at` the driver may go up or down (`step`) with every value staying as it is."""
        far = np.full(len(at), HIGHEST_EXACT if step > 0 else 0, dtype=np.int64)
        nearer = np.minimum if step > 0 else np.maximum
        for column in (self.credit, self.debit):
            nearer.at(far, column.account, column.changes(self.track, at, step, 1)[0] - step)
        return far

    def turns(
        self, at: Int64s, step: int, count: int, *, worse: bool
    ) -> tuple[Int64s, NDArray[np.intp], Int64s]:
        """Where a margin can get worse, or better, next as the driver goes up or down from `at` (n,).

        The margin falls only where something that backs loses value on the way down, or something owed gains
        on the way up, and rises only where the opposite happens. Per leg that does so: (count, m) integers
        and (m,) its account; and (n,) the integer up to which these are all there are.
        """
        column = self.credit if worse == (step < 0) else self.debit
        turns = column.changes(self.track, at, step, count)
        last = np.full(len(at), HIGHEST_EXACT if step > 0 else 0, dtype=np.int64)
        (np.minimum if step > 0 else np.maximum).at(last, column.account, turns[-1])
        return turns, column.account, last

    def shrinks(self, first: int, last: int) -> tuple[Bools, Bools]:
        """(n,) whether the margin is smaller at the second integer than at the first, where that is exact."""
        wrapped, about = np.zeros(len(self), dtype=np.int64), np.zeros(len(self))
        fits = self.still.fits.copy()
        for at, sign in ((last, 1), (first, -1)):
            here = np.full(len(self), at, dtype=np.int64)
            backing, owed = self._backing(here), self._owed(here)
            wrapped += sign * (backing.wrapped - owed.wrapped)
            about += sign * (backing.about - owed.about)
            fits &= backing.fits & owed.fits
        return _is_negative(wrapped, about), fits

    def of(self, chosen: Bools) -> Margins:
        """Some of the accounts."""
        wrapped, about, fits = self.still
        still = Totals(wrapped[chosen], about[chosen], fits[chosen])
        return Margins(self.track, still, self.credit.of(chosen), self.debit.of(chosen))

    def repeated(self, rows: NDArray[np.intp]) -> Margins:
        """Accounts by number, in any order and as often as they are named."""
        wrapped, about, fits = self.still
        still = Totals(wrapped[rows], about[rows], fits[rows])
        return Margins(self.track, still, self.credit.repeated(rows), self.debit.repeated(rows))

    def _backing(self, at: Int64s) -> Totals:
        return self._totals(self.credit, at)

    def _owed(self, at: Int64s) -> Totals:
        return _bounded(self._totals(self.debit, at))

    def _totals(self, column: Column, at: Int64s) -> Totals:
        price, fits = self.track.prices_at(column.feed, at[column.account])
        totals = column.totals(price)
        wrong = np.bincount(column.account[~fits], minlength=len(at)) > 0
        return totals._replace(fits=totals.fits & ~wrong)


def _is_negative(wrapped: Int64s, about: NDArray[np.float64]) -> Bools:
    """The sign of sums that may have wrapped around."""
    return np.where(np.abs(about) > WRAPS, about < 0, wrapped < 0)


def _bounded(owed: Totals) -> Totals:
    return owed._replace(fits=owed.fits & (owed.about < MOST_OWED))


def margins_of(
    terms: MarginTerms,
    values: ValueTerms,
    prices: Sequence[int],
    driver: Driver,
    rows: NDArray[np.intp],
) -> Margins:
    """The exact margins of the accounts `rows`, in that order."""
    legs, account = legs_of(terms, rows)
    register_of = np.full(len(prices), -1, dtype=np.intp)
    for moved_feed, output in driver.outputs:
        register_of[moved_feed] = output
    feeds = terms.feeds[legs]
    register = register_of[feeds]
    price = np.array([min(price, 2**62) for price in prices], dtype=np.int64)
    debt_weight = np.full(len(legs), values.debt_weight, dtype=np.int64)
    still: list[Totals] = []
    moved: list[Column] = []
    requirement = None if values.requirement is None else values.requirement.take(legs)
    for amounts, weight, weight_unit, up, is_owed in (
        (values.supplied, values.weight[legs], values.weight_unit, False, False),
        (values.owed, debt_weight, 1, values.debt_rounds_up, True),
    ):
        amount = amounts.take(legs)
        is_there = amount.is_positive()
        first = _firsts(account, len(rows))
        unit = values.unit[legs]
        about = amount.to_float()
        column = Column(
            account, first, feeds, amount, about, unit, weight, weight_unit, up, requirement, is_owed
        )
        rest = column.only(is_there & (register < 0), feeds)
        still.append(rest.totals(price[rest.feed]))
        moved.append(column.only(is_there & (register >= 0), register))
    backing, owed = still[0], _bounded(still[1])
    fits = ~values.law_only[rows] & backing.fits & owed.fits
    rests = Totals(backing.wrapped - owed.wrapped, backing.about - owed.about, fits)
    return Margins(Track(driver), rests, *moved)


def legs_of(terms: MarginTerms, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(legs of some accounts, the position in `rows` of each leg's account)."""
    return ranges(terms.first_leg[rows], terms.first_leg[rows + 1])


def ranges(first: NDArray[np.integer], end: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The integers of many ranges in a row, and the number of the range that each comes from."""
    count = end - first
    number = np.repeat(np.arange(len(count), dtype=np.intp), count)
    before = np.concatenate(([0], np.cumsum(count)))[:-1]
    return np.arange(len(number), dtype=np.intp) + np.repeat(first - before, count), number


def _firsts(account: NDArray[np.intp], accounts: int) -> NDArray[np.intp]:
    """(accounts + 1,) where each account's rows begin, of rows ordered by account."""
    return np.concatenate(([0], np.cumsum(np.bincount(account, minlength=accounts))))
