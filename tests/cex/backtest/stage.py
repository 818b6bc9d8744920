"""Markets whose liquidations happen at levels that the test chose, and predictors that know or do not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from defiliq.cex.backtest import Predict
from defiliq.cex.daily import Days
from defiliq.cex.history import EXECUTED_COLUMNS, Floats, History, Instrument
from defiliq.cex.levels import Estimate
from defiliq.model.over_time import buckets_of
from defiliq.types import Side

HOUR_S, DAY_S = 3_600, 86_400
START_AT = 1_700_000_000 // DAY_S * DAY_S
STEP_PCT = 0.1
Named = Mapping[Side, Sequence[float]]
"""Prices of levels."""


def market(
    closes: Floats, *, step_s: int = HOUR_S, asset: str = "BTC", executed: pd.DataFrame | None = None
) -> History:
    """Candles from closes: each opens where the one before closed, and has no wick."""
    opened = np.concatenate([closes[:1], closes[:-1]])
    n = len(closes)
    return History(
        instrument=Instrument("binance", f"{asset}/USDT:USDT", asset, "USDT"),
        step_s=step_s,
        at=START_AT + step_s * np.arange(n, dtype=np.int64),
        open_usd=opened,
        high_usd=np.maximum(opened, closes),
        low_usd=np.minimum(opened, closes),
        close_usd=closes,
        volume_usd=np.full(n, 1e6),
        open_interest=np.full(n, 1e4),
        taker_buy_share=np.full(n, math.nan),
        funding_rate=np.full(n, math.nan),
        long_short_ratio=np.full(n, math.nan),
        executed=executed,
        fetched_at=START_AT + step_s * n,
        source="made for a test",
    )


def walk(seed: int, n: int, *, per_candle: float = 0.006, wild: bool = False) -> Floats:
    """Closes of a random walk; if `wild`, with calm and wild weeks."""
    rng = np.random.default_rng(seed)
    scale = per_candle * np.where((np.arange(n) // 168) % 2, 2.0, 0.5) if wild else per_candle
    closes: Floats = 100.0 * np.exp(np.cumsum(rng.standard_normal(n) * scale))
    return closes


def no_executions() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype="float64") for name in EXECUTED_COLUMNS})


def executions(rows: Sequence[tuple[int, float, Side, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(EXECUTED_COLUMNS))


def liquidating(closes: Floats, levels: Floats, *, asset: str = "BTC") -> History:
    """A market in which a thousand dollars are liquidated whenever the price passes one of some levels:
    longs where it falls, shorts where it rises.
    """
    bare = market(closes, asset=asset)
    rows: list[tuple[int, float, Side, float]] = []
    for i, (opened, close) in enumerate(zip(bare.open_usd, closes, strict=True)):
        side: Side = "long" if close < opened else "short"
        passed = levels[(levels > min(opened, close)) & (levels < max(opened, close))]
        rows += [(int(bare.at[i]) + 60, float(price), side, 1000.0) for price in passed]
    return market(closes, asset=asset, executed=executions(rows))


def uneven(seed: int, low: float = 20.0, high: float = 500.0, gap: float = 0.04) -> Floats:
    """Levels at uneven distances of about so much in logarithm: nobody guesses them from spot."""
    rng = np.random.default_rng(seed)
    count = int(math.log(high / low) / gap)
    found: Floats = low * np.exp(np.sort(rng.uniform(0, math.log(high / low), count)))
    return found


def saying(history: History, named: Named, *, usd: float | None = None) -> Estimate:
    """An estimate that has its dollars at some prices, the first ones more of them: a tenth of the open
    interest at each, or so many as are given.
    """
    prices = {side: np.array(named[side], dtype=np.float64) for side in ("long", "short")}
    everywhere = np.concatenate([*prices.values(), history.close_usd[-1:]])
    buckets = buckets_of(everywhere, STEP_PCT)
    first, count = int(buckets.min()), int(buckets.max() - buckets.min()) + 1
    spot = float(history.close_usd[-1])
    size = 0.1 * float(history.open_interest[-1]) * spot if usd is None else usd
    held = {}
    for side, at in prices.items():
        weight = size * np.linspace(2.0, 1.0, len(at))
        held[side] = np.bincount(buckets_of(at, STEP_PCT) - first, weight, count)[None].astype(np.float64)
    return Estimate(
        instrument=history.instrument,
        at=history.until_at,
        spot_usd=spot,
        step_pct=STEP_PCT,
        priors=("said",),
        mid=0,
        bucket=first + np.arange(count, dtype=np.int64),
        long_usd=held["long"],
        short_usd=held["short"],
        long_score=held["long"],
        short_score=held["short"],
        open_interest_usd=float(history.open_interest[-1]) * spot,
        coverage_long=np.ones(1),
        coverage_short=np.ones(1),
        source=history.source,
    )


def naming(prices: Callable[[History], Named]) -> Predict:
    """A predictor that names what a function of the known history gives."""
    return lambda history: saying(history, prices(history))


def at_distances(long: Sequence[float], short: Sequence[float], spot: float) -> Named:
    """Prices at some logarithmic distances from spot."""
    return {
        "long": [spot * math.exp(-away) for away in long],
        "short": [spot * math.exp(away) for away in short],
    }


def always(*distances: float) -> Predict:
    """A predictor without any insight: the same distances at all times."""
    return naming(lambda known: at_distances(distances, distances, float(known.close_usd[-1])))


def guessing(seed: int, k: int = 3, most: float = 0.06) -> Predict:
    """A predictor that draws its distances anew each time."""
    rng = np.random.default_rng(seed)

    def prices(known: History) -> Named:
        drawn = rng.uniform(0.002, most, (2, k))
        return at_distances(drawn[0].tolist(), drawn[1].tolist(), float(known.close_usd[-1]))

    return naming(prices)


def knowing(levels: Floats, k: int = 3) -> Predict:
    """A predictor that knows the levels, and names the nearest of each side."""

    def prices(known: History) -> Named:
        spot = float(known.close_usd[-1])
        below, above = levels[levels < spot], levels[levels > spot]
        return {"long": below[::-1][:k].tolist(), "short": above[:k].tolist()}

    return naming(prices)


def days_through(closes: Floats, shares: Callable[[int, Side, float], float], asset: str = "BTC") -> Days:
    """Days on which liquidated coins are what `shares(day, side, distance)` says of 10,000, for the distance
    that the price went towards the side's losses.
    """
    bare = market(closes, step_s=DAY_S, asset=asset)
    change = np.diff(np.log(closes), prepend=math.log(closes[0]))
    sums: dict[Side, Floats] = {}
    for side, sign in (("long", -1.0), ("short", 1.0)):
        moved = np.maximum(sign * change, 0.0)
        said = [shares(day, side, float(away)) for day, away in enumerate(moved)]  # type: ignore[arg-type]
        sums[side] = 1e4 * np.array(said)  # type: ignore[index]
    return Days(bare, sums["long"], sums["short"])
