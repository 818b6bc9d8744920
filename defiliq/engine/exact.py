"""Exact margins of many accounts at once, each with the driver at an integer of its own.

Everything is int64 and wraps around at most on the way: the limits below keep each result inside. What does
not fit is marked, never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Amounts, Bools, Int64s, mul_div
from defiliq.book import MarginTerms, ValueTerms
from defiliq.pricing.driver import Driver
from defiliq.pricing.graph import Fixed, Fraction, Least

HIGHEST_EXACT = 2**50
"""Driver integers and prices below this are exact in doubles too, which `mul_div` needs."""
_MOST_FACTOR, _MOST_DIVISOR = 2**62, 2**61


def registers_at(driver: Driver, at: Int64s) -> tuple[Int64s, Bools]:
    """(R, n) the driver's registers with the driver at `at` (n,), and (n,) where they are exact."""
    rows: list[Int64s] = [at]
    fits: Bools = (at >= 0) & (at < HIGHEST_EXACT)
    for step in driver.steps:
        if isinstance(step, Fixed):
            rows.append(np.full_like(at, min(step.value, HIGHEST_EXACT)))
        elif isinstance(step, Least):
            rows.append(np.minimum.reduce([rows[k] for k in step.of]))
        else:
            value, is_exact = _scaled(step, rows)
            rows.append(value)
            fits &= is_exact
    return np.stack(rows), fits


def _scaled(step: Fraction, rows: Sequence[Int64s]) -> tuple[Int64s, Bools]:
    """A register times a constant fraction; nothing else is straight, so nothing else comes here."""
    common = gcd(step.numerator, step.denominator)
    numerator, denominator = step.numerator // common, step.denominator // common
    x = rows[step.over[0]]
    if numerator >= _MOST_FACTOR or denominator >= _MOST_DIVISOR:
        return np.zeros_like(x), np.zeros(len(x), dtype=np.bool_)
    factor, divisor = np.full_like(x, numerator), np.full_like(x, denominator)
    return mul_div(x.astype(np.float64), x.view(np.uint64), factor, divisor, up=False)


@dataclass(frozen=True, slots=True)
class Column:
    """The legs that owe, or those that back, of some accounts; ordered by account."""

    account: NDArray[np.intp]
    first: NDArray[np.intp]
    """(n + 1,) the legs of account i are first[i] to first[i + 1]."""
    feed: NDArray[np.intp]
    """(m,) a feed, or a register of the driver where it moves."""
    amount: NDArray[np.float64]
    amount_low: NDArray[np.uint64]
    unit: Int64s
    weight: Int64s
    most: Int64s
    """(m,) values below this cannot overflow their account's sum."""

    def totals(self, price: Int64s, *, up: bool) -> tuple[Int64s, Bools]:
        """(n,) sum of weight * value at a price per leg, and where it is exact."""
        value, fits = mul_div(self.amount, self.amount_low, price, self.unit, up=up)
        fits &= value < self.most
        running = np.concatenate(([0], np.cumsum(value * self.weight)))
        wrong = np.concatenate(([0], np.cumsum(~fits)))
        return (
            running[self.first[1:]] - running[self.first[:-1]],
            wrong[self.first[1:]] == wrong[self.first[:-1]],
        )

    def of(self, chosen: Bools) -> Column:
        """The legs of some accounts, which are numbered anew."""
        kept = chosen[self.account]
        number = np.cumsum(chosen) - 1
        account = number[self.account[kept]]
        return Column(
            account,
            np.searchsorted(account, np.arange(int(chosen.sum()) + 1)),
            self.feed[kept],
            self.amount[kept],
            self.amount_low[kept],
            self.unit[kept],
            self.weight[kept],
            self.most[kept],
        )


