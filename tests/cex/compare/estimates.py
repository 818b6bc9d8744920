"""Small estimates whose levels and dollars are known by heart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from defiliq.cex.history import Instrument
from defiliq.cex.levels import Estimate
from defiliq.model.over_time import buckets_of, price_at
from tests.model.ladders import NOW

STEP_PCT = 0.25
Dollars = float | tuple[float, float, float]


def middle(price: float, step_pct: float = STEP_PCT) -> float:
    """Where the dollars of a price's bucket stand: at most half a bucket off."""
    bucket = buckets_of(np.array([price]), step_pct)
    return float(np.sqrt(price_at(bucket, step_pct) * price_at(bucket + 1, step_pct))[0])


def estimate(
    levels: Sequence[tuple[float, Dollars]],
    venue: str = "binance",
    *,
    spot: float = 100.0,
    at: int = NOW,
    symbol: str = "ETH/USDT:USDT",
    asset: str = "ETH",
    step_pct: float = STEP_PCT,
    sides: Sequence[str] = (),
    faults: tuple[str, ...] = (),
) -> Estimate:
    """Levels of (price, dollars), or (price, (low, mid, high)); longs below spot unless `sides` says more."""
    prices = np.array([price for price, _ in levels])
    places = buckets_of(prices, step_pct) if len(levels) else np.zeros(0, np.int64)
    bucket = np.arange(places.min(), places.max() + 1) if len(levels) else places
    by_side = {side: np.zeros((3, len(bucket))) for side in ("long", "short")}
    for k, (price, dollars) in enumerate(levels):
        side = sides[k] if sides else "long" if price < spot else "short"
        band = dollars if isinstance(dollars, tuple) else (dollars,) * 3
        by_side[side][:, places[k] - bucket[0]] += band
    return Estimate(
        instrument=Instrument(venue, symbol, asset, "USDT"),
        at=at,
        spot_usd=spot,
        step_pct=step_pct,
        priors=("low", "mid", "high"),
        mid=1,
        bucket=bucket,
        long_usd=by_side["long"],
        short_usd=by_side["short"],
        long_score=by_side["long"],
        short_score=by_side["short"],
        open_interest_usd=1e9,
        coverage_long=np.ones(3),
        coverage_short=np.ones(3),
        source="by hand",
        faults=faults,
    )
