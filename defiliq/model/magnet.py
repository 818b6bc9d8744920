"""Magnets: towards which side the dollars pull, and where there is little between them.

A score of what lies there, never a probability of where the price goes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, TypeAlias

from defiliq.errors import InputError
from defiliq.model.clusters import Cluster
from defiliq.model.heat import Heat

TIMES_STRONGER = 2
"""A side pulls where its cluster is more than so many times the other one."""
DEFAULT_REACH = 0.05
"""How far in the logarithm of price a dollar's pull falls to 1/e."""

MagnetLabel: TypeAlias = Literal["upward_magnet", "downward_magnet", "balanced"]


@dataclass(frozen=True, slots=True)
class Magnet:
    """What pulls on the price from above and from below."""

    label: MagnetLabel | None
    """By the nearest cluster on each side; None where a side has none."""
    nearest_above: Cluster | None
    nearest_below: Cluster | None
    pull_up: float
    """Dollars above spot, each weighted by exp(-|ln(price / spot)| / h)."""
    pull_down: float
    imbalance: float
    """(up - down) / (up + down), from -1 to 1; NaN where nothing pulls."""
    h: float


@dataclass(frozen=True, slots=True)
class Vacuum:
    """A stretch between two neighbouring clusters in which little breaks."""

    low_usd: float
    high_usd: float
    width_pct: float
    """Of spot."""
    inside_usd: float
    """What breaks in it."""
    below: Cluster
    above: Cluster
    holds_spot: bool


def find_magnet(heat: Heat, clusters: Sequence[Cluster], h: float = DEFAULT_REACH) -> Magnet:
    """Which side pulls: by the nearest clusters, and by all buckets weighted with distance.

    The label compares the magnitudes of the nearest cluster above and the nearest below: more than twice the
    other makes a magnet, all else is balanced. What is liquidatable already or stands at spot does not pull.
    """
    if not (0 < h < math.inf):
        raise InputError(f"a pull cannot fall off over {h}. Give a distance above 0.")
    above, below = nearest(heat.spot_usd, clusters)
    up, down = _pull(heat, h, is_up=True), _pull(heat, h, is_up=False)
    imbalance = (up - down) / (up + down) if up + down > 0 else math.nan
    return Magnet(magnet_label(above, below), above, below, up, down, imbalance, h)


def nearest(spot_usd: float, clusters: Sequence[Cluster]) -> tuple[Cluster | None, Cluster | None]:
    """The nearest cluster above spot, and the nearest below; of equally near ones, the larger."""
    above = [cluster for cluster in clusters if cluster.price_usd > spot_usd]
    below = [cluster for cluster in clusters if cluster.price_usd < spot_usd]
    return (
        min(above, key=lambda c: (c.price_usd - spot_usd, -c.magnitude_usd), default=None),
        min(below, key=lambda c: (spot_usd - c.price_usd, -c.magnitude_usd), default=None),
    )


def magnet_label(above: Cluster | None, below: Cluster | None) -> MagnetLabel | None:
    """Which of two clusters is more than twice the other; None where one is missing."""
    if above is None or below is None:
        return None
    if above.magnitude_usd > below.magnitude_usd * TIMES_STRONGER:
        return "upward_magnet"
    if below.magnitude_usd > above.magnitude_usd * TIMES_STRONGER:
        return "downward_magnet"
    return "balanced"


def find_vacuums(
    heat: Heat,
    clusters: Sequence[Cluster],
    *,
    most_inside: float = 0.25,
    min_width_pct: float = 1.0,
) -> tuple[Vacuum, ...]:
    """The stretches between neighbouring clusters that hold little, from the lowest price up.

    Little is at most `most_inside` of the smaller of the two clusters; a stretch counts from `min_width_pct`
    of spot on.
    """
    by_price = sorted(clusters, key=lambda c: (c.low_usd, c.high_usd, c.type))
    # Sides of markets with other spots may overlap: what lies below is whichever reaches furthest up.
    reaching = accumulate(by_price, _reaching_further)
    found = []
    for below, above in zip(reaching, by_price[1:], strict=False):
        low, high = below.high_usd, above.low_usd
        width = 100 * (high - low) / heat.spot_usd
        inside = _between(heat, low, high)
        flank = min(below.magnitude_usd, above.magnitude_usd)
        if width > 0 and width >= min_width_pct and inside <= most_inside * flank:
            holds_spot = low <= heat.spot_usd <= high
            found.append(Vacuum(low, high, width, inside, below, above, holds_spot))
    return tuple(found)


def _reaching_further(one: Cluster, other: Cluster) -> Cluster:
    """Whichever ends at the higher price."""
    return max(one, other, key=lambda cluster: cluster.high_usd)


def _pull(heat: Heat, h: float, *, is_up: bool) -> float:
    """What the buckets of one direction hold, each less the further it is."""
    spot = heat.spot_usd
    buckets = heat.buckets[heat.buckets["size_usd"].notna()]
    return math.fsum(
        size * math.exp(-abs(math.log(price / spot)) / h)
        for price, size in zip(buckets["price_usd"].tolist(), buckets["size_usd"].tolist(), strict=True)
        if (price > spot if is_up else price < spot)
    )


def _between(heat: Heat, low: float, high: float) -> float:
    """What the buckets from one edge to another hold, of both sides."""
    buckets = heat.buckets
    inside = (buckets["price_low_usd"] >= low) & (buckets["price_high_usd"] <= high)
    return math.fsum(buckets["size_usd"][inside].dropna())
