"""Verdicts of whole books: float64 decides the clear cases, the law the rest.

The error bound. Let u = 2**-53. A leg's term credit * price carries a handful of roundings, each of relative
size u, so its relative error is at most `MarginTerms.relative_error` less the n*u that summing n legs of one
sign can add (Higham, Accuracy and Stability of Numerical Algorithms, 4.2). Hence the float margin M satisfies

    |M - exact line| <= relative_error * (credit total + debit total)

and the protocol's integer margin lies within the sum over its legs of step * (1 + price * grain) of its
exact line, with credit no lower than its floor. If the float margin, less both, is above zero the integer
rule must say safe; if the float margin, plus both, is below zero it must say liquidatable; anything else is
unclear and goes to the law. The bound's own arithmetic errs by n and a few more u of itself, for which it is
widened by 1/1000.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from defiliq.book import MarginTerms
from defiliq.types import Rule

SAFE, UNCLEAR, LIQUIDATABLE = 1, 0, -1
_WIDENED = 1.001


def screen(terms: MarginTerms, prices: Sequence[int]) -> NDArray[np.int8]:
    """(N,) SAFE, LIQUIDATABLE, or UNCLEAR where only the law can tell.

    An account without any debit is safe whatever its collateral: the protocols divide by debt and call the
    health factor of no debt infinite.
    """
    count = len(terms.first_leg) - 1
    price = np.array([float(p) for p in prices], dtype=np.float64)
    price_of_leg = price.take(terms.feeds)

    def total_of(per_leg: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.bincount(terms.account_of_leg, weights=per_leg, minlength=count)
        return sums.astype(np.float64, copy=False)

    credit, debit = total_of(terms.credit * price_of_leg), total_of(terms.debit * price_of_leg)
    floor = credit if terms.credit_floor is terms.credit else total_of(terms.credit_floor * price_of_leg)
    steps = total_of(terms.step * (1.0 + terms.grain * price).take(terms.feeds))
    doubt = (terms.relative_error * (credit + debit) + steps) * _WIDENED
    verdicts = np.zeros(count, dtype=np.int8)
    verdicts[credit - debit < -doubt] = LIQUIDATABLE
    verdicts[(floor - debit > doubt) | (debit == 0.0)] = SAFE
    verdicts[terms.law_only] = UNCLEAR
    return verdicts


def liquidatable(
    terms: MarginTerms, prices: Sequence[int], rule_of: Callable[[int], Rule]
) -> NDArray[np.bool_]:
    """(N,) the exact verdicts: the screen's where it is sure, else the law's. `rule_of(i)` is account i's."""
    verdicts = screen(terms, prices)
    flags: NDArray[np.bool_] = verdicts == LIQUIDATABLE
    for i in np.flatnonzero(verdicts == UNCLEAR):
        flags[i] = rule_of(int(i)).liquidatable(prices)
    return flags
