"""dYdX v4's rule as integer columns, for the engine's exact vectors. The law is in rules.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Amounts
from defiliq.book import Book, Requirement, ValueTerms
from defiliq.protocols.dydx_v4.market import DydxMarket, Perpetual
from defiliq.units import PPM

MOST_DIGITS = 18
"""A unit of so many digits fits a column of 64 bits."""


def values(book: Book[DydxMarket]) -> ValueTerms:
    """Longs and USDC that is owned back; shorts and USDC that is owed are owed; margins are required."""
    reserves, place = book.market.reserves, book.reserves
    legs = len(place)
    return ValueTerms(
        supplied=book.collateral,
        owed=book.debt,
        unit=_units(reserves).take(place),
        weight=np.ones(legs, dtype=np.int64),
        weight_unit=1,
        debt_weight=1,
        debt_rounds_up=False,
        law_only=beyond_columns(book),
        requirement=Requirement(
            np.array([r.initial_margin_ppm for r in reserves], dtype=np.int64).take(place),
            np.array([r.maintenance_fraction_ppm for r in reserves], dtype=np.int64).take(place),
            PPM,
        ),
    )


def beyond_columns(book: Book[DydxMarket]) -> NDArray[np.bool_]:
    """(N,) accounts of which a negative margin does not tell that they are liquidatable, or that do not fit.

    The chain liquidates nobody without a maintenance margin. One who has some at spot and a fraction on every
    position still has it wherever a margin first turns negative: a notional of 1 requires a margin of 1, so
    the last positions to be cut to 0 take nothing with them. (Where prices jump too far for that, at the
    lowest integer of a driver, the engine asks the law.) All others are for the law, and so is a scale that
    no unit of 64 bits can hold.
    """
    market, place = book.market, book.reserves
    is_odd = np.array([not _fits(reserve) for reserve in market.reserves])
    is_free = np.array(
        [
            k > 0 and r.initial_margin_ppm * r.maintenance_fraction_ppm == 0
            for k, r in enumerate(market.reserves)
        ]
    )
    count, account_of_leg = len(book), book.account_of_leg
    beyond = np.bincount(account_of_leg[(is_odd | is_free)[place]], minlength=count) > 0
    has_margin = np.bincount(account_of_leg[_has_notional(book)], minlength=count) > 0
    result: NDArray[np.bool_] = beyond | (book.debtors & ~has_margin)
    return result


def _has_notional(book: Book[DydxMarket]) -> NDArray[np.bool_]:
    """(L,) positions that are worth a quote quantum at spot. What does not fit the columns is worth more."""
    market, place = book.market, book.reserves
    # A leg is a long or a short, so the sum of both is its size.
    size = Amounts(book.collateral.high | book.debt.high, book.collateral.low | book.debt.low)
    least = np.array([_least_size(reserve, market.prices[reserve.feed]) for reserve in market.reserves])
    # A stress of all prices at once may bring one of them to 0.
    is_worth = np.array([k > 0 and market.prices[r.feed] > 0 for k, r in enumerate(market.reserves)])
    has: NDArray[np.bool_] = ((size.high != 0) | (size.low >= least.take(place))) & is_worth.take(place)
    return has


def _least_size(reserve: Perpetual, price: int) -> np.uint64:
    """The base quantums from which on a position is worth a quote quantum; the most that fit, where more."""
    return np.uint64(
        min(-(-(10**-reserve.quantum_exponent) // max(1, price)), 2**64 - 1) if _fits(reserve) else 1
    )


def _fits(reserve: Perpetual) -> bool:
    return -MOST_DIGITS <= reserve.quantum_exponent <= 0


def _units(reserves: tuple[Perpetual, ...]) -> NDArray[np.int64]:
    """Base quantums times price integers in one quote quantum; 1 where that is no whole number that fits."""
    return np.array([10**-r.quantum_exponent if _fits(r) else 1 for r in reserves], dtype=np.int64)
