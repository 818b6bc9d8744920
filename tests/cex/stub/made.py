"""Worlds to serve: a contract whose every number is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from defiliq.cex.history import EXECUTED_COLUMNS, History, Instrument, OrderBook, VenueData

FUNDING_EVERY_S = 8 * 3_600


def made_world(
    venue: str,
    symbol: str,
    *,
    until_at: int,
    candles: int,
    step_s: int = 300,
    seed: int = 7,
    price_usd: float = 60_000.0,
    expires_at: int | None = None,
) -> VenueData:
    """A random walk with few digits, so that sums and units of it are exact."""
    draw = np.random.default_rng([seed, *symbol.encode()])
    asset, settle = symbol.split("/")[0], symbol.split(":")[1].split("-")[0]
    is_inverse = settle == asset
    instrument = Instrument(venue, symbol, asset, settle, is_inverse, expires_at)
    until_at -= until_at % step_s
    at = until_at - step_s * np.arange(candles, 0, -1, dtype=np.int64)
    close = np.round(price_usd * np.exp(np.cumsum(draw.normal(0, 0.001, candles))), 1)
    opened = np.concatenate([[price_usd], close[:-1]])
    high = np.round(np.maximum(opened, close) * (1 + draw.uniform(0, 0.001, candles)), 1)
    low = np.round(np.minimum(opened, close) * (1 - draw.uniform(0, 0.001, candles)), 1)
    # Inverse contracts are of whole hundreds of dollars; coins have three digits.
    interest = 100.0 * draw.integers(3_000_000, 3_100_000, candles).astype(np.float64)
    if not is_inverse:
        interest = np.round(interest / 4_000, 2)
    is_settled = (at % FUNDING_EVERY_S == 0) & (expires_at is None)
    history = History(
        instrument=instrument,
        step_s=step_s,
        at=at,
        open_usd=np.round(opened, 1),
        high_usd=np.maximum(high, np.round(opened, 1)),
        low_usd=np.minimum(low, np.round(opened, 1)),
        close_usd=close,
        volume_usd=100.0 * draw.integers(1_000, 90_000, candles).astype(np.float64),
        open_interest=interest,
        taker_buy_share=draw.integers(20, 45, candles) / 64,
        funding_rate=np.where(is_settled, np.round(draw.normal(0.0001, 0.0001, candles), 8), 0.0),
        long_short_ratio=draw.integers(64, 256, candles) / 128,
        executed=_executed(draw, at[-200:], close[-200:], is_inverse) if venue == "okx" else None,
        fetched_at=int(until_at),
        source="made",
    )
    return VenueData(history, _book(draw, float(close[-1]), int(until_at), is_inverse))


def _executed(draw: np.random.Generator, at: np.ndarray, close: np.ndarray, is_inverse: bool) -> pd.DataFrame:
    count = min(40, len(at))
    times = np.sort(draw.choice(at, count, replace=False))
    price = np.round(close[np.searchsorted(at, times)], 1)
    contracts = draw.integers(1, 500, count).astype(float)
    size_usd = 100 * contracts if is_inverse else contracts * 0.01 * price
    columns = (times, price, draw.choice(["long", "short"], count), size_usd)
    return pd.DataFrame(dict(zip(EXECUTED_COLUMNS, columns, strict=True)))


def _book(draw: np.random.Generator, spot_usd: float, at: int, is_inverse: bool) -> OrderBook:
    steps = 0.5 * np.arange(1, 51)
    bid, ask = np.round(spot_usd - steps, 1), np.round(spot_usd + steps, 1)
    contracts = draw.integers(1, 400, (2, 50)).astype(float)
    bid_size, ask_size = (
        (100 * contracts[0], 100 * contracts[1])
        if is_inverse
        else (contracts[0] * 0.01 * bid, contracts[1] * 0.01 * ask)
    )
    return OrderBook(at, bid, bid_size, ask, ask_size)


def moved(world: VenueData, until_at: int) -> VenueData:
    """The same world as if its last candle had ended at another moment, down to a whole step."""
    history = world.history
    by_s = until_at // history.step_s * history.step_s - history.until_at
    executed = None if history.executed is None else history.executed.assign(at=history.executed["at"] + by_s)
    book = None if world.order_book is None else replace(world.order_book, at=world.order_book.at + by_s)
    return VenueData(replace(history, at=history.at + by_s, executed=executed), book)
