"""Compound v2's rule as lines in prices, for the engine's screen. The law is in rules.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book, MarginTerms, ValueTerms
from defiliq.protocols.compound_v2.legs import weight_wad
from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.units import WAD

_ROUNDINGS_PER_TERM = 16
"""More than a leg's term has: two in each of two amounts, one each in all else."""


def margin(book: Book[CompoundMarket]) -> MarginTerms:
    """Credit and debit per price integer of every leg, in base currency.

    A collateral is rounded twice after its factor met the exchange rate, which is done exactly here: what a
    wad of cTokens backs by at most one base unit, hence by cTokens / 1e18 for the leg, and its value by less
    than one more. A debt is cut by less than one token base unit, which is worth price / 1e18, and its value
    by less than one base unit. A side that is zero rounds to zero. Who owes in a deprecated market is for the
    law.
    """
    market, account_of_leg = book.market, book.account_of_leg
    reserves = book.reserves.astype(np.intp)
    weights = [weight_wad(reserve, market.product_rounding) for reserve in market.reserves]
    tokens = book.collateral.to_float() * book.counted
    credit = tokens * _ratios(weights, WAD * WAD).take(reserves)
    owed = _owed(book, reserves)
    debit = owed * book.counted * _ratios([1], WAD)
    is_deprecated = np.array([reserve.is_deprecated for reserve in market.reserves], dtype=np.bool_)
    law_only = np.zeros(len(book), dtype=np.bool_)
    law_only[account_of_leg[book.debt.is_positive() & is_deprecated.take(reserves)]] = True
    feed_of = np.array([reserve.feed for reserve in market.reserves], dtype=np.intp)
    most_legs = int(np.max(np.diff(book.first_leg), initial=0))
    return MarginTerms(
        first_leg=book.first_leg,
        account_of_leg=account_of_leg,
        feeds=feed_of.take(reserves),
        credit=credit,
        credit_floor=credit,
        debit=debit,
        step=np.sign(credit) * (1.0 + tokens * _ratios([1], WAD)) + np.sign(debit),
        grain=np.full(len(market.feeds), 1 / WAD),
        relative_error=(most_legs + _ROUNDINGS_PER_TERM) * 2.0**-53,
        law_only=law_only,
    )


def values(book: Book[CompoundMarket]) -> ValueTerms | None:
    """None: a value is rounded by its price and again by its cTokens, which no such sum describes."""
    return None


def _owed(book: Book[CompoundMarket], reserves: NDArray[np.intp]) -> NDArray[np.float64]:
    """(L,) principal * index / its own index, which is a leg's debt before it is cut."""
    owed = np.zeros(book.legs)
    rows = np.flatnonzero(book.debt.is_positive())
    if book.debt_index is None or not len(rows):
        return owed
    index_now = _ratios([reserve.borrow_index_now_wad for reserve in book.market.reserves], 1)
    growth = index_now.take(reserves[rows]) / book.debt_index.take(rows).to_float()
    owed[rows] = book.debt.take(rows).to_float() * growth
    return owed


def _ratios(numerators: Sequence[int], denominator: int) -> NDArray[np.float64]:
    """The doubles nearest to ratios of integers."""
    return np.array([numerator / denominator for numerator in numerators])
