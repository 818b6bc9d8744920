"""What is put to the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from defiliq.cex.backtest.windows import Predict, known_at
from defiliq.cex.estimate import DEFAULT, estimate, estimates_at, spot_at
from defiliq.cex.history import Floats, History, Int64s
from defiliq.cex.levels import Estimate
from defiliq.cex.margin import distance_factors
from defiliq.cex.openings import Factors
from defiliq.cex.priors import PRIORS, Prior
from defiliq.cex.tiers import load_tiers
from defiliq.cex.walk import EstimateSettings
from defiliq.model.over_time import buckets_of

RENAMED = {"MATIC": "POL"}
"""Since September 2024."""

FactorsOf: TypeAlias = Callable[[History, Prior], Factors]
"""Distances of a prior for a contract, whose history is there for a price where tiers count coins."""


def by_tiers(history: History, prior: Prior) -> Factors:
    """Distances of a prior by the bundled tiers of a contract; UnknownTiers where there are none.

    What has another name today has its tiers under that.
    """
    instrument = history.instrument
    asset = RENAMED.get(instrument.asset, instrument.asset)
    tiers = load_tiers(instrument.venue, asset, asset + instrument.symbol.removeprefix(instrument.asset))
    long, short = (
        distance_factors(
            instrument.venue,
            side,
            prior.leverages,
            prior.position_usd,
            tiers,
            entry_usd=spot_at(history, len(history) - 1),
        )
        for side in ("long", "short")
    )
    return Factors(prior.leverages, long, short)


@dataclass(frozen=True, slots=True)
class Estimator:
    """The estimator under some priors, the middle one of which names the levels.

    Where tiers count coins they are chosen at the first price of the history, which no growth changes.
    """

    priors: tuple[Prior, ...] = PRIORS
    settings: EstimateSettings = DEFAULT
    factors_of: FactorsOf = by_tiers

    def __call__(self, history: History) -> Estimate:
        """At the end of a history."""
        return estimate(history, self._factors(history), self.priors, self.settings)

    def at_moments(self, history: History, known: Sequence[int]) -> Iterator[Estimate]:
        """After so many candles each, in one walk."""
        rows = [candles - 1 for candles in known]
        return estimates_at(history, self._factors(history), rows, self.priors, self.settings)

    def _factors(self, history: History) -> list[Factors]:
        begins = known_at(history, 1 + int(np.argmax(~np.isnan(history.close_usd))))
        return [self.factors_of(begins, prior) for prior in self.priors]


def known_levels(levels: Mapping[int, tuple[tuple[Floats, Floats], tuple[Floats, Floats]]]) -> Predict:
    """What somebody who sees all positions would name: the best that any estimator can come to.

    By the time at which a history ends: (prices, dollars) of longs, and of shorts.
    """
    step_pct = 0.1

    def predict(history: History) -> Estimate:
        sides = levels[history.until_at]
        prices = np.concatenate([prices for prices, _ in sides])
        buckets = buckets_of(prices, step_pct)
        first, last = int(buckets.min()), int(buckets.max())
        long, short = (
            _binned(buckets_of(prices, step_pct) - first, dollars, last - first + 1)
            for prices, dollars in sides
        )
        spot = float(history.close_usd[-1])
        interest = float(history.open_interest[-1]) * (1.0 if history.instrument.is_inverse else spot)
        return Estimate(
            instrument=history.instrument,
            at=history.until_at,
            spot_usd=spot,
            step_pct=step_pct,
            priors=("known",),
            mid=0,
            bucket=np.arange(first, last + 1),
            long_usd=long,
            short_usd=short,
            long_score=long,
            short_score=short,
            open_interest_usd=interest,
            coverage_long=long.sum(axis=1) / interest,
            coverage_short=short.sum(axis=1) / interest,
            source=history.source,
            faults=history.faults,
        )

    return predict


def _binned(places: Int64s, dollars: Floats, count: int) -> Floats:
    """(1, count) dollars by place."""
    summed: Floats = np.bincount(places, dollars, count).astype(np.float64)
    return summed[None]
