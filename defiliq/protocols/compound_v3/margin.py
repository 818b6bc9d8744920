"""Compound III's rule as lines in prices, for the engine's screen. The law is in rules.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book, MarginTerms
from defiliq.protocols.compound_v3.accrual import INDEX_SCALE
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.units import WAD

_ROUNDINGS_PER_TERM = 16
"""More than a leg's term has: two in the amount, one each in factor, price and two products."""
_CREDIT_STEP = 2
"""A value loses less than 1 to its price, weighted by at most 1, and then less than 1 to its factor."""
_DEBIT_STEP = 1
"""An amount loses less than one token base unit to its index, and its value less than 1 to its price."""


def margin(book: Book[CometMarket]) -> MarginTerms:
    """Credit and debit per price integer of every leg, in base currency. Nothing is ever rounded up."""
    market = book.market
    is_base = np.array([reserve.offset is None for reserve in market.reserves])
    credit_factor = np.array([r.liquidate_factor_wad / (WAD * r.unit) for r in market.reserves]) * ~is_base
    debit_factor = (
        np.array([market.borrow_index_now / (INDEX_SCALE * r.unit) for r in market.reserves]) * is_base
    )
    feed_of = np.array([reserve.feed for reserve in market.reserves], dtype=np.intp)
    credit = book.collateral.to_float() * book.counted * credit_factor.take(book.reserves)
    debit = book.debt.to_float() * debit_factor.take(book.reserves)
    most_legs = int(np.max(np.diff(book.first_leg), initial=0))
    return MarginTerms(
        first_leg=book.first_leg,
        account_of_leg=book.account_of_leg,
        feeds=feed_of.take(book.reserves),
        credit=credit,
        credit_floor=credit,
        debit=debit,
        step=np.sign(credit) * _CREDIT_STEP + np.sign(debit) * _DEBIT_STEP,
        grain=_grain(market),
        relative_error=(most_legs + _ROUNDINGS_PER_TERM) * 2.0**-53,
        law_only=np.zeros(len(book), dtype=np.bool_),
    )


def _grain(market: CometMarket) -> NDArray[np.float64]:
    """(F,) whole tokens in one base unit, of the token with the fewest decimals that each feed prices."""
    grain = np.zeros(len(market.feeds))
    for reserve in market.reserves:
        grain[reserve.feed] = max(grain[reserve.feed], 1 / reserve.unit)
    return grain