@dataclass(frozen=True, slots=True)
class Margins:
    """The exact margins of some accounts as functions of one driver."""

    driver: Driver
    still: Int64s
    """(n,) the part that the driver does not move."""
    fits: Bools
    """(n,) whether the columns describe the account at all."""
    credit: Column
    debit: Column

    def __len__(self) -> int:
        return len(self.still)

    def joined(self, credit_at: Int64s, debit_at: Int64s) -> tuple[Int64s, Bools]:
        """(n,) margins with what backs at one integer and what is owed at another, and where they are exact.

        No margin between two integers is below the one that joins what backs at the lower with what is owed
        at the upper, nor above the opposite; the same integer twice gives the margin itself.
        """
        backing, fits_a = self._totals(self.credit, credit_at, up=False)
        owed, fits_b = self._totals(self.debit, debit_at, up=True)
        return self.still + backing - owed, self.fits & fits_a & fits_b

    def of(self, chosen: Bools) -> Margins:
        """Some of the accounts."""
        return Margins(
            self.driver,
            self.still[chosen],
            self.fits[chosen],
            self.credit.of(chosen),
            self.debit.of(chosen),
        )

    def _totals(self, column: Column, at: Int64s, *, up: bool) -> tuple[Int64s, Bools]:
        registers, fits = registers_at(self.driver, at)
        totals, fit_totals = column.totals(registers[column.feed, column.account], up=up)
        return totals, fits & fit_totals


def margins_of(
    terms: MarginTerms,
    values: ValueTerms,
    prices: Sequence[int],
    driver: Driver,
    rows: NDArray[np.intp],
) -> Margins:
    """The exact margins of the accounts `rows`, in that order."""
    legs, account, count = legs_of(terms, rows)
    register_of = np.full(len(prices), -1, dtype=np.intp)
    for moved_feed, output in driver.outputs:
        register_of[moved_feed] = output
    feeds = terms.feeds[legs]
    register = register_of[feeds]
    price = np.array([min(price, _MOST_FACTOR) for price in prices], dtype=np.int64)
    fits = ~values.law_only[rows]
    most = (2**63 - 1) // (count[account] * np.maximum(values.weight[legs], values.debt_weight))
    still = np.zeros(len(rows), dtype=np.int64)
    moved: list[Column] = []
    for amounts, weight, up in (
        (values.supplied, values.weight[legs], False),
        (values.owed, np.full(len(legs), values.debt_weight, dtype=np.int64), True),
    ):
        amount = amounts.take(legs)
        column = _column(amount, account, register, values.unit[legs], weight, most, len(rows))
        is_moved = amount.is_positive() & (register >= 0)
        rest = _only(column, amount.is_positive() & (register < 0), feeds)
        total, fit = rest.totals(price[rest.feed], up=up)
        still += -total if up else total
        fits &= fit
        moved.append(_only(column, is_moved, register))
    return Margins(driver, still, fits, *moved)


def legs_of(terms: MarginTerms, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp], Int64s]:
    """(legs of some accounts, the position in `rows` of each leg's account, legs per account)."""
    first = terms.first_leg[rows]
    count = terms.first_leg[rows + 1] - first
    before = np.concatenate(([0], np.cumsum(count)))[:-1]
    account = np.repeat(np.arange(len(rows), dtype=np.intp), count)
    legs = np.arange(len(account), dtype=np.intp) + np.repeat(first - before, count)
    return legs, account, count


def _column(
    amount: Amounts,
    account: NDArray[np.intp],
    feed: NDArray[np.intp],
    unit: Int64s,
    weight: Int64s,
    most: Int64s,
    accounts: int,
) -> Column:
    first = np.searchsorted(account, np.arange(accounts + 1))
    return Column(account, first, feed, amount.to_float(), amount.low, unit, weight, most)


def _only(column: Column, kept: Bools, feed: NDArray[np.intp]) -> Column:
    """Some legs of a column, each with a feed or register of its own."""
    account = column.account[kept]
    return Column(
        account,
        np.searchsorted(account, np.arange(len(column.first))),
        feed[kept],
        column.amount[kept],
        column.amount_low[kept],
        column.unit[kept],
        column.weight[kept],
        column.most[kept],
    )
