"""Histories by hand: what is not said stands still."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from defiliq.cex.history import EXECUTED_COLUMNS, Floats, History, Instrument, OrderBook, VenueData

START = 1_764_000_000 - 1_764_000_000 % 86_400
HOUR, DAY = 3_600, 86_400
Column = float | Sequence[float] | Floats


def history(
    candles: int = 24 * 8,
    step_s: int = HOUR,
    *,
    open_interest: Column = 1_000.0,
    price: Column = 100.0,
    funding: Column = 0.0,
    executed: Sequence[tuple[int, float]] | None = (),
    venue: str = "binance",
    is_inverse: bool = False,
    start: int = START,
    faults: tuple[str, ...] = (),
) -> History:
    """Eight days by the hour, unless told otherwise; `executed` are seconds before the end and dollars."""

    def column(given: Column) -> Floats:
        return np.broadcast_to(np.asarray(given, dtype=np.float64), (candles,)).copy()

    at = start + step_s * np.arange(candles, dtype=np.int64)
    close, end = column(price), start + step_s * candles
    rows = [(end - before, 100.0, "long", usd) for before, usd in executed or ()]
    return History(
        instrument=Instrument(venue, "ETH/USDT:USDT", "ETH", "ETH" if is_inverse else "USDT", is_inverse),
        step_s=step_s,
        at=at,
        open_usd=close,
        high_usd=close,
        low_usd=close,
        close_usd=close,
        volume_usd=column(1e6),
        open_interest=column(open_interest),
        taker_buy_share=column(0.5),
        funding_rate=column(funding),
        long_short_ratio=column(1.0),
        executed=None if executed is None else pd.DataFrame(rows, columns=list(EXECUTED_COLUMNS)),
        fetched_at=end,
        source="by hand",
        faults=faults,
    )


def ending(*last: float, before: float, candles: int = 24 * 8) -> Floats:
    """A column that stands at `before` until its last values."""
    column = np.full(candles, before, dtype=np.float64)
    column[candles - len(last) :] = last
    return column


def settled(*last: float, candles: int = 24 * 8) -> Floats:
    """Funding by the hour: rates settled every eight hours, the last ones as given, all others 0."""
    column = np.zeros(candles)
    for back, rate in enumerate(reversed(last)):
        column[candles - 1 - 8 * back] = rate
    return column


def book(bids: Sequence[tuple[float, float]], asks: Sequence[tuple[float, float]], at: int = 0) -> OrderBook:
    """Prices and their dollars, best first."""
    bid, ask = (np.array(side, dtype=np.float64).reshape(-1, 2) for side in (bids, asks))
    return OrderBook(at, bid[:, 0].copy(), bid[:, 1].copy(), ask[:, 0].copy(), ask[:, 1].copy())


def data(one: History, orders: OrderBook | None = None) -> VenueData:
    """A history with the orders that rest at its end."""
    if orders is not None and orders.at == 0:
        orders = OrderBook(
            one.until_at, orders.bid_usd, orders.bid_size_usd, orders.ask_usd, orders.ask_size_usd
        )
    return VenueData(one, orders)
