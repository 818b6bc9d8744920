"""How far two distributions of dollars over prices are apart."""

from __future__ import annotations

import math

import numpy as np

from defiliq.cex.history import Floats


def earth_movers(prices_a: Floats, weights_a: Floats, prices_b: Floats, weights_b: Floats) -> float:
    """The earth mover's distance of two distributions along the logarithm of price: how far a dollar has to
    be moved on average to make one out of the other.

    Prices are (n,) and (m,), in any order, repeated or not; weights are their dollars, and only their shares
    count. In one dimension the distance is the area between the two cumulative curves. It is a metric; moving
    every price by a factor f changes it by at most |ln f|, and a distribution is exactly that far from itself
    moved. `as_pct` tells it in percent of price. NaN where one of the two holds nothing.
    """
    shares_a, shares_b = _shares(prices_a, weights_a), _shares(prices_b, weights_b)
    if shares_a is None or shares_b is None:
        return math.nan
    places, of_each = np.unique(np.concatenate([prices_a, prices_b]), return_inverse=True)
    here_a = np.bincount(of_each[: len(prices_a)], shares_a, len(places))
    here_b = np.bincount(of_each[len(prices_a) :], shares_b, len(places))
    apart = np.abs(np.cumsum(here_a - here_b))[:-1]
    return math.fsum(apart * np.diff(np.log(places)))


def as_pct(distance: float) -> float:
    """A distance along the logarithm of price as percent of price: the rise that goes as far."""
    return 100 * math.expm1(distance)


def spread(prices: Floats, weights: Floats) -> float:
    """How wide a distribution is along the logarithm of price: the mean distance of its dollars from their
    median, which is the earth mover's distance to the best single price. NaN where it holds nothing.
    """
    shares = _shares(prices, weights)
    if shares is None:
        return math.nan
    order = np.argsort(prices, kind="stable")
    reached = np.cumsum(shares[order])
    middle = order[min(int(np.searchsorted(reached, 0.5)), len(order) - 1)]
    return math.fsum(shares * np.abs(np.log(prices / prices[middle])))


def widest_gap(
    prices_a: Floats, weights_a: Floats, prices_b: Floats, weights_b: Floats, *, falling: bool
) -> tuple[float, float]:
    """Where the two cumulative curves are furthest apart in dollars: (b less a, the price there).

    Curves are counted downwards from the highest price where `falling`, as longs are met, else upwards. Of
    equal gaps the one met first. (0, NaN) where they are nowhere apart.
    """
    places, of_each = np.unique(np.concatenate([prices_a, prices_b]), return_inverse=True)
    here = np.bincount(of_each, np.concatenate([-weights_a, weights_b]), len(places))
    order = slice(None, None, -1) if falling else slice(None)
    gaps, met = np.cumsum(here[order]), places[order]
    if not len(gaps) or not np.abs(gaps).max() > 0:
        return 0.0, math.nan
    widest = int(np.argmax(np.abs(gaps)))
    return float(gaps[widest]), float(met[widest])


def _shares(prices: Floats, weights: Floats) -> Floats | None:
    """What part of the whole each is; None where there is no whole."""
    if len(prices) != len(weights):
        raise ValueError(f"{len(prices)} prices cannot have {len(weights)} weights")
    if not (np.isfinite(prices).all() and (prices > 0).all()):
        raise ValueError("every price has to be above 0 and to end")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError("no weight may be below 0, and all of them have to end")
    largest = weights.max(initial=0.0)
    if not largest > 0:
        return None
    scaled: Floats = weights / largest
    return scaled / math.fsum(scaled)
