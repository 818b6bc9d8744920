"""Whether a book from a file is one that a Comptroller and its cTokens could have made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from defiliq.book import Book
from defiliq.errors import NoLaterTime
from defiliq.protocols.compound_v2.decode import MAX_MANTISSA, PRICE_DECIMALS
from defiliq.protocols.compound_v2.market import CompoundMarket, CTokenReserve
from defiliq.units import WAD


def unsound(book: Book[Any]) -> str:
    """Why no contract could have made a book, '' where nothing speaks against it.

    The same that reading asks of a cToken's answers, and that the indices which verdicts use follow from
    those that were written.
    """
    market: CompoundMarket = book.market
    if not 0 < market.pace_seconds <= MAX_MANTISSA or not 0 < market.pace_blocks <= MAX_MANTISSA:
        return f"{market.pace_blocks} blocks in {market.pace_seconds} seconds are no pace"
    if market.timestamp < market.block.timestamp:
        return "it is judged before its own block"
    if max(market.close_factor_wad, market.liquidation_incentive_wad) > MAX_MANTISSA:
        return "the close factor or the incentive is beyond all range"
    tick = market.tick_at(market.block.timestamp)
    for reserve in market.reserves:
        for reason in _oddities(reserve, tick):
            return f"{reserve.c_symbol}: {reason}"
    try:
        follows = market == (market.as_stored() if market.stored else market.as_accrued())
    except NoLaterTime as error:
        return f"it is judged after its block, where {error.symbol} accrues in its own way"
    if not follows:
        return "its indices do not follow from those that were written"
    return _unsettled(book)


def _oddities(reserve: CTokenReserve, tick: int) -> Iterator[str]:
    """What a cToken cannot answer."""
    numbers = (
        *(reserve.cash, reserve.total_borrows, reserve.total_reserves, reserve.total_supply),
        *(reserve.borrow_index_wad, reserve.borrow_rate_wad, reserve.initial_exchange_rate_wad),
        *(reserve.borrow_index_at_block_wad, reserve.exchange_rate_at_block_wad),
    )
    if max(numbers) > MAX_MANTISSA:
        yield "a number beyond all range"
    if reserve.decimals > PRICE_DECIMALS:
        yield f"{reserve.decimals} decimals leave none for its price"
    if max(reserve.collateral_factor_wad, reserve.reserve_factor_wad, reserve.seize_share_wad) > WAD:
        yield "a factor above 1"
    if reserve.accrued_at > tick:
        yield f"accrued at {reserve.accrued_at}, after the block's own {tick}"
    if reserve.total_supply == 0 and reserve.initial_exchange_rate_wad == 0:
        yield "an exchange rate of 0"
    if reserve.borrow_index_wad == 0 or reserve.borrow_index_now_wad == 0:
        yield "a borrow index of 0"
    if reserve.exchange_rate_now_wad <= 0:
        yield f"an exchange rate of {reserve.exchange_rate_now_wad}"


def _unsettled(book: Book[Any]) -> str:
    """Debts must say at which index they were settled: it is what they grow from."""
    owed = (book.debt.high | book.debt.low) != 0
    if not np.any(owed):
        return ""
    if book.debt_index is None or np.any(owed & ((book.debt_index.high | book.debt_index.low) == 0)):
        return "a debt without the index at which it was settled"
    return ""
