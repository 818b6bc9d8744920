"""What a venue publishes of one contract, as columns: candles, open interest, and who traded how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]

EXECUTED_COLUMNS = ("at", "price_usd", "side", "size_usd")
"""Liquidations that a venue executed; `side` is whose position it was: long or short."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One futures contract of one venue."""

    venue: str
    """binance, bybit, okx, hyperliquid, dydx"""
    symbol: str
    """ccxt's unified symbol: BTC/USDT:USDT, BTC/USDT:USDT-261225, BTC/USD:BTC."""
    asset: str
    """BTC"""
    settle: str
    """What margin and profit are paid in: USDT, USDC, or the asset itself (inverse)."""
    is_inverse: bool = False
    """Contracts of fixed dollars settled in the asset. Else of fixed coins, settled in dollars (linear)."""
    expires_at: int | None = None
    """None for a perpetual."""


@dataclass(frozen=True, slots=True)
class History:
    """One contract over time, one row per candle of `step_s` seconds, on a grid without gaps or duplicates.

    What was not published is NaN, never 0. All columns are (t,).
    """

    instrument: Instrument
    step_s: int
    at: Int64s
    """Unix seconds at which each candle opens, rising by `step_s`."""
    open_usd: Floats
    high_usd: Floats
    low_usd: Floats
    close_usd: Floats
    volume_usd: Floats
    open_interest: Floats
    """At the end of the candle, of one side (longs = shorts), in what contracts are counted in: coins of the
    asset for linear contracts, dollars for inverse ones. Dollars of a linear contract would change with the
    price while nobody trades."""
    taker_buy_share: Floats
    """Of the volume, what was bought by takers: 0 to 1."""
    funding_rate: Floats
    """The rate settled within the candle, 0 where none was; positive when longs pay."""
    long_short_ratio: Floats
    """Accounts that are long over accounts that are short."""
    executed: pd.DataFrame | None
    """EXECUTED_COLUMNS, by time; None where the venue publishes none."""
    fetched_at: int
    source: str
    """Where it is from, in words: `binance through ccxt 4.5.90`, `bundled sample, simulated`."""
    faults: tuple[str, ...] = ()
    """What is missing or was mended, one sentence each; each makes a result incomplete."""

    def __len__(self) -> int:
        return len(self.at)

    @property
    def open_interest_usd(self) -> Floats:
        """Open interest in dollars at the candle's close."""
        return self.open_interest if self.instrument.is_inverse else self.open_interest * self.close_usd

    @property
    def until_at(self) -> int:
        """When the last candle ends."""
        return int(self.at[-1]) + self.step_s


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Resting orders at one moment, best first: prices (n,) and their sizes in dollars (n,)."""

    at: int
    bid_usd: Floats
    bid_size_usd: Floats
    ask_usd: Floats
    ask_size_usd: Floats


@dataclass(frozen=True, slots=True)
class VenueData:
    """All that was got of one contract at one time."""

    history: History
    order_book: OrderBook | None
    """None where it was not published, or not asked for."""
