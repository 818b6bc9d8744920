"""Histories made up for the estimator's tests, and distances by the simplest rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from defiliq.cex.history import Floats, History, Instrument
from defiliq.cex.openings import Factors
from defiliq.cex.priors import Prior

BTC = Instrument("binance", "BTC/USDT:USDT", "BTC", "USDT")
BTC_INVERSE = Instrument("binance", "BTC/USD:BTC", "BTC", "BTC", is_inverse=True)
STEP_S = 300
START_AT = 1_700_000_100


def history_of(
    candles: Sequence[tuple[float, float, float, float]],
    open_interest: Sequence[float],
    *,
    instrument: Instrument = BTC,
    volume_usd: Sequence[float] | None = None,
    taker_buy_share: Sequence[float] | None = None,
) -> History:
    """Candles are (open, high, low, close)."""
    count = len(candles)
    columns = np.array(candles, dtype=np.float64).T
    unknown = np.full(count, np.nan)
    return History(
        instrument=instrument,
        step_s=STEP_S,
        at=START_AT + STEP_S * np.arange(count, dtype=np.int64),
        open_usd=columns[0],
        high_usd=columns[1],
        low_usd=columns[2],
        close_usd=columns[3],
        volume_usd=np.zeros(count) if volume_usd is None else np.array(volume_usd, dtype=np.float64),
        open_interest=np.array(open_interest, dtype=np.float64),
        taker_buy_share=unknown if taker_buy_share is None else np.array(taker_buy_share),
        funding_rate=unknown,
        long_short_ratio=unknown,
        executed=None,
        fetched_at=START_AT + STEP_S * count,
        source="made up",
    )


def drawn_history(
    seed: int, count: int, *, wild: float = 0.004, gaps: float = 0.0, is_inverse: bool = False
) -> History:
    """A random walk with wicks; of its candles, a share of `gaps` lacks prices, and as many open interest."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, wild, count)))
    start = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(start, close) * np.exp(np.abs(rng.normal(0, wild, count)))
    low = np.minimum(start, close) * np.exp(-np.abs(rng.normal(0, wild, count)))
    interest = 1000 * np.exp(np.cumsum(rng.normal(0, 0.02, count)))
    interest[rng.random(count) < gaps] = np.nan
    prices = np.stack([start, high, low, close], axis=1)
    prices[rng.random(count) < gaps] = np.nan
    return history_of(
        [(p[0], p[1], p[2], p[3]) for p in prices.tolist()],
        interest.tolist(),
        instrument=BTC_INVERSE if is_inverse else BTC,
        volume_usd=rng.uniform(0, 40_000, count).tolist(),
        taker_buy_share=np.where(rng.random(count) < gaps, np.nan, rng.uniform(0.3, 0.7, count)).tolist(),
    )


def head(history: History, count: int) -> History:
    """Its first candles alone."""
    columns = (
        *("at", "open_usd", "high_usd", "low_usd", "close_usd", "volume_usd", "open_interest"),
        *("taker_buy_share", "funding_rate", "long_short_ratio"),
    )
    return replace(history, **{name: getattr(history, name)[:count] for name in columns})


def times_price(history: History, factor: float) -> History:
    """The same market with every price multiplied, and the same contracts traded."""
    columns = ("open_usd", "high_usd", "low_usd", "close_usd", "volume_usd")
    return replace(history, **{name: getattr(history, name) * factor for name in columns})


def simple(prior: Prior, maintenance_rate: float = 0.004) -> Factors:
    """1 -+ 1/leverage +- rate."""
    margin: Floats = 1 / np.array(prior.leverages)
    return Factors(prior.leverages, 1 - margin + maintenance_rate, 1 + margin - maintenance_rate)
