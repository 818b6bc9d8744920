"""Whether a book from a file is one that a Solo Margin contract could have made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from defiliq.book import Book
from defiliq.protocols.dydx_solo.market import VAPOR, SoloMarket, SoloReserve
from defiliq.units import WAD

MAX_UINT32: Final = 2**32 - 1
MAX_UINT96: Final = 2**96 - 1
MAX_UINT128: Final = 2**128 - 1
PRICE_DECIMALS: Final = 36
"""Of a price and the token base unit that it is for, together (IPriceOracle.ONE_DOLLAR)."""


def unsound(book: Book[Any]) -> str:
    """Why no contract could have made a book, '' where nothing speaks against it.

    The same that reading asks of Solo's answers, and that the indices which verdicts use follow from those
    that were written.
    """
    market: SoloMarket = book.market
    for reason in (*_oddities(market), *(f"{r.symbol}: {why}" for r in market.reserves for why in odd(r))):
        return reason
    if any(reserve.accrued_at > market.block.timestamp for reserve in market.reserves):
        return "indices written after the block's own time"
    now = market.as_stored() if market.stored else market.at_time(market.timestamp)
    if now != market:
        return "its indices do not follow from those that were written"
    return _misplaced(book)


def _oddities(market: SoloMarket) -> Iterator[str]:
    """What Solo cannot answer about itself."""
    if market.timestamp < market.block.timestamp:
        yield "it is judged before its own block"
    if market.earnings_rate_wad > WAD:
        yield "an earnings rate above 1"


def odd(reserve: SoloReserve) -> Iterator[str]:
    """What Solo cannot answer about one of its markets."""
    if reserve.decimals > PRICE_DECIMALS:
        yield f"{reserve.decimals} decimals leave none for its price"
    if not all(WAD <= index <= MAX_UINT96 for index in (reserve.borrow_index_wad, reserve.supply_index_wad)):
        yield f"indices of {reserve.borrow_index_wad} and {reserve.supply_index_wad}"
    if max(reserve.total_borrow_par, reserve.total_supply_par) > MAX_UINT128:
        yield "totals beyond all range"
    if not 0 < reserve.accrued_at <= MAX_UINT32:
        yield f"last updated at {reserve.accrued_at}"


def _misplaced(book: Book[Any]) -> str:
    """A par is positive or negative, never both, and a status is one of three."""
    if np.any(book.collateral.is_positive() & book.debt.is_positive()):
        return "an account that supplies and owes in the same market"
    return "a status that there is not" if np.any(book.modes > VAPOR) else ""
