"""How closely clusters stand behind each other, and which side's is the stronger one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from defiliq.model.clusters import Cluster
from defiliq.model.magnet import TIMES_STRONGER
from defiliq.types import Side

HIGH_BELOW_PCT, MODERATE_BELOW_PCT = 2, 5

Direction: TypeAlias = Literal["down", "up"]
RiskLabel: TypeAlias = Literal["high", "moderate", "low"]
Asymmetry: TypeAlias = Literal["upside_stronger", "downside_stronger", "balanced"]


@dataclass(frozen=True, slots=True)
class CascadeRisk:
    """Whether one cluster's liquidations may carry the price to the next."""

    direction: Direction
    label: RiskLabel
    clusters: int
    """Clusters of the direction's side beyond spot."""
    smallest_gap_pct: float | None
    """Between two that follow each other, in percent of spot; None with fewer than two."""
    stack: tuple[Cluster, ...] = ()
    """Those around the smallest gap, each less than 5% of spot from the next; from spot outwards."""

    @property
    def stacked(self) -> int:
        """How many are."""
        return len(self.stack)

    @property
    def stacked_within_pct(self) -> float | None:
        """How far from spot the furthest of them is; None where none is."""
        return abs(self.stack[-1].distance_pct) if self.stack else None


def cascade_risk(spot_usd: float, clusters: Sequence[Cluster], direction: Direction) -> CascadeRisk:
    """The label by the smallest gap of clusters that follow each other: below 2% of spot high, below 5%
    moderate, else low; fewer than two: low. Downwards, long clusters below spot count; upwards,
    short ones above.
    """
    side: Side = "long" if direction == "down" else "short"
    is_down = direction == "down"
    relevant = sorted(
        (
            c
            for c in clusters
            if c.type == side and (c.price_usd < spot_usd if is_down else c.price_usd > spot_usd)
        ),
        key=lambda c: (-c.price_usd if is_down else c.price_usd, -c.magnitude_usd),
    )
    gaps = [abs(one.price_usd - other.price_usd) / spot_usd * 100 for one, other in pairwise(relevant)]
    if not gaps:
        return CascadeRisk(direction, "low", len(relevant), None)
    first, last = _close_around(gaps, gaps.index(min(gaps)))
    return CascadeRisk(direction, _label(min(gaps)), len(relevant), min(gaps), tuple(relevant[first:last]))


def strongest(spot_usd: float, clusters: Sequence[Cluster]) -> tuple[Cluster | None, Cluster | None]:
    """The largest cluster above spot, and the largest below; of equal ones, the nearer."""

    def rank(cluster: Cluster) -> tuple[float, float]:
        return cluster.magnitude_usd, -abs(cluster.price_usd - spot_usd)

    above = [cluster for cluster in clusters if cluster.price_usd > spot_usd]
    below = [cluster for cluster in clusters if cluster.price_usd < spot_usd]
    return max(above, key=rank, default=None), max(below, key=rank, default=None)


def asymmetry(spot_usd: float, clusters: Sequence[Cluster]) -> Asymmetry | None:
    """Which side's strongest cluster is more than twice the other's, or the only one; None without any."""
    above, below = strongest(spot_usd, clusters)
    if above is None and below is None:
        return None
    if below is None or (above is not None and above.magnitude_usd > below.magnitude_usd * TIMES_STRONGER):
        return "upside_stronger"
    if above is None or below.magnitude_usd > above.magnitude_usd * TIMES_STRONGER:
        return "downside_stronger"
    return "balanced"


def _close_around(gaps: Sequence[float], smallest: int) -> tuple[int, int]:
    """The first cluster, and the one after the last, that only close gaps part from the smallest one."""
    if gaps[smallest] >= MODERATE_BELOW_PCT:
        return 0, 0
    first = last = smallest
    while first > 0 and gaps[first - 1] < MODERATE_BELOW_PCT:
        first -= 1
    while last + 1 < len(gaps) and gaps[last + 1] < MODERATE_BELOW_PCT:
        last += 1
    return first, last + 2


def _label(gap_pct: float) -> RiskLabel:
    if gap_pct < HIGH_BELOW_PCT:
        return "high"
    return "moderate" if gap_pct < MODERATE_BELOW_PCT else "low"
