"""Margins as straight lines in a driver's integer, in doubles, with a bound on all that rounding can move.

On a straight piece of a driver's range (see `pieces`) every price is a line in the driver's integer, up to
the floors of its feed; `_slack` adds those up. So the float margin less everything that can speak against it
is a line too, and where it is positive at both ends of a stretch, the exact rule is safe throughout; where
the float margin plus everything that can speak for it is negative at both ends, liquidatable throughout.
Two such lines are drawn. The rough one needs nothing but `MarginTerms`, whose bound `screen` derives; here it
is folded into the coefficients, which costs eight more roundings. The fine one takes the exact balances and
the exact sum of what does not move, so that all its doubt is one rounding per moved value; it knows only
accounts that fit the columns. Either may decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Int64s
from defiliq.book import MarginTerms
from defiliq.engine.exact import WRAPS, Margins, legs_of
from defiliq.engine.track import Track
from defiliq.pricing.driver import Driver
from defiliq.pricing.graph import Fixed, Fraction

Floats = NDArray[np.float64]
_WIDENED = 1.001
_MORE_ROUNDINGS = 8 * 2.0**-53
_FEW_ROUNDINGS = 256 * 2.0**-53
"""More than the coefficients have, and than any sum over an account's legs adds."""
_ROUNDINGS_OF_GROSS = 2.0**-30
"""Sums below 2**76 are off by less than this share of a difference beyond WRAPS."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Bounds of some accounts' margins along a driver: constant + sum(slope * price) over the moved legs."""

    track: Track
    account: NDArray[np.intp]
    """(m,) the moved legs' accounts."""
    register: NDArray[np.intp]
    """(m,) the driver's registers that are their prices."""
    worst: Floats
    """(n,) the constant of the lowest margin that rounding allows."""
    worst_slope: Floats
    """(m,)"""
    best: Floats
    """(n,) the constant of the highest margin that rounding allows."""
    best_slope: Floats
    """(m,)"""

    def lowest_at(self, at: int | Int64s) -> Floats:
        """(n,) above 0 where the rule must say safe, with the driver at one integer or at one per account."""
        return self.worst + self._sum(self.worst_slope, at)

    def highest_at(self, at: int | Int64s) -> Floats:
        """(n,) below 0 where the rule must say liquidatable."""
        return self.best + self._sum(self.best_slope, at)

    def of(self, chosen: NDArray[np.bool_]) -> Lines:
        """Some of the accounts, which are numbered anew."""
        kept = chosen[self.account]
        account = (np.cumsum(chosen) - 1)[self.account[kept]]
        return Lines(
            self.track,
            account,
            self.register[kept],
            self.worst[chosen],
            self.worst_slope[kept],
            self.best[chosen],
            self.best_slope[kept],
        )

    def _sum(self, slope: Floats, at: int | Int64s) -> Floats:
        """(n,) what the moved legs add; not a number, which decides nothing, where a price does not fit."""
        if isinstance(at, int):
            price = np.array([float(value) for value in self.track.driver.registers(at)])[self.register]
        else:
            exact, fits = self.track.prices_at(self.register, at[self.account])
            price = np.where(fits, exact.astype(np.float64), np.nan)
        sums = np.bincount(self.account, slope * price, minlength=len(self.worst))
        return sums.astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What two lines say of the same accounts, the surer of them each time."""

    rough: Lines
    fine: Lines

    def lowest_at(self, at: int | Int64s) -> Floats:
        """See `Lines`."""
        return np.fmax(self.rough.lowest_at(at), self.fine.lowest_at(at))

    def highest_at(self, at: int | Int64s) -> Floats:
        """See `Lines`."""
        return np.fmin(self.rough.highest_at(at), self.fine.highest_at(at))

    def of(self, chosen: NDArray[np.bool_]) -> Bounds:
        """Some of the accounts."""
        return Bounds(self.rough.of(chosen), self.fine.of(chosen))


def fine_lines(margins: Margins) -> Lines:
    """The lines through exact balances; accounts that do not fit are never sure of anything."""
    slack_of = np.array(_slack(margins.track.driver))
    about = margins.still.about
    is_exact = np.abs(about) < WRAPS
    still = np.where(is_exact, margins.still.wrapped, about)
    doubt = np.abs(about) * np.where(is_exact, _FEW_ROUNDINGS, _ROUNDINGS_OF_GROSS)
    worst, best = still - doubt, still + doubt
    slopes, aparts, accounts, registers = [], [], [], []
    for column, sign in ((margins.credit, 1.0), (margins.debit, -1.0)):
        slope = column.about * column.weight / column.unit
        slopes.append(sign * slope)
        aparts.append(column.weight + 2.0 * slope * slack_of[column.feed])
        accounts.append(column.account)
        registers.append(column.feed)
    account, register, slope = np.concatenate(accounts), np.concatenate(registers), np.concatenate(slopes)
    apart = np.bincount(account, np.concatenate(aparts) * _WIDENED, minlength=len(worst))
    unsure = ~margins.still.fits
    worst, best = np.where(unsure, -np.inf, worst - apart), np.where(unsure, np.inf, best + apart)
    doubt = np.abs(slope) * _FEW_ROUNDINGS
    return Lines(margins.track, account, register, worst, slope - doubt, best, slope + doubt)


def rough_lines(terms: MarginTerms, prices: Sequence[int], driver: Driver, rows: NDArray[np.intp]) -> Lines:
    """The lines of the accounts `rows`, in that order; those of `law_only` are never sure of anything."""
    legs, account = legs_of(terms, rows)
    feeds = terms.feeds[legs]
    register_of = np.full(len(prices), -1, dtype=np.intp)
    slack_of = np.zeros(len(prices))
    slack = _slack(driver)
    for moved_feed, output in driver.outputs:
        register_of[moved_feed], slack_of[moved_feed] = output, slack[output]
    register = register_of[feeds]
    moves = register >= 0
    credit, debit, step = terms.credit[legs], terms.debit[legs], terms.step[legs]
    doubt = (terms.relative_error + _MORE_ROUNDINGS) * (credit + debit) + step * terms.grain[feeds]
    doubt *= _WIDENED
    apart = (step + 2.0 * (credit + debit) * slack_of[feeds]) * _WIDENED
    worst_slope = terms.credit_floor[legs] - debit - doubt
    best_slope = credit - debit + doubt
    price = np.array([float(price) for price in prices])[feeds]
    still_worst = np.where(moves, 0.0, worst_slope * price) - apart
    still_best = np.where(moves, 0.0, best_slope * price) + apart
    worst, best = (
        np.bincount(account, still, minlength=len(rows)).astype(np.float64, copy=False)
        for still in (still_worst, still_best)
    )
    unsure = terms.law_only[rows]
    worst[unsure], best[unsure] = -np.inf, np.inf
    return Lines(
        Track(driver), account[moves], register[moves], worst, worst_slope[moves], best, best_slope[moves]
    )


def _slack(driver: Driver) -> list[float]:
    """Per register, how far it can lie from the straight line that it is up to rounding."""
    slack = [0.0]
    for step in driver.steps:
        if isinstance(step, Fraction):
            scale = step.numerator / step.denominator
            slack.append(max((slack[k] for k in step.over), default=0.0) * scale + 1.0)
        else:
            slack.append(0.0 if isinstance(step, Fixed) else max(slack[k] for k in step.of))
    return slack
