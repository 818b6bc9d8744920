"""Margins as straight lines in a driver's integer, in doubles, with a bound on all that rounding can move.

On a straight piece of a driver's range (see `pieces`) every price is a line in the driver's integer, up to
the floors of its feed; `courses` adds those up. So the float margin less all that can speak against it
is a line too, and where it is positive at both ends of a stretch, the exact rule is safe throughout; where
the float margin plus everything that can speak for it is negative at both ends, liquidatable throughout.
Two such lines are drawn. The rough one needs nothing but `MarginTerms`, whose bound `screen` derives; here it
is folded into the coefficients, which costs eight more roundings. The fine one takes the exact balances and
the exact sum of what does not move, so that all its doubt is one rounding per moved value; it is drawn for
the accounts that fit the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Int64s
from defiliq.book import MarginTerms
from defiliq.engine.exact import WRAPS, Column, Margins, legs_of
from defiliq.pricing.driver import Driver
from defiliq.pricing.graph import Fixed, Fraction

Floats = NDArray[np.float64]
_WIDENED = 1.001
_MORE_ROUNDINGS = 8 * 2.0**-53
_FEW_ROUNDINGS = 256 * 2.0**-53
"""More than the coefficients have, and than any sum over an account's legs adds."""
_ROUNDINGS_OF_GROSS = 2.0**-20
"""Sums below 2**85, which is more than 128 legs have, are off by less of a difference beyond WRAPS."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Bounds of some accounts' margins along a driver: constant + sum(slope * price) over the moved legs."""

    account: NDArray[np.intp]
    """(m,) the moved legs' accounts."""
    scale: Floats
    """(m,) price per driver integer, ..."""
    ceiling: Floats
    """(m,) ... up to here."""
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
            account,
            self.scale[kept],
            self.ceiling[kept],
            self.worst[chosen],
            self.worst_slope[kept],
            self.best[chosen],
            self.best_slope[kept],
        )

    def _sum(self, slope: Floats, at: int | Int64s) -> Floats:
        """(n,) what the moved legs add."""
        here = float(at) if isinstance(at, int) else at[self.account].astype(np.float64)
        price = np.minimum(here * self.scale, self.ceiling)
        sums = np.bincount(self.account, slope * price, minlength=len(self.worst))
        return sums.astype(np.float64, copy=False)


def lines_of(
    terms: MarginTerms, prices: Sequence[int], driver: Driver, rows: NDArray[np.intp], margins: Margins
) -> Lines:
    """The fine lines of the accounts `rows`, in that order, and the rough ones of those that do not fit."""
    fine, fits = fine_lines(margins), margins.still.fits
    rest = np.flatnonzero(~fits)
    rough = rough_lines(terms, prices, driver, rows[rest])
    worst, best = fine.worst.copy(), fine.best.copy()
    worst[rest], best[rest] = rough.worst, rough.best
    kept = fits[fine.account]
    return Lines(
        np.concatenate((fine.account[kept], rest[rough.account])),
        np.concatenate((fine.scale[kept], rough.scale)),
        np.concatenate((fine.ceiling[kept], rough.ceiling)),
        worst,
        np.concatenate((fine.worst_slope[kept], rough.worst_slope)),
        best,
        np.concatenate((fine.best_slope[kept], rough.best_slope)),
    )


def fine_lines(margins: Margins) -> Lines:
    """The lines through exact balances; accounts that do not fit are never sure of anything."""
    scale, ceiling, slack_of = courses(margins.track.driver)
    about = margins.still.about
    is_exact = np.abs(about) < WRAPS
    still = np.where(is_exact, margins.still.wrapped, about)
    doubt = np.abs(about) * np.where(is_exact, _FEW_ROUNDINGS, _ROUNDINGS_OF_GROSS)
    worst, best = still - doubt, still + doubt
    slopes, aparts, accounts, registers = [], [], [], []
    for column, sign in ((margins.credit, 1.0), (margins.debit, -1.0)):
        weight, cut = _weight(column, sign)
        slope = column.about * weight / column.unit
        slopes.append(sign * slope)
        aparts.append(weight + cut + 2.0 * slope * slack_of[column.feed])
        accounts.append(column.account)
        registers.append(column.feed)
    account, register, slope = np.concatenate(accounts), np.concatenate(registers), np.concatenate(slopes)
    apart = np.bincount(account, np.concatenate(aparts) * _WIDENED, minlength=len(worst))
    unsure = ~margins.still.fits
    worst, best = np.where(unsure, -np.inf, worst - apart), np.where(unsure, np.inf, best + apart)
    doubt = np.abs(slope) * _FEW_ROUNDINGS
    return Lines(account, scale[register], ceiling[register], worst, slope - doubt, best, slope + doubt)


def _weight(column: Column, sign: float) -> tuple[Floats, float]:
    """(m,) what one unit of each value counts, and how many units rounding may take or add besides."""
    required = column.requirement
    if required is not None:
        return 1.0 - sign * (required.first / required.unit) * (required.second / required.unit), 2.0
    # Dividing by the weight's unit rounds off less than one.
    return column.weight / column.weight_unit, 0.0 if column.weight_unit == 1 else 1.0


def rough_lines(terms: MarginTerms, prices: Sequence[int], driver: Driver, rows: NDArray[np.intp]) -> Lines:
    """The lines of the accounts `rows`, in that order; those of `law_only` are never sure of anything."""
    legs, account = legs_of(terms, rows)
    feeds = terms.feeds[legs]
    register_of = np.full(len(prices), -1, dtype=np.intp)
    slack_of = np.zeros(len(prices))
    scale, ceiling, slack = courses(driver)
    for moved_feed, output in driver.outputs:
        register_of[moved_feed], slack_of[moved_feed] = output, slack[output]
    register = register_of[feeds]
    moves = register >= 0
    credit, debit, step = terms.credit[legs], terms.debit[legs], terms.step[legs]
    doubt = (terms.relative_error + _MORE_ROUNDINGS) * (credit + debit) + step * terms.grain[feeds]
    doubt *= _WIDENED
    per_integer = credit + debit + step * terms.grain[feeds]
    apart = (step + 2.0 * per_integer * slack_of[feeds]) * _WIDENED
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
    register = register[moves]
    return Lines(
        account[moves],
        scale[register],
        ceiling[register],
        worst,
        worst_slope[moves],
        best,
        best_slope[moves],
    )


def courses(driver: Driver) -> tuple[Floats, Floats, Floats]:
    """(R,) each register is min(driver * scale, ceiling), give or take its slack: those three."""
    scale, ceiling, slack = [1.0], [np.inf], [0.0]
    for step in driver.steps:
        if isinstance(step, Fraction):
            ratio = step.numerator / step.denominator if step.denominator else 0.0
            inner = step.over[0] if step.over else 0
            scale.append(scale[inner] * ratio)
            ceiling.append(ceiling[inner] * ratio)
            slack.append(slack[inner] * ratio + 1.0)
        elif isinstance(step, Fixed):
            scale.append(np.inf)
            ceiling.append(float(step.value))
            slack.append(0.0)
        else:
            scale.append(min(scale[k] for k in step.of))
            ceiling.append(min(ceiling[k] for k in step.of))
            slack.append(max(slack[k] for k in step.of))
    return np.array(scale), np.array(ceiling), np.array(slack)
