"""Resting orders of a venue's answer, in dollars and checked."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np

from defiliq.cex.history import Floats, OrderBook
from defiliq.cex.venues.contracts import Contract
from defiliq.cex.venues.grid import LARGEST_AMOUNT, LARGEST_PRICE_USD
from defiliq.cex.venues.rows import LARGEST_MS, table
from defiliq.errors import BadVenueAnswer

Json: TypeAlias = Any


def book_of(
    contract: Contract, size: Decimal, at_ms: Json, bids: Sequence[Json], asks: Sequence[Json]
) -> OrderBook:
    """Orders of (price, amount, …) as a book, best first; an amount times `size` is coins, or dollars.

    BadVenueAnswer where a number is not positive, or the best bid is at or above the best ask.
    """
    venue = contract.instrument.venue
    bid_usd, bid_size_usd = _side(contract, size, bids)
    ask_usd, ask_size_usd = _side(contract, size, asks)
    best_first, cheapest_first = np.argsort(-bid_usd, kind="stable"), np.argsort(ask_usd, kind="stable")
    if len(bid_usd) and len(ask_usd) and bid_usd.max() >= ask_usd.min():
        raise BadVenueAnswer(venue, "an order book whose best bid is not below its best ask")
    stamp = str(at_ms)
    if not stamp.isdecimal() or len(stamp) > len(str(LARGEST_MS)) or int(stamp) > LARGEST_MS:
        raise BadVenueAnswer(venue, "an order book without a time")
    return OrderBook(
        at=int(stamp) // 1000,
        bid_usd=bid_usd[best_first],
        bid_size_usd=bid_size_usd[best_first],
        ask_usd=ask_usd[cheapest_first],
        ask_size_usd=ask_size_usd[cheapest_first],
    )


def _side(contract: Contract, size: Decimal, orders: Sequence[Json]) -> tuple[Floats, Floats]:
    venue = contract.instrument.venue
    numbers = table(venue, "order book", orders, (0, 1))
    price, amount = numbers[:, 0], numbers[:, 1]
    if (numbers <= 0).any():
        raise BadVenueAnswer(venue, "an order book with a price or a size that is not positive")
    with np.errstate(over="ignore"):
        counted = amount * float(size)
        size_usd: Floats = counted if contract.is_inverse else counted * price
    if (price > LARGEST_PRICE_USD).any() or (size_usd > LARGEST_AMOUNT).any():
        raise BadVenueAnswer(venue, "an order book with a price or a size that is none")
    return price, size_usd
