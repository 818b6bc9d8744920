"""Intervals and chance: blocks of time resampled, and levels moved to other times.

Days and hours hang on those before them, so single ones must not be resampled as if they did not: whole
blocks of neighbouring windows are, and levels are moved to other times all together, keeping their order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from defiliq.cex.backtest.results import UNDEFINED, Measure
from defiliq.cex.history import Floats, Int64s

INSIDE = 0.95


@dataclass(frozen=True, slots=True)
class Resampled:
    """Histories in which some times are more than once and others not at all."""

    weights: Floats
    """(draws, m) how often each moment is in each of them."""
    place: Int64s
    """(n,) which moment each window is of."""

    @property
    def moments(self) -> int:
        """How many times there are."""
        return int(self.weights.shape[1])

    def totals(self, values: Floats) -> Floats:
        """(draws,) sums over the windows of each history, of values (n,)."""
        found: Floats = self.weights @ np.bincount(self.place, values, self.weights.shape[1])
        return found


def resampled(at: Floats, block: int | None, draws: int, seed: int) -> Resampled:
    """Histories of windows at some times (n,), in blocks of so many neighbouring moments; None: of twice the
    cube root of their number. Windows of one time, which are of several markets or sides, stay together.
    """
    times, place = np.unique(at, return_inverse=True)
    length = round(2 * len(times) ** (1 / 3)) if block is None else block
    return Resampled(block_weights(len(times), length, draws, seed), place.astype(np.int64))


def block_weights(n: int, block: int, draws: int, seed: int) -> Floats:
    """(draws, n) how often each of n windows is in a resampled history: circular blocks, n windows in all."""
    if n == 0:
        return np.zeros((draws, 0))
    block = max(1, min(block, n))
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, n, (draws, math.ceil(n / block)))
    places = ((starts[:, :, None] + np.arange(block)) % n).reshape(draws, -1)[:, :n]
    rows = np.repeat(np.arange(draws), n)
    counted: Floats = np.zeros((draws, n))
    np.add.at(counted, (rows, places.ravel()), 1.0)
    return counted


def measure(value: float, resampled: Floats, n: int) -> Measure:
    """A figure with the middle 95% of what resampled histories give."""
    known = resampled[np.isfinite(resampled)]
    if math.isnan(value) or not len(known):
        return UNDEFINED if math.isnan(value) else Measure(value, math.nan, math.nan, n)
    low, high = np.quantile(known, [(1 - INSIDE) / 2, (1 + INSIDE) / 2])
    return Measure(value, float(low), float(high), n)


def share(part: Floats, whole: Floats, history: Resampled) -> Measure:
    """sum(part) / sum(whole) over windows, both (n,)."""
    value = quotient(part.sum(), whole.sum())
    return measure(
        float(value), quotient(history.totals(part), history.totals(whole)), round(float(whole.sum()))
    )


def lift(part: Floats, whole: Floats, base_part: Floats, base_whole: Floats, history: Resampled) -> Measure:
    """The one share over the other."""
    value = quotient(quotient(part.sum(), whole.sum()), quotient(base_part.sum(), base_whole.sum()))
    resampled = quotient(
        quotient(history.totals(part), history.totals(whole)),
        quotient(history.totals(base_part), history.totals(base_whole)),
    )
    return measure(float(value), resampled, round(float(whole.sum())))


def quotient(part: Floats | float, whole: Floats | float) -> Floats:
    """part / whole, NaN where whole is 0."""
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    found: Floats = np.divide(part, whole, out=np.full(np.shape(part + whole), math.nan), where=whole != 0)
    return found


def ranks(values: Floats) -> Floats:
    """(..., n) ranks along the last axis, equal values sharing the mean of theirs, from 0 to 1."""
    table = pd.DataFrame(np.atleast_2d(values).T)
    found = (table.rank().to_numpy(dtype=np.float64).T - 0.5) / max(table.shape[0], 1)
    return found.reshape(np.shape(values))


def correlations(x: Floats, y: Floats, history: Resampled) -> Floats:
    """(draws,) weighted correlations of two columns of ranks, both (n,).

    Ranks are those in the whole history, also in a resampled one.
    """
    total = history.totals(np.ones(len(x)))
    mean_x, mean_y = quotient(history.totals(x), total), quotient(history.totals(y), total)
    both = quotient(history.totals(x * y), total) - mean_x * mean_y
    spread_x = quotient(history.totals(x * x), total) - mean_x**2
    spread_y = quotient(history.totals(y * y), total) - mean_y**2
    spread = np.sqrt(np.maximum(spread_x, 0.0) * np.maximum(spread_y, 0.0))
    return quotient(np.where(spread > 1e-12, both, math.nan), np.where(spread > 1e-12, spread, 1.0))


def donors(volatility: Floats, strata: int, draws: int) -> Int64s:
    """(draws, n) for each window the other one whose levels it is given.

    Windows are sorted in `strata` groups of equal size by volatility, and levels are turned round within each
    group, in order of time: a window gets levels named in a time that was about as wild. Fewer groups where
    they would hold less than ten windows. No turn is shorter than a twentieth of the group, since levels of
    neighbouring times are much the same; no window is given its own, unless there is only one.
    """
    n = len(volatility)
    groups = _groups(n, strata)
    given = np.tile(np.arange(n, dtype=np.int64), (draws, 1))
    order = np.argsort(volatility, kind="stable")
    for members in np.array_split(order, groups):
        group = np.sort(members).astype(np.int64)
        if len(group) > 1:
            least = _least_turn(len(group))
            turns = np.linspace(least, len(group) - least, draws).round().astype(np.int64)
            given[:, group] = group[(np.arange(len(group)) + turns[:, None]) % len(group)]
    return given


def turns_of(n: int, strata: int, draws: int) -> int:
    """How many of the draws that `donors` makes of n windows differ: small groups have few turns."""
    smallest = n // _groups(n, strata)
    return max(0, min(draws, smallest - 2 * _least_turn(smallest) + 1))


def _groups(n: int, strata: int) -> int:
    return max(1, min(strata, n // 10))


def _least_turn(size: int) -> int:
    return max(1, size // 20)


def chance(value: float, of_others: Floats, turns: int) -> float:
    """The p-value: how often others do as well or better, the value itself among them.

    Only so many of the others are different ones: those that say the same again are no more evidence.
    """
    known = of_others[np.isfinite(of_others)]
    if math.isnan(value) or not len(known):
        return math.nan
    return (1 + turns * float(np.mean(known >= value))) / (1 + turns)
