"""How much of a known truth an estimate recovers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from defiliq.cex.distance import earth_movers, spread
from defiliq.cex.history import Floats
from defiliq.cex.levels import Estimate
from defiliq.cex.population.truth import TrueLevels, Truth
from defiliq.types import Side


@dataclass(frozen=True, slots=True)
class SideRecovery:
    """One side's true levels and what was estimated of them, both as shares of their own dollars.

    Distances are along the logarithm of price, over the spread of the true levels: the mean distance of their
    dollars from their median. So 0 is perfect, and 1 is as good as naming one price, if it is the best one.
    """

    spread: float
    """Of the true levels, in the logarithm of price. NaN where there are none."""
    error: Floats
    """(p,) earth mover's distance between estimate and truth under each prior, over the spread."""
    outside: float
    """How far the true cumulative curve lies outside the band of all priors, as an area over the spread."""
    width: float
    """The area of that band over the spread."""
    dollars_ratio: Floats
    """(p,) estimated dollars over true ones."""
    coverage: Floats
    """(p,) what the estimate explains of the open interest."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Both sides, under all priors of the estimate."""

    priors: tuple[str, ...]
    mid: int
    long: SideRecovery
    short: SideRecovery

    @property
    def mid_error(self) -> float:
        """The middle prior's error, the mean of both sides."""
        return float(self.long.error[self.mid] + self.short.error[self.mid]) / 2

    @property
    def outside(self) -> float:
        """How far the truth lies outside the band, the mean of both sides."""
        return (self.long.outside + self.short.outside) / 2


def recovery(truth: Truth | TrueLevels, estimate: Estimate) -> Recovery:
    """Hold an estimate against the truth of the same moment. ValueError where they are of different ones."""
    if truth.at != estimate.at:
        raise ValueError(f"the truth is of {truth.at}, and the estimate of {estimate.at}")
    return Recovery(
        priors=estimate.priors,
        mid=estimate.mid,
        long=_side(truth, estimate, "long", estimate.coverage_long),
        short=_side(truth, estimate, "short", estimate.coverage_short),
    )


def _side(truth: Truth | TrueLevels, estimate: Estimate, side: Side, coverage: Floats) -> SideRecovery:
    price, size = truth.side(side)
    wide = spread(price, size)
    edges, dollars = estimate.edges_usd, estimate.dollars(side)
    middles = np.sqrt(edges[:-1] * edges[1:])
    distances = np.array([earth_movers(price, size, middles, row) for row in dollars])
    outside, width = _against_band(price, size, middles, dollars)
    whole = math.fsum(size)
    return SideRecovery(
        spread=wide,
        error=distances / wide,
        outside=outside / wide,
        width=width / wide,
        dollars_ratio=dollars.sum(axis=1) / whole if whole else np.full(len(dollars), math.nan),
        coverage=coverage,
    )


def _against_band(price: Floats, size: Floats, middles: Floats, dollars: Floats) -> tuple[float, float]:
    """Two areas along the logarithm of price: between the true cumulative curve and the band of the priors'
    curves where it lies outside, and of the band itself. NaN where one of the curves holds nothing.
    """
    sums = dollars.sum(axis=1, keepdims=True)
    if not len(price) or not (sums > 0).all():
        return math.nan, math.nan
    places, of_each = np.unique(np.concatenate([price, middles]), return_inverse=True)
    steps = np.diff(np.log(places))
    true = np.cumsum(np.bincount(of_each[: len(price)], size / size.sum(), len(places)))[:-1]
    curves = np.zeros((len(dollars), len(places)))
    curves[:, of_each[len(price) :]] = dollars / sums
    curves = np.cumsum(curves, axis=1)[:, :-1]
    low, high = curves.min(axis=0), curves.max(axis=0)
    beyond = np.maximum(low - true, 0.0) + np.maximum(true - high, 0.0)
    return float(beyond @ steps), float((high - low) @ steps)
