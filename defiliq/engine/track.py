"""The registers of a driver for many accounts at once, each with the driver at an integer of its own."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Amounts, Bools, Int64s, mul_div
from defiliq.pricing.driver import Driver
from defiliq.pricing.graph import Fixed, Fraction, Least

HIGHEST_EXACT = 2**61
"""Driver integers from here on do not fit the columns."""
MOST_DIVISOR = 2**61


class Track:
    """A driver whose prices are straight (see `pieces`), made ready for columns."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self._plain = _plain(driver)

    def prices_at(self, register: NDArray[np.intp], at: Int64s) -> tuple[Int64s, Bools]:
        """(m,) a register per row with the driver at an integer per row, and where it is exact."""
        fits: Bools = (at >= 0) & (at < HIGHEST_EXACT)
        if self._plain is not None:
            factor, divisor = self._plain
            price, is_exact = _times(at, factor[register], divisor[register], up=False)
            return price, fits & is_exact & (price < HIGHEST_EXACT)
        price = at.copy()
        for k in np.unique(register).tolist():
            rows = np.flatnonzero(register == k)
            price[rows], is_exact = self._register(k, at[rows])
            fits[rows] &= is_exact
        return price, fits & (price < HIGHEST_EXACT)

    def lowest_reaching(self, register: NDArray[np.intp], value: Int64s) -> tuple[Int64s, Bools]:
        """(m,) the lowest driver integer that brings a register to a value, and where that is exact.

        HIGHEST_EXACT where a cap keeps it below.
        """
        if self._plain is not None:
            factor, divisor = self._plain
            return _times(value, divisor[register], factor[register], up=True)
        reached, fits = np.zeros_like(value), np.ones(len(value), dtype=np.bool_)
        for k in np.unique(register).tolist():
            rows = np.flatnonzero(register == k)
            reached[rows], fits[rows] = self._lowest(k, value[rows])
        return reached, fits

    def _register(self, k: int, at: Int64s) -> tuple[Int64s, Bools]:
        """One register with the driver at many integers."""
        sure = np.ones(len(at), dtype=np.bool_)
        if k == 0:
            return at, sure
        step = self.driver.steps[k - 1]
        if isinstance(step, Fixed):
            return np.full_like(at, min(step.value, HIGHEST_EXACT)), sure
        if isinstance(step, Least):
            parts = [self._register(part, at) for part in step.of]
            least: Int64s = np.minimum.reduce([value for value, _ in parts])
            return least, np.logical_and.reduce([fits for _, fits in parts])
        value, fits = self._register(step.over[0], at)
        factor, divisor = _reduced(step)
        scaled, is_exact = _times(value, np.full_like(at, factor), np.full_like(at, divisor), up=False)
        return scaled, fits & is_exact

    def _lowest(self, k: int, wanted: Int64s) -> tuple[Int64s, Bools]:
        """The lowest driver integers that bring one register to some values."""
        fits, never = np.ones(len(wanted), dtype=np.bool_), np.zeros(len(wanted), dtype=np.bool_)
        while k:
            step = self.driver.steps[k - 1]
            if isinstance(step, Least):
                caps = {j: part for j in step.of if j and isinstance(part := self.driver.steps[j - 1], Fixed)}
                for cap in caps.values():
                    never |= fits & (wanted > cap.value)
                k = next(j for j in step.of if j not in caps)
            elif isinstance(step, Fraction):
                factor, divisor = _reduced(step)
                ups = np.full_like(wanted, divisor), np.full_like(wanted, factor)
                wanted, is_exact = _times(wanted, *ups, up=True)
                fits &= is_exact
                k = step.over[0]
            else:
                raise TypeError("a number that stands still reaches nothing")
        return np.where(never, HIGHEST_EXACT, wanted), fits | never


def _plain(driver: Driver) -> tuple[Int64s, Int64s] | None:
    """Factor and divisor per register, where every one is the driver times a constant fraction; else None."""
    factors, divisors = [1], [1]
    for step in driver.steps:
        if not isinstance(step, Fraction) or step.over != (0,) or step.under:
            return None
        factor, divisor = _reduced(step)
        factors.append(factor)
        divisors.append(divisor)
    return np.array(factors, dtype=np.int64), np.array(divisors, dtype=np.int64)


def _reduced(step: Fraction) -> tuple[int, int]:
    """Numerator and denominator in lowest terms; (0, 1), which fits nothing, where they are too large."""
    common = gcd(step.numerator, step.denominator)
    factor, divisor = step.numerator // common, step.denominator // common
    return (factor, divisor) if factor < MOST_DIVISOR and divisor < MOST_DIVISOR else (0, 1)


def _times(x: Int64s, factor: Int64s, divisor: Int64s, *, up: bool) -> tuple[Int64s, Bools]:
    """x * factor / divisor where both fit."""
    same, fits = factor == divisor, (factor > 0) & (divisor > 0)
    other = np.where(same, 0, x)
    divided = np.where(fits, divisor, 1)
    product, is_exact = mul_div(Amounts.small(other), other.astype(np.float64), factor, divided, up=up)
    return np.where(same, x, product), fits & is_exact
