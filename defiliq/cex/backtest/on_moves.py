"""Estimates against sums of liquidations whose prices nobody tells.

Of a day only its close and the sum of its liquidations are known. So what is asked is whether dollars that
were estimated to lie where the price then went explain what was liquidated, better than the move itself does:
against the size of the `move` towards the side's losses, against `open interest x move`, and against the same
move through the estimator's own levels of other days about as wild (`elsewhen`), in proportion to the open
interest. `elsewhen` is the primary one: same day, same move, same open interest, only the levels are others.
Whether the estimate tells anything that the open interest and the move do not is asked with both `together`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from defiliq.cex.backtest.resampling import (
    Resampled,
    chance,
    correlations,
    donors,
    lift,
    measure,
    ranks,
    share,
    turns_of,
)
from defiliq.cex.backtest.results import Baseline, Measure
from defiliq.cex.backtest.windows import Window
from defiliq.cex.history import Floats
from defiliq.cex.levels import Estimate
from defiliq.types import Side

HEAVY = 0.1
"""Which part of the windows is called heavy."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One side of one market as ranks from 0 to 1, window by window."""

    at: Floats
    """(n,)"""
    passed: Floats
    """(n,) of the dollars that were estimated to lie in the price's way."""
    liquidated: Floats
    """(n,) of what was."""
    others: Mapping[Baseline, Floats]
    """(draws, n) of what each baseline says; one row where nothing is drawn."""
    turns: int
    """How many draws of `elsewhen` differ."""


def passage(
    side: Side,
    windows: Sequence[Window],
    crossed: Floats,
    interest_usd: Floats,
    liquidated_usd: Floats,
    *,
    strata: int,
    draws: int,
) -> Passage:
    """Rank one side of a market.

    `crossed` (n, n) is `share_passed` of each window's estimate over the moves of all windows, `interest_usd`
    (n,) the open interest at the start of each, and `liquidated_usd` (n,) what it liquidated.
    """
    move = np.array([window.reach[side] for window in windows])
    given = donors(np.array([window.volatility for window in windows]), strata, draws)
    mine = np.arange(len(windows))
    return Passage(
        at=np.array([window.at for window in windows], dtype=np.float64),
        passed=ranks(crossed[mine, mine] * interest_usd),
        liquidated=ranks(liquidated_usd),
        others={
            "move": ranks(move)[None],
            "open interest x move": ranks(interest_usd * move)[None],
            "elsewhen": ranks(crossed[given, mine] * interest_usd),
        },
        turns=turns_of(len(windows), strata, draws),
    )


def share_passed(estimate: Estimate, side: Side, distances: Floats) -> Floats:
    """(n,) what lies within each distance of spot, over open interest, under the middle prior.

    Within a bucket it is spread evenly in logarithm; a bucket across spot counts from spot on.
    """
    if estimate.open_interest_usd <= 0:
        return np.zeros(len(distances))
    dollars = estimate.dollars(side)[estimate.mid]
    away = np.log(estimate.edges_usd / estimate.spot_usd)
    if side == "long":
        dollars, away = dollars[::-1], -away[::-1]
    edges = np.maximum(away, 0.0)
    # What lies on the other side of spot, where the side gains, is on no way.
    piled = np.concatenate([[0.0], np.cumsum(np.where(edges[1:] > 0, dollars, 0.0))])
    inside = np.interp(distances, edges, piled)
    found: Floats = np.where(distances > 0, inside, 0.0) / estimate.open_interest_usd
    return found


def together(one: Passage, baseline: Baseline) -> Passage:
    """The same with the estimate and a baseline as one: the ranks of the sums of their ranks."""
    return replace(one, passed=ranks(one.passed + one.others[baseline].mean(axis=0)))


def correlation(
    passages: Sequence[Passage], baseline: Baseline, history: Resampled
) -> tuple[Measure, float, Measure, float]:
    """(correlation, the baseline's, gain, p-value) over the windows of some passages laid end to end."""
    passed, actual, others = _joined(passages, baseline)
    once = Resampled(np.ones((1, len(passed))), np.arange(len(passed)))
    value = float(correlations(passed, actual, once)[0])
    each = np.array([float(correlations(other, actual, once)[0]) for other in others])
    base = float(each.mean()) if len(each) else math.nan
    resampled = correlations(passed, actual, history)
    # A few of the draws say the same of an interval as all of them.
    few = others[:: max(1, len(others) // 20)]
    beside = np.array([correlations(other, actual, history) for other in few]).mean(axis=0)
    shift = base - float(np.mean(each[:: max(1, len(others) // 20)]))
    return (
        measure(value, resampled, len(passed)),
        base,
        measure(value - base, resampled - beside - shift, len(passed)),
        chance(value, each, max(one.turns for one in passages)) if baseline == "elsewhen" else math.nan,
    )


def precision(
    passages: Sequence[Passage], baseline: Baseline, history: Resampled
) -> tuple[Measure, float, Measure]:
    """(precision, the baseline's, lift) at naming the heaviest tenth of the windows."""
    passed, actual, others = _joined(passages, baseline)
    named, heavy = _top(passed), _top(actual)
    base = np.array([_top(other) for other in others])
    hit, base_hit = named * heavy, (base * heavy).mean(axis=0)
    found = share(hit, named, history)
    base_value = float(base_hit.sum() / base.mean(axis=0).sum()) if base.any() else math.nan
    return found, base_value, lift(hit, named, base_hit, base.mean(axis=0), history)


def _joined(passages: Sequence[Passage], baseline: Baseline) -> tuple[Floats, Floats, Floats]:
    passed = np.concatenate([one.passed for one in passages])
    actual = np.concatenate([one.liquidated for one in passages])
    return passed, actual, np.concatenate([one.others[baseline] for one in passages], axis=1)


def _top(rank: Floats) -> Floats:
    """1 for the highest tenth of some ranks, of equal ones the earlier; none where all are equal."""
    chosen = np.zeros(len(rank))
    if len(rank) and rank.min() < rank.max():
        chosen[np.argsort(-rank, kind="stable")[: max(1, round(HEAVY * len(rank)))]] = 1.0
    return chosen
