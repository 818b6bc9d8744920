"""Solo Margin's rule as lines in prices, for the engine's screen. The law is in rules.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book, MarginTerms, ValueTerms
from defiliq.protocols.dydx_solo.market import LIQUID, SoloMarket, SoloReserve
from defiliq.units import WAD

_ROUNDINGS_PER_TERM = 16
"""More than a leg's term has: two in the amount, three at most in each factor, one in each product."""
_CREDIT_STEP = 1.0
"""A supply loses less than one token base unit, worth its price, to its index, and less than 1 to its
premium."""


def margin(book: Book[SoloMarket]) -> MarginTerms:
    """Credit and debit per price integer of every leg, in base currency.

    A debt gains less than one token base unit to its index. Its value loses less than 1 to its premium, and
    with the margin required for it so much times 1 + margin ratio; the required margin itself loses less than
    1 more for the account. So the step of a debt is 1 above the factor that a base unit of it counts. A token
    base unit is worth its price: prices here are not those of whole tokens. Whoever is Liquid is for the law.
    """
    market = book.market
    reserves = book.reserves.astype(np.intp)
    ratio = 1 + market.margin_ratio_wad / WAD
    weight = _per_reserve(market, lambda reserve: 1 + reserve.margin_premium_wad / WAD)[reserves]
    supply_index = _per_reserve(market, lambda reserve: reserve.supply_index_now_wad / WAD)[reserves]
    borrow_index = _per_reserve(market, lambda reserve: reserve.borrow_index_now_wad / WAD)[reserves]
    credit = book.collateral.to_float() * supply_index / weight
    debit = book.debt.to_float() * borrow_index * weight * ratio
    feed_of = np.array([reserve.feed for reserve in market.reserves], dtype=np.intp)
    most_legs = int(np.max(np.diff(book.first_leg), initial=0))
    return MarginTerms(
        first_leg=book.first_leg,
        account_of_leg=book.account_of_leg,
        feeds=feed_of[reserves],
        credit=credit,
        credit_floor=credit,
        debit=debit,
        step=np.sign(credit) * _CREDIT_STEP + np.sign(debit) * (1 + weight * ratio),
        grain=np.ones(len(market.feeds)),
        relative_error=(most_legs + _ROUNDINGS_PER_TERM) * 2.0**-53,
        law_only=book.modes == LIQUID,
    )


def values(book: Book[SoloMarket]) -> ValueTerms | None:
    """None: premiums divide and multiply values of 36 decimals, which no sum of 64-bit values describes."""
    return None


def _per_reserve(market: SoloMarket, number: Callable[[SoloReserve], float]) -> NDArray[np.float64]:
    return np.array([number(reserve) for reserve in market.reserves], dtype=np.float64)
