"""Clusters: prices at which much breaks at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pandas as pd

from defiliq.errors import InputError
from defiliq.model.heat import SIDES, Heat, told
from defiliq.types import Side

VALLEY = 2 / 3

Impact: TypeAlias = Callable[[float, float, Side], float]
"""What trading so many dollars at a price does to it, in percent: (price_usd, usd, side). Selling for `long`,
buying for `short`; its sign does not matter, and infinity says that the depth runs dry."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Neighbouring price buckets of one side in which much breaks."""

    price_usd: float
    """Where its heaviest bucket stands."""
    low_usd: float
    """The low edge of its lowest bucket."""
    high_usd: float
    """The high edge of its highest bucket."""
    long_liq_usd: float
    """What is sold there."""
    short_liq_usd: float
    """What is bought back there."""
    accounts: int
    distance_pct: float
    """From spot to `price_usd`; negative below."""
    share_pct: float
    """Its part of what its side holds within the window."""
    impact_pct: float = math.nan
    """By how much trading all of it moves the price at its near edge; NaN without market depth."""

    @property
    def magnitude_usd(self) -> float:
        """All that is liquidated there."""
        return self.long_liq_usd + self.short_liq_usd

    @property
    def type(self) -> Side:
        """Which of the two is larger."""
        return "long" if self.long_liq_usd > self.short_liq_usd else "short"

    @property
    def near_usd(self) -> float:
        """The edge at which the price comes in: the high one for longs, the low one for shorts."""
        return self.high_usd if self.type == "long" else self.low_usd


def find_clusters(
    heat: Heat,
    *,
    within_pct: float = 50.0,
    min_share_pct: float = 1.0,
    valley: float = VALLEY,
    min_impact_pct: float = 0.1,
    impact: Impact | None = None,
) -> tuple[Cluster, ...]:
    """The clusters of a heat, by magnitude, the largest first; of equal ones, the nearer to spot.

    A bucket is heavy if it holds at least `min_share_pct` of what its side holds within `within_pct` of spot.
    Heavy buckets that touch are one cluster, divided wherever a bucket holds less than `valley` of the lower
    of the highest buckets on its two sides; that bucket goes to the neighbour that is larger, or of equal
    ones to the one nearer to spot. Where an `impact` is given, a cluster must also move the price by
    `min_impact_pct`; one whose impact is not known (NaN) stays.
    """
    if not (within_pct > 0 and 0 <= min_share_pct <= 100 and 0 <= valley <= 1 and min_impact_pct >= 0):
        raise InputError(
            "clusters need a window above 0%, a share from 0 to 100%, a valley from 0 to 1 and an impact "
            f"of at least 0%, not {within_pct}, {min_share_pct}, {valley} and {min_impact_pct}."
        )
    found = []
    for side in SIDES:
        near = heat.side(side)
        near = near[(near["distance_pct"].abs() <= within_pct) & (near["size_usd"] > 0)]
        total = told(near["size_usd"])
        heavy = near[100 * near["size_usd"] >= min_share_pct * total]
        for part in _parts(heavy, valley):
            cluster = _cluster(part, side, heat.spot_usd, total, impact)
            if not abs(cluster.impact_pct) < min_impact_pct:
                found.append(cluster)
    return tuple(sorted(found, key=lambda c: (-c.magnitude_usd, abs(c.distance_pct), c.price_usd, c.type)))


def _cluster(part: pd.DataFrame, side: Side, spot: float, total: float, impact: Impact | None) -> Cluster:
    sizes = part["size_usd"].tolist()
    prices = part["price_usd"].tolist()
    heaviest = max(range(len(sizes)), key=lambda k: (sizes[k], -abs(prices[k] - spot)))
    low, high = float(part["price_low_usd"].iloc[0]), float(part["price_high_usd"].iloc[-1])
    size = math.fsum(sizes)
    moved = math.nan if impact is None else abs(impact(high if side == "long" else low, size, side))
    return Cluster(
        price_usd=prices[heaviest],
        low_usd=low,
        high_usd=high,
        long_liq_usd=size if side == "long" else 0.0,
        short_liq_usd=size if side == "short" else 0.0,
        accounts=int(part["accounts"].sum()),
        distance_pct=100 * (prices[heaviest] - spot) / spot,
        share_pct=100 * (size / total),
        impact_pct=moved,
    )


def _parts(heavy: pd.DataFrame, valley: float) -> Iterator[pd.DataFrame]:
    """Buckets of one side that touch, divided at dips; from the lowest price up."""
    lows, highs = heavy["price_low_usd"].tolist(), heavy["price_high_usd"].tolist()
    apart = [k for k in range(1, len(heavy)) if lows[k] != highs[k - 1]]
    nearness = (-heavy["distance_pct"].abs()).tolist()
    sizes = heavy["size_usd"].tolist()
    for start, end in zip([0, *apart], [*apart, len(heavy)], strict=True):
        for first, last in _divided(sizes, nearness, start, end, valley):
            yield heavy.iloc[first:last]


def _divided(
    sizes: Sequence[float], nearness: Sequence[float], start: int, end: int, valley: float
) -> Iterator[tuple[int, int]]:
    """The stretches of `start` to `end` that have no dip within, the lowest first."""
    waiting = [(start, end)] if end > start else []
    while waiting:
        first, last = waiting.pop()
        dip = _deepest_dip(sizes, nearness, first, last, valley)
        if dip is None:
            yield first, last
            continue
        below, above = (sizes[dip - 1], nearness[dip - 1]), (sizes[dip + 1], nearness[dip + 1])
        middle = dip + 1 if below > above else dip
        waiting += [(middle, last), (first, middle)]


def _deepest_dip(
    sizes: Sequence[float], nearness: Sequence[float], first: int, last: int, valley: float
) -> int | None:
    """The lowest bucket that lies deep enough between two peaks; of equal ones, the nearest to spot."""
    left, right = list(sizes[first:last]), list(sizes[first:last])
    for k in range(1, last - first):
        left[k] = max(left[k], left[k - 1])
        right[-1 - k] = max(right[-1 - k], right[-k])
    dips = [
        first + k
        for k in range(1, last - first - 1)
        if sizes[first + k] < valley * min(left[k - 1], right[k + 1])
    ]
    return min(dips, key=lambda k: (sizes[k], -nearness[k]), default=None)
