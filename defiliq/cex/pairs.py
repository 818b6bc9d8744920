"""Pairs: how much alike two parties of a comparison are, per side and over both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

from defiliq.cex.consensus import Band, matched, ratio_band
from defiliq.cex.distance import as_pct, earth_movers, spread, widest_gap
from defiliq.cex.parties import Axis, Party, places_of
from defiliq.model.clusters import Cluster
from defiliq.model.heat import SIDES
from defiliq.types import Side

Sides: TypeAlias = Literal["long", "short", "both"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two parties, of one side or both; `a` is what `b` is measured against."""

    a: str
    b: str
    side: Sides
    a_usd: Band
    """All dollars within the window."""
    b_usd: Band
    distance: float
    """The earth mover's, along the logarithm of price, between the middles of the bands; only shapes count.
    NaN where one of the two holds nothing.
    """
    spread: float
    """How wide `a` is: the mean distance of its dollars from their median."""
    widest_gap_usd: float
    """Where the cumulative curves from spot out are furthest apart, b less a, as the price comes out of a
    bucket of the axis. Of both sides, the wider.
    """
    widest_gap_at_usd: float
    top_a: tuple[Cluster, ...]
    """Its largest clusters, as far as they are of the side."""
    top_b: tuple[Cluster, ...]
    matches: tuple[tuple[Cluster, Cluster], ...]
    """Those of them that are near each other."""

    @property
    def moved_pct(self) -> float:
        """How far a dollar of `b` is on average from where `a` has it, in percent of price."""
        return as_pct(self.distance)

    @property
    def moved_per_spread(self) -> float:
        """The same, per spread of `a`. At 1, one single price would have said as much about `a`."""
        if self.spread == 0 and not math.isnan(self.distance):
            return math.inf if self.distance > 0 else 0.0
        return self.distance / self.spread if self.spread else math.nan

    @property
    def difference_usd(self) -> float:
        """By how much `b` holds more than `a`, at the middles of the bands."""
        return self.b_usd[1] - self.a_usd[1]

    @property
    def a_per_b(self) -> Band:
        """Dollars of `a` per dollar of `b`."""
        return ratio_band(self.a_usd, self.b_usd)

    @property
    def jaccard(self) -> float:
        """Matched clusters per cluster of the two, a matched pair being one; NaN where there is none."""
        whole = len(self.top_a) + len(self.top_b) - len(self.matches)
        return len(self.matches) / whole if whole else math.nan

    @property
    def matched_a_usd(self) -> float:
        """What the matched clusters of `a` hold."""
        return math.fsum(ours.magnitude_usd for ours, _ in self.matches)

    @property
    def matched_b_usd(self) -> float:
        """What the matched clusters of `b` hold."""
        return math.fsum(theirs.magnitude_usd for _, theirs in self.matches)


def build_pairs(parties: Sequence[Party], axis: Axis, *, k: int, tolerance_pct: float) -> tuple[Pair, ...]:
    """Every two parties, in the order given; of each longs, shorts, both.

    Clusters are the `k` largest of both sides together; of one side, those of them that are of it.
    """
    return tuple(
        _pair(one, other, side, axis, k, tolerance_pct)
        for one, other in combinations(parties, 2)
        for side in (*SIDES, None)
    )


def _pair(one: Party, other: Party, side: Side | None, axis: Axis, k: int, tolerance_pct: float) -> Pair:
    a, b = one.points.of(side), other.points.of(side)
    gaps = [_gap(one, other, met, axis) for met in (SIDES if side is None else (side,))]
    gap, gap_at = max(gaps, key=lambda found: abs(found[0]))
    top_a, top_b = (
        tuple(c for c in party.clusters[:k] if side is None or c.type == side) for party in (one, other)
    )
    return Pair(
        a=one.name,
        b=other.name,
        side="both" if side is None else side,
        a_usd=a.band(),
        b_usd=b.band(),
        distance=earth_movers(a.price_usd, a.dollars[1], b.price_usd, b.dollars[1]),
        spread=spread(a.price_usd, a.dollars[1]),
        widest_gap_usd=gap,
        widest_gap_at_usd=gap_at,
        top_a=top_a,
        top_b=top_b,
        matches=tuple(matched(top_a, top_b, tolerance_pct)),
    )


def _gap(one: Party, other: Party, side: Side, axis: Axis) -> tuple[float, float]:
    """Dollars count where the price leaves their bucket: within it nobody knows where an estimate's lie."""
    a, b = one.points.of(side), other.points.of(side)
    left = [axis.edge(places_of(points, axis) + (side == "short")) for points in (a, b)]
    return widest_gap(left[0], a.dollars[1], left[1], b.dollars[1], falling=side == "long")
