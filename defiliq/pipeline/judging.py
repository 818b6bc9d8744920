"""What a watch asks of each block, in time for the next: verdicts of all accounts, and levels near spot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book, MarginTerms
from defiliq.oracle.drivers import drivers, input_drivers
from defiliq.pipeline.judge import liquidatable
from defiliq.pipeline.solving import solve_book
from defiliq.pipeline.valuing import gas_usd
from defiliq.pricing.driver import Driver, Stretch
from defiliq.protocols import PROTOCOLS
from defiliq.types import Head, Level, Market
from defiliq.watch.judge import Judge, Valuer
from defiliq.watch.rejudge import is_within

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_WIDENED = 2.0
"""How much wider than the screen's the doubt is taken: the bound here has a few more roundings."""


def judge_of(
    valuer: Callable[[Head, Market], Valuer],
    gas_usd: Callable[[int, Market], float | None] = gas_usd,
) -> Judge:
    """Verdicts and levels by the protocols' own law, and values by whoever knows costs."""
    return Judge(liquidatable=liquidatable, near=near, valuer=valuer, gas_usd=gas_usd)


def near(book: Book[Any], pct: float, names: Sequence[str] | None) -> list[Level]:
    """The exact levels within `pct` percent of spot of accounts that are not liquidatable.

    Along the drivers of some names, or along every oracle input; infinity asks for all levels. Where rounding
    alone decides an account has none, as in a ladder.
    """
    market = book.market
    known = input_drivers(market) if names is None else drivers(market)
    chosen = [driver for driver in known if names is None or driver.name in names]
    if not chosen or not len(book):
        return []
    asked = Band(book, pct)
    may_break = [asked.may_break(driver) for driver in chosen]
    rows = np.flatnonzero(np.any(may_break, axis=0))
    some = book.pick(rows)
    safe = ~liquidatable(some)
    found: list[Level] = []
    for driver, mask in zip(chosen, may_break, strict=True):
        wanted = np.flatnonzero(mask[rows] & safe).tolist()
        if wanted:
            levels = solve_book(some, [driver], rows=wanted).levels
            found += asked.kept(levels, rows)
    return found


class Band:
    """A book, and how far from spot anyone looks."""

    def __init__(self, book: Book[Any], pct: float) -> None:
        self._book, self._market = book, book.market
        self._pct = None if math.isinf(pct) else Fraction(str(pct))
        self._debtors = book.debtors
        if self._pct is not None:
            self._terms: MarginTerms = PROTOCOLS[book.market.protocol].margin(book)
            self._price = np.array([float(price) for price in book.market.prices])
            self._slope, constant = _worst(self._terms)
            here = constant + self._slope * self._price.take(self._terms.feeds)
            self._here = self._sum(here, slice(None))

    def may_break(self, driver: Driver) -> Bools:
        """(N,) accounts that are not proved to be safe all through the band of a driver."""
        if self._pct is None:
            return self._debtors
        low, high = self._ends(driver, self._pct)
        moved = np.zeros(len(self._price), dtype=np.bool_)
        moved[list(driver.feeds)] = True
        legs = np.flatnonzero(moved.take(self._terms.feeds))
        safe = self._here > 0
        for end in (low, high):
            stretch = driver.stretch(self._market.prices, driver.spot, end)
            safe &= self._lowest_along(stretch, legs) > 0
        touched = np.zeros(len(self._book), dtype=np.bool_)
        touched[self._terms.account_of_leg.take(legs)] = True
        if driver.feeds - {reserve.feed for reserve in self._market.reserves}:
            touched |= self._book.modes != 0  # prices of no reserve may stand in for one
        return touched & self._debtors & (~safe | self._terms.law_only)

    def kept(self, levels: Sequence[Level], rows: NDArray[np.intp]) -> Iterator[Level]:
        """The levels within the band, of accounts numbered as in the book."""
        for level in levels:
            if level.outcome == "price" and (self._pct is None or is_within(level, self._pct)):
                yield level._replace(account=rows.item(level.account))

    @staticmethod
    def _ends(driver: Driver, pct: Fraction) -> tuple[int, int]:
        """The lowest and the highest integer within the band."""
        way = math.floor(driver.spot * pct / 100)
        return max(driver.lowest, driver.spot - way), min(driver.highest, driver.spot + way)

    def _lowest_along(self, stretch: Stretch, legs: NDArray[np.intp]) -> Floats:
        """(N,) below every margin that rounding allows on a stretch: the ends, less what prices bend between.

        The bound is a line in the prices. So where it is above 0 at spot, too, it is above 0 in between.
        """
        far = np.array([float(price) for price in stretch.end]) - self._price
        bend = np.array([float(bend) for bend in stretch.bend])
        slope, feeds = self._slope.take(legs), self._terms.feeds.take(legs)
        gained = self._sum(slope * far.take(feeds), legs)
        bent = self._sum(np.abs(slope) * bend.take(feeds), legs)
        return np.minimum(self._here, self._here + gained) - bent

    def _sum(self, per_leg: Floats, legs: NDArray[np.intp] | slice) -> Floats:
        sums = np.bincount(self._terms.account_of_leg[legs], per_leg, minlength=len(self._book))
        return sums.astype(np.float64, copy=False)


def _worst(terms: MarginTerms) -> tuple[Floats, Floats]:
    """(L,) slope and constant of each leg's lowest margin, as a line in its price: see `engine.screen`."""
    gross = terms.credit + terms.debit
    grain = terms.grain.take(terms.feeds)
    doubt = _WIDENED * (terms.relative_error * gross + terms.step * grain)
    return terms.credit_floor - terms.debit - doubt, -_WIDENED * terms.step
