"""Named levels against liquidations whose prices are known.

Naming levels close to spot is no skill: the price comes there more often, and more is liquidated there. Two
baselines answer to that. `random` levels are as many, spread evenly over the distances that were named;
`elsewhen` are the predictor's own levels of other moments about as wild, laid at the same distances from this
moment's spot. A predictor that always names the same distances is its own `elsewhen`: its lift is 1. And at
levels that the price did not reach nothing can be liquidated: among those reached, only what lies at a level
counts, not how near it is.

Two things are counted. A level is *hit* where more was liquidated within tolerance of it than if the
window's liquidations were spread evenly over the way that the price went. And its *density* is the share of
the window's liquidations within tolerance of it. The primary measure is the density at levels that were
reached, against `elsewhen`: where the price came to a named level, how many times more was liquidated than at
levels of other times that it came to as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from defiliq.cex.backtest.resampling import Resampled, chance, donors, lift, quotient, share, turns_of
from defiliq.cex.backtest.results import Baseline, Condition, Measure, Test
from defiliq.cex.backtest.windows import Executed, Window
from defiliq.cex.history import Floats
from defiliq.cex.levels import Estimate
from defiliq.model.clusters import find_clusters
from defiliq.model.heat import SIDES
from defiliq.types import Side

NAMED, HIT, REACHED, REACHED_HIT, DENSITY, CAPTURED_USD = range(6)
"""Columns of a tally: levels, those hit, those reached, those reached and hit, the sum of the densities of
those reached, and dollars within tolerance of any."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One side of one market: what came of the levels named, window by window."""

    at: Floats
    """(n,)"""
    mine: Floats
    """(n, 6)"""
    others: Mapping[Baseline, Floats]
    """(draws, n, 6) of each baseline."""
    executed_usd: Floats
    """(n,)"""
    turns: int
    """How many draws of `elsewhen` differ."""


def named_by_side(estimate: Estimate, k: int, within_pct: float) -> dict[Side, Floats]:
    """(k,) distances of the largest clusters of each side, the largest first; NaN where there are fewer.

    Clusters are those of `find_clusters` over the middle prior's dollars within so many percent of spot. What
    lies on the other side of spot, where a side gains, is no level.
    """
    clusters = find_clusters(estimate.heat("mid"), within_pct=within_pct)
    found: dict[Side, Floats] = {}
    for side in SIDES:
        prices = [cluster.price_usd for cluster in clusters if cluster.type == side]
        away = np.log(np.array(prices) / estimate.spot_usd) * (-1.0 if side == "long" else 1.0)
        away = away[away > 0][:k]
        levels = np.full(k, math.nan)
        levels[: len(away)] = away
        found[side] = levels
    return found


def tally(
    side: Side,
    windows: Sequence[Window],
    executed: Sequence[Executed],
    named: Floats,
    *,
    tolerance_pct: float,
    even: float,
    strata: int,
    draws: int,
    seed: int,
) -> Tally:
    """Count one side's levels, `named` (n, k) as distances, and as many of each baseline."""
    tolerance = math.log1p(tolerance_pct / 100)
    given = donors(np.array([window.volatility for window in windows]), strata, draws)
    rng = np.random.default_rng(seed)
    known = named[~np.isnan(named)]
    span = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    mine, random, elsewhen = (np.zeros((many, len(windows), 6)) for many in (1, draws, draws))
    for i, (window, liquidated) in enumerate(zip(windows, executed, strict=True)):
        drawn = np.where(np.isnan(named[i]), math.nan, rng.uniform(*span, size=(draws, named.shape[1])))
        for kept, levels in ((mine, named[i]), (random, drawn), (elsewhen, named[given[:, i]])):
            kept[:, i] = _counted(liquidated, levels, window.reach[side], tolerance, even)
    return Tally(
        at=np.array([window.at for window in windows], dtype=np.float64),
        mine=mine[0],
        others={"random": random, "elsewhen": elsewhen},
        executed_usd=np.array([liquidated.total_usd for liquidated in executed]),
        turns=turns_of(len(windows), strata, draws),
    )


def _counted(liquidated: Executed, levels: Floats, reach: float, tolerance: float, even: float) -> Floats:
    """(..., 6) for sets of levels (..., k): the columns of a tally."""
    ordered = np.sort(levels, axis=-1)
    low, high = ordered - tolerance, ordered + tolerance
    upto = liquidated.up_to(high, inclusive=True)
    dollars = upto - liquidated.up_to(low, inclusive=False)
    # Dollars near two levels count once: what the level before has taken is not taken again.
    before = np.concatenate([np.zeros((*upto.shape[:-1], 1)), upto[..., :-1]], axis=-1)
    captured = upto - np.maximum(liquidated.up_to(low, inclusive=False), before)
    is_named = ~np.isnan(ordered)
    share = quotient(dollars, np.full_like(dollars, liquidated.total_usd))
    width = np.clip(high, 0.0, reach) - np.clip(low, 0.0, reach)
    is_hit = is_named & (dollars > 0) & (share * reach >= even * width)
    is_reached = is_named & (ordered <= reach)
    density = np.where(is_reached & (dollars > 0), share, 0.0)
    captured = np.where(is_named, captured, 0.0)
    columns = (is_named, is_hit, is_reached, is_hit & is_reached, density, captured)
    return np.stack([column.sum(axis=-1).astype(np.float64) for column in columns], axis=-1)


def precision(
    tallies: Sequence[Tally], test: Test, baseline: Baseline, condition: Condition, history: Resampled
) -> tuple[Measure, float, Measure, float]:
    """(precision, the baseline's, lift, p-value) over the windows of some tallies laid end to end.

    Precision is the share of levels that were hit, or, where density is asked for, the mean of theirs.
    """
    whole_at, part_at = (NAMED, HIT) if condition == "all" else (REACHED, REACHED_HIT)
    if test == "density":
        whole_at, part_at = REACHED, DENSITY
    mine = np.concatenate([one.mine for one in tallies])
    others = np.concatenate([one.others[baseline] for one in tallies], axis=1)
    base = others.mean(axis=0)
    part, whole = mine[:, part_at], mine[:, whole_at]
    base_part, base_whole = base[:, part_at], base[:, whole_at]
    sums = others.sum(axis=1)
    each = quotient(sums[:, part_at], sums[:, whole_at])
    better = chance(float(quotient(part.sum(), whole.sum())), each, max(one.turns for one in tallies))
    return (
        share(part, whole, history),
        float(quotient(base_part.sum(), base_whole.sum())),
        lift(part, whole, base_part, base_whole, history),
        better if baseline == "elsewhen" else math.nan,
    )


def recall(
    tallies: Sequence[Tally], baseline: Baseline, history: Resampled
) -> tuple[Measure, float, Measure]:
    """(recall, the baseline's, lift) in dollars over the windows of some tallies laid end to end."""
    captured = np.concatenate([one.mine[:, CAPTURED_USD] for one in tallies])
    base = np.concatenate([one.others[baseline].mean(axis=0)[:, CAPTURED_USD] for one in tallies])
    executed = np.concatenate([one.executed_usd for one in tallies])
    found = share(captured, executed, history)
    return (
        found,
        float(quotient(base.sum(), executed.sum())),
        lift(captured, executed, base, executed, history),
    )
