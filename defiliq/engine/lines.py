"""Margins as straight lines in a driver's integer, in doubles, with a bound on all that rounding can move.

On a straight piece of a driver's range (see `pieces`) every price is a line in the driver's integer, up to
the floors of its feed; `_slack` adds those up. So the float margin less everything that can speak against it
is a line too, and where it is positive at both ends of a stretch, the exact rule is safe throughout; where
the float margin plus everything that can speak for it is negative at both ends, liquidatable throughout.
`screen` has the bound for one point; what is new here is eight more roundings, because the bound is folded
into the coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defiliq.book import MarginTerms
from defiliq.engine.exact import legs_of
from defiliq.pricing.driver import Driver
from defiliq.pricing.graph import Fixed, Fraction

Floats = NDArray[np.float64]
_WIDENED = 1.001
_MORE_ROUNDINGS = 8 * 2.0**-53


@dataclass(frozen=True, slots=True)
class Lines:
    """Bounds of some accounts' margins along a driver: constant + sum(slope * price) over the moved legs."""

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

    def lowest_at(self, registers: Floats) -> Floats:
        """(n,) above 0 where the rule must say safe; `registers` are (R,), or (R, n) for a point each."""
        return self.worst + self._sum(self.worst_slope, registers)

    def highest_at(self, registers: Floats) -> Floats:
        """(n,) below 0 where the rule must say liquidatable."""
        return self.best + self._sum(self.best_slope, registers)

    def of(self, chosen: NDArray[np.bool_]) -> Lines:
        """Some of the accounts, which are numbered anew."""
        kept = chosen[self.account]
        account = (np.cumsum(chosen) - 1)[self.account[kept]]
        return Lines(
            account,
            self.register[kept],
            self.worst[chosen],
            self.worst_slope[kept],
            self.best[chosen],
            self.best_slope[kept],
        )

    def _sum(self, slope: Floats, registers: Floats) -> Floats:
        price = registers[self.register] if registers.ndim == 1 else registers[self.register, self.account]
        sums = np.bincount(self.account, slope * price, minlength=len(self.worst))
        return sums.astype(np.float64, copy=False)


def lines_of(terms: MarginTerms, prices: Sequence[int], driver: Driver, rows: NDArray[np.intp]) -> Lines:
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
    return Lines(account[moves], register[moves], worst, worst_slope[moves], best, best_slope[moves])


def registers_as_float(driver: Driver, at: int) -> Floats:
    """(R,) the driver's registers at one integer, however large."""
    return np.array([float(value) for value in driver.registers(at)])


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
