"""What executed liquidations say of the assumptions: which prior and how much churn foresee them best.

Neither leverage nor churn is published. But an estimate says before each candle how much would be liquidated
were the price to come by, and afterwards the venue says how much was. Assumptions under which the two go
together, candle by candle, are better than others. Amounts are not compared: venues publish a part only, and
stop orders close much before it is liquidated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from defiliq.cex.estimate import DEFAULT
from defiliq.cex.history import Floats, History
from defiliq.cex.openings import Factors, shots_of
from defiliq.cex.priors import PRIORS, Prior
from defiliq.cex.walk import EstimateSettings, State, walk
from defiliq.errors import InputError
from defiliq.model.heat import SIDES

CHURNS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
MOST_CANDLES = 3_000
"""The newest ones that are looked at."""
FEWEST_CANDLES = 30
"""With liquidations; below, chance decides."""
_SETTLING = 1 / 3
"""Of the history, before which an estimate does not know yet what is open."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well estimates under some assumptions foresee a venue's executed liquidations."""

    priors: tuple[Prior, ...]
    churns: tuple[float, ...]
    agreement: Floats
    """(p, c) correlation, over candles and sides, of the square roots of what the estimate says would be
    liquidated and of what was: 1 where one is a fixed multiple of the other. NaN where it says nothing."""
    candles: int
    """How many were looked at."""
    with_executed: int
    """In how many of them something was liquidated."""

    @property
    def best(self) -> tuple[Prior, float]:
        """The prior and the churn of the best agreement."""
        row, column = divmod(int(np.nanargmax(self.agreement)), len(self.churns))
        return self.priors[row], self.churns[column]

    def churn_of(self, row: int) -> float:
        """The best churn under one prior."""
        return self.churns[int(np.nanargmax(self.agreement[row]))]

    def table(self) -> pd.DataFrame:
        """A row per prior and churn, best first."""
        rows = [
            (prior.name, churn, self.agreement[i, j])
            for i, prior in enumerate(self.priors)
            for j, churn in enumerate(self.churns)
        ]
        found = pd.DataFrame(rows, columns=["prior", "churn", "agreement"])
        return found.sort_values("agreement", ascending=False, kind="stable", ignore_index=True)


def calibrate(
    history: History,
    factors: Sequence[Factors],
    priors: Sequence[Prior] = PRIORS,
    settings: EstimateSettings = DEFAULT,
    churns: Sequence[float] = CHURNS,
) -> Calibration:
    """Try all pairs of a prior and a churn, on the newest candles after the first third.

    `factors` are the distances of each prior, in their order. InputError where the venue publishes no
    liquidations, or too few to say anything.
    """
    name = f"{history.instrument.venue} {history.instrument.symbol}"
    if history.executed is None:
        raise InputError(f"{name} publishes no executed liquidations: nothing tells how much churn there is.")
    executed = _executed(history)
    rows = np.flatnonzero((executed > 0).any(axis=1))
    # Some venues tell of the last day only: that nothing is told of before does not say that nothing was.
    told = int(rows[0]) if len(rows) else 0
    first = max(told, int(len(history) * _SETTLING), len(history) - MOST_CANDLES, 1)
    executed, happened = executed[first:], int((rows >= first).sum())
    if happened < FEWEST_CANDLES:
        raise InputError(
            f"{name} shows liquidations in {happened} candles: {FEWEST_CANDLES} are needed to calibrate."
        )
    found = np.array(
        [
            _agreement(_foreseen(history, factors, priors, replace(settings, churn=churn), first), executed)
            for churn in churns
        ]
    )
    return Calibration(tuple(priors), tuple(churns), found.T, len(executed), happened)


def _executed(history: History) -> Floats:
    """(t, 2) what was liquidated of longs and shorts in each candle, counted as open interest is."""
    summed = np.zeros((len(history), len(SIDES)))
    if history.executed is not None:
        row = (history.executed["at"].to_numpy() - int(history.at[0])) // history.step_s
        size = history.executed["size_usd"].to_numpy(dtype=np.float64)
        if not history.instrument.is_inverse:
            size = size / history.executed["price_usd"].to_numpy(dtype=np.float64)
        inside = (row >= 0) & (row < len(history))
        column = (history.executed["side"] == "short").to_numpy().astype(np.intp)
        np.add.at(summed, (row[inside], column[inside]), size[inside])
    return summed


def _foreseen(
    history: History,
    factors: Sequence[Factors],
    priors: Sequence[Prior],
    settings: EstimateSettings,
    first: int,
) -> Floats:
    """(t - first, p, 2) what the estimate before each candle holds at the prices that the candle reached."""
    shots = shots_of(priors, factors, settings.log_step)
    low, high = np.log(history.low_usd) / settings.log_step, np.log(history.high_usd) / settings.log_step
    states = walk(history, shots, settings, range(first - 1, len(history) - 1))
    return np.array([_reached(state, low[state.row + 1], high[state.row + 1]) for state in states])


def _reached(state: State, low: float, high: float) -> Floats:
    """(p, 2) what is alive in buckets whose middles are reached; NaN where the candle has no price."""
    half, count = len(state.alive) // 2, state.alive.shape[1]
    if np.isnan(low) or np.isnan(high):
        return np.full((half, 2), np.nan)
    longs_from = int(np.clip(np.ceil(low - 0.5) - state.first, 0, count))
    shorts_to = int(np.clip(np.floor(high - 0.5) - state.first + 1, 0, count))
    longs = state.alive[:half, longs_from:].sum(axis=1)
    return np.stack([longs, state.alive[half:, :shorts_to].sum(axis=1)], axis=1)


def _agreement(foreseen: Floats, executed: Floats) -> Floats:
    """(p,) correlations of square roots; NaN where one of the two never changes."""
    known = ~np.isnan(foreseen).any(axis=(1, 2))
    happened = np.sqrt(executed[known]).ravel()
    columns = np.sqrt(foreseen[known]).transpose(1, 0, 2).reshape(foreseen.shape[1], -1)
    found = np.full(len(columns), np.nan)
    for k, column in enumerate(columns):
        if column.std() > 0 and happened.std() > 0:
            found[k] = np.corrcoef(column, happened)[0, 1]
    return found
