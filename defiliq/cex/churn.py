"""Churn by what was liquidated: how much of its volume a venue's positions must turn over to explain it.

Volume does not tell what of it opens and closes positions that last, and of all assumptions this one weighs
most. The more does, the closer to the price levels stand, and the more of them is traded through. Where a
venue publishes all its liquidations, there is one share at which as much is traded through.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from defiliq.cex.history import Floats, History, Int64s
from defiliq.cex.openings import Factors, shots_of
from defiliq.cex.priors import Prior
from defiliq.cex.walk import EstimateSettings, walk
from defiliq.errors import InputError

_HALVINGS = 8
"""Of the interval of churn: the last is narrower than half a percent of volume."""


@dataclass(frozen=True, slots=True)
class FittedChurn:
    """The share of volume under which as much is traded through as was liquidated, of both sides together."""

    churn: float
    """0 where even none is too much, 1 where all is too little."""
    executed: tuple[float, float]
    """Longs and shorts that were liquidated, in what the venue counts open interest in."""
    traded_through: tuple[float, float]
    """The same of the estimate with that churn. Sides that are far apart speak against the prior."""
    from_at: int
    until_at: int
    """What was compared: from the first liquidation known to the last, in whole candles."""

    @property
    def is_found(self) -> bool:
        """Whether such a share is between 0 and 1, exclusive."""
        return 0 < self.churn < 1


def fit_churn(history: History, factors: Factors, prior: Prior, settings: EstimateSettings) -> FittedChurn:
    """The churn that explains what `history.executed` holds, under one prior.

    It is only as right as the prior, and as the list of liquidations is whole: a stream of at most one order
    per second, as Binance's, understates them, and then churn with them. InputError where nothing was
    liquidated, or less than two candles of it are known.
    """
    done = history.executed
    if done is None or not len(done):
        raise InputError(
            f"{history.instrument.venue} tells of no liquidation of {history.instrument.symbol}: "
            "nothing says how much churn there is. Name it."
        )
    first, last = _rows(history, done["at"].to_numpy(dtype=np.int64))
    worth = 1.0 if history.instrument.is_inverse else done["price_usd"].to_numpy(dtype=np.float64)
    contracts = done["size_usd"].to_numpy(dtype=np.float64) / worth
    is_long = (done["side"] == "long").to_numpy(dtype=np.bool_)
    executed = float(contracts[is_long].sum()), float(contracts[~is_long].sum())
    low, high = 0.0, 1.0
    if sum(_through(history, factors, prior, replace(settings, churn=low), first, last)) >= sum(executed):
        high = low
    elif sum(_through(history, factors, prior, replace(settings, churn=high), first, last)) <= sum(executed):
        low = high
    for _ in range(_HALVINGS if low < high else 0):
        middle = (low + high) / 2
        through = _through(history, factors, prior, replace(settings, churn=middle), first, last)
        low, high = (middle, high) if sum(through) < sum(executed) else (low, middle)
    churn = (low + high) / 2
    return FittedChurn(
        churn,
        executed,
        _through(history, factors, prior, replace(settings, churn=churn), first, last),
        int(history.at[first]),
        int(history.at[last]) + history.step_s,
    )


def _rows(history: History, at: Int64s) -> tuple[int, int]:
    """The candles of the first liquidation and of the last that are within the history."""
    rows = (np.array([at.min(), at.max()]) - int(history.at[0])) // history.step_s
    first, last = np.clip(rows, 0, len(history) - 1).tolist()
    if last <= first:
        raise InputError(
            f"all liquidations known of {history.instrument.symbol} are of one candle, which fits any churn."
        )
    return int(first), int(last)


def _through(
    history: History, factors: Factors, prior: Prior, settings: EstimateSettings, first: int, last: int
) -> tuple[float, float]:
    """Longs and shorts that the estimate takes to be traded through from one row to another, inclusive."""
    shots = shots_of([prior], [factors], settings.log_step)
    stops = [row for row in (first - 1, last) if row >= 0]
    sums: list[Floats] = [state.broken for state in walk(history, shots, settings, stops)]
    before = sums[0] if len(sums) == 2 else np.zeros(2)
    longs, shorts = (sums[-1] - before).tolist()
    return longs, shorts
