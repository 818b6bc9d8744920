"""Whether a book from a file is one that a Comet could have made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from defiliq.book import Book
from defiliq.protocols.compound_v3.decode import MAX_UINT64, MAX_UINT104
from defiliq.protocols.compound_v3.market import CometMarket, CometReserve
from defiliq.units import WAD

MOST_DECIMALS = 18
"""A Comet keeps the scale of each asset in 64 bits."""


def unsound(book: Book[Any]) -> str:
    """Why no contract could have made a book, '' where nothing speaks against it.

    The same that reading asks of a Comet's answers, and that the indices which verdicts use follow from those
    that were written.
    """
    market: CometMarket = book.market
    for reason in (*_oddities(market), *(f"{r.symbol}: {why}" for r in market.reserves for why in _odd(r))):
        return reason
    now = market.as_stored() if market.stored else market.at_time(market.timestamp)
    if now != market:
        return "its indices do not follow from those that were written"
    return _misplaced(book)


def _oddities(market: CometMarket) -> Iterator[str]:
    """What a Comet cannot answer."""
    if [reserve.offset is None for reserve in market.reserves] != [True] + [False] * (
        len(market.reserves) - 1
    ):
        yield "its first reserve, and no other, is the base asset"
    if market.timestamp < market.block.timestamp:
        yield "it is judged before its own block"
    if market.accrued_at > market.block.timestamp:
        yield f"accrued at {market.accrued_at}, after the block's own {market.block.timestamp}"
    if not all(0 < index <= MAX_UINT64 for index in (market.supply_index, market.borrow_index)):
        yield f"indices of {market.supply_index} and {market.borrow_index}"
    if max(market.total_supply, market.total_borrow) > MAX_UINT104:
        yield "totals beyond all range"
    for curve in (market.supply_rates, market.borrow_rates):
        if max(curve.kink_wad, curve.slope_low_wad, curve.slope_high_wad, curve.base_wad) > MAX_UINT64:
            yield "rates beyond all range"
    if market.store_front_factor_wad > WAD:
        yield "a store front factor above 1"


def _odd(reserve: CometReserve) -> Iterator[str]:
    """What getAssetInfo cannot answer."""
    if reserve.decimals > MOST_DECIMALS:
        yield f"{reserve.decimals} decimals"
    factors = reserve.borrow_factor_wad, reserve.liquidate_factor_wad, reserve.liquidation_factor_wad
    if max(factors) > WAD:
        yield "a factor above 1"


def _misplaced(book: Book[Any]) -> str:
    """Only the base asset is ever owed."""
    owed = (book.debt.high | book.debt.low) != 0
    return "a debt in a collateral" if np.any(owed & (book.reserves != 0)) else ""
