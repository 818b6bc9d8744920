"""How public heatmap projects estimate, written anew for comparison only. Nothing else here uses it.

`one_sided` is what gptprojectmanager/liquidations (time-evolving heatmap) does, and model 2 of
taihey5555/btc-liquidation-heatmap-dashboard: what opens is a long where the candle rose and a short where it
fell, all of it at the close. `at_spot` is what the-4rch1t3ct/perp-strategies does, and model 1 of the latter:
all open interest as if it were opened now, divided between the sides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defiliq.cex.history import Floats, History
from defiliq.cex.levels import Estimate
from defiliq.cex.priors import Prior
from defiliq.errors import InputError
from defiliq.model.over_time import buckets_of, price_at

MAINTENANCE_RATE = 0.004


def one_sided(
    history: History, prior: Prior, *, step_pct: float = 0.1, has_consumption: bool = True
) -> Estimate:
    """One side per candle, entries at the close, entry * (1 -+ 1/leverage +- rate), all sizes alike.

    What open interest loses is taken from all levels in proportion, and from the open interest that was there
    before the first candle: without that, which those projects leave out, a falling open interest empties the
    picture. Nothing replaces what is traded through. Without consumption levels stay although the price went
    through them, as in the simplest projects.
    """
    weights, longs, shorts = np.array(prior.weights), _near(prior, "long"), _near(prior, "short")
    prices, coins, are_long = np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.bool_)
    interest, closes = _carried(history.open_interest), _carried(history.close_usd)
    unplaced = float(interest[0])
    for row, change in enumerate(np.diff(interest, prepend=interest[0])):
        low, high, close = history.low_usd[row], history.high_usd[row], closes[row]
        if has_consumption:
            # Nothing dies in a candle whose low or high is not known.
            stays = ~np.where(are_long, prices >= low, prices <= high)
            prices, coins, are_long = prices[stays], coins[stays], are_long[stays]
        if change > 0:
            is_long = bool(close >= history.open_usd[row])
            prices = np.append(prices, close * (longs if is_long else shorts))
            coins = np.append(coins, change * weights)
            are_long = np.append(are_long, np.full(len(weights), is_long))
        elif change < 0:
            whole = unplaced + float(coins.sum())
            left = max(1.0 + change / whole, 0.0) if whole > 0 else 0.0
            coins, unplaced = coins * left, unplaced * left
    return _binned(history, prior, (prices, coins, are_long), step_pct)


def at_spot(history: History, prior: Prior, *, step_pct: float = 0.1) -> Estimate:
    """All open interest at the last close, divided as accounts are long and short; evenly where that is not
    known. Both sides together are twice the open interest, as longs and shorts are.
    """
    weights, close = np.array(prior.weights), _carried(history.close_usd)[-1]
    prices = close * np.concatenate((_near(prior, "long"), _near(prior, "short")))
    ratio = history.long_short_ratio[-1]
    long_share = 0.5 if np.isnan(ratio) else ratio / (1.0 + ratio)
    coins = _carried(history.open_interest)[-1] * np.concatenate(
        (2 * long_share * weights, 2 * (1 - long_share) * weights)
    )
    are_long = np.arange(len(prices)) < len(weights)
    return _binned(history, prior, (prices, coins, are_long), step_pct)


def _carried(column: Floats) -> Floats:
    """What is not known stands still, and before the first known value at that: such candles open nothing."""
    known = np.flatnonzero(~np.isnan(column))
    if not len(known):
        raise InputError("what is never known of a contract cannot be estimated from.")
    filled: Floats = column[known[np.maximum(np.searchsorted(known, np.arange(len(column)), "right") - 1, 0)]]
    return filled


def _near(prior: Prior, side: str) -> Floats:
    """Level over entry by the simple formula."""
    sign = 1.0 if side == "long" else -1.0
    return 1.0 - sign * (1.0 / np.array(prior.leverages) - MAINTENANCE_RATE)


def _binned(
    history: History, prior: Prior, levels: tuple[Floats, Floats, NDArray[np.bool_]], step_pct: float
) -> Estimate:
    prices, coins, are_long = levels
    exists = prices > 0
    buckets = buckets_of(np.where(exists, prices, 1.0), step_pct)
    chosen = buckets[exists]
    first, last = (int(chosen.min()), int(chosen.max())) if len(chosen) else (0, 0)
    grid = np.arange(first, last + 1)
    edges = price_at(np.arange(first, last + 2), step_pct)
    worth = np.sqrt(edges[:-1] * edges[1:])
    sides = {}
    for is_long in (True, False):
        where = exists & (are_long == is_long)
        binned: Floats = np.bincount(buckets[where] - first, coins[where], len(grid)).astype(np.float64)
        sides[is_long] = binned[None, :]
    interest, spot = (float(_carried(of)[-1]) for of in (history.open_interest, history.close_usd))
    return Estimate(
        instrument=history.instrument,
        at=history.until_at,
        spot_usd=spot,
        step_pct=step_pct,
        priors=(prior.name,),
        mid=0,
        bucket=grid,
        long_usd=sides[True] * worth,
        short_usd=sides[False] * worth,
        long_score=sides[True] * worth,
        short_score=sides[False] * worth,
        open_interest_usd=interest * spot,
        coverage_long=sides[True].sum(axis=1) / interest,
        coverage_short=sides[False].sum(axis=1) / interest,
        source=history.source,
        faults=history.faults,
    )
