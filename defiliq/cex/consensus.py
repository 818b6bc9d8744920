"""Consensus: who else has a cluster where one party has it, and what the exact ladder holds there.

A cluster that only one party sees lacks consensus: the signal may misfire.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from defiliq.cex.parties import Bools, Party, Points
from defiliq.model.clusters import Cluster
from defiliq.types import Side

Label: TypeAlias = Literal["consensus", "partial", "alone"]
Band: TypeAlias = tuple[float, float, float]
"""(low, mid, high)"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Who has a cluster at a price, of those who could."""

    label: Label | None
    """consensus: all who were asked; alone: none of them; None where nobody else is there to ask."""
    agreeing: tuple[str, ...]
    asked: tuple[str, ...]
    """The chain and every venue that holds any dollars, but whose cluster it is."""


@dataclass(frozen=True, slots=True)
class OnChain:
    """What the exact ladder holds around a level, of the level's side."""

    before_usd: float
    """Between spot and the level: what has broken when the price is there."""
    before_accounts: int
    at_usd: float
    """Within tolerance of the level."""
    at_accounts: int
    next: Cluster | None
    """The nearest cluster beyond it."""


@dataclass(frozen=True, slots=True)
class Level:
    """One party's cluster, among the others."""

    name: str
    """Whose it is."""
    rank: int
    """Among its own clusters of both sides, by magnitude; 1 is the largest."""
    cluster: Cluster
    agreement: Agreement
    estimated_usd: Band
    """What is estimated of all venues within tolerance of it, of its side; NaN without venues."""
    on_chain: OnChain | None
    """None where no ladder was given."""

    @property
    def per_estimated(self) -> Band:
        """Exact dollars on chain per estimated dollar at the level: at the most, the middle and the least
        that is estimated. NaN without a ladder or an estimate; infinite where nothing is estimated.
        """
        known = math.nan if self.on_chain is None else self.on_chain.at_usd
        return ratio_band((known, known, known), self.estimated_usd)


def is_near(one_usd: float, other_usd: float, tolerance_pct: float) -> bool:
    """Whether the higher of two prices is at most so many percent above the lower one."""
    high, low = max(one_usd, other_usd), min(one_usd, other_usd)
    return 100 * (high - low) <= tolerance_pct * low


def agreement_at(
    parties: Sequence[Party], name: str, price_usd: float, side: Side, tolerance_pct: float
) -> Agreement:
    """Which parties but `name` have a cluster of a side at a price: it lies between the cluster's edges, or
    within tolerance of one of them. Where the heaviest bucket of a wide cluster stands is a matter of luck.
    The sum of venues is not asked.
    """
    asked = [one for one in parties if one.kind != "sum" and one.name != name and one.holds_something]
    agreeing = tuple(
        one.name
        for one in asked
        if any(c.type == side and _reaches(c, price_usd, tolerance_pct) for c in one.clusters)
    )
    label: Label | None = None
    if asked:
        label = "alone" if not agreeing else "consensus" if len(agreeing) == len(asked) else "partial"
    return Agreement(label, agreeing, tuple(one.name for one in asked))


def _reaches(cluster: Cluster, price_usd: float, tolerance_pct: float) -> bool:
    nearest = min(max(price_usd, cluster.low_usd), cluster.high_usd)
    return is_near(nearest, price_usd, tolerance_pct)


def build_levels(parties: Sequence[Party], *, k: int, tolerance_pct: float) -> tuple[Level, ...]:
    """The `k` largest clusters of every party, by party and rank. The last one is all venues together, unless
    there are none.
    """
    chain = next((one for one in parties if one.kind == "chain"), None)
    estimated = parties[-1] if parties[-1].kind != "chain" else None
    levels = []
    for party in parties:
        for rank, cluster in enumerate(party.clusters[:k], start=1):
            price, side = cluster.price_usd, cluster.type
            levels.append(
                Level(
                    name=party.name,
                    rank=rank,
                    cluster=cluster,
                    agreement=agreement_at(parties, party.name, price, side, tolerance_pct),
                    estimated_usd=dollars_at(estimated, price, side, tolerance_pct),
                    on_chain=None if chain is None else on_chain_at(chain, price, side, tolerance_pct),
                )
            )
    return tuple(levels)


def on_chain_at(chain: Party, price_usd: float, side: Side, tolerance_pct: float) -> OnChain:
    """What the ladder holds of a side before, at and beyond a price. Buckets count whole, by their price."""
    points = chain.points.of(side)
    at = _are_near(points, price_usd, tolerance_pct)
    is_nearer = points.price_usd > price_usd if side == "long" else points.price_usd < price_usd
    before = is_nearer & ~at
    beyond = [
        c
        for c in chain.clusters
        if c.type == side
        and not is_near(c.price_usd, price_usd, tolerance_pct)
        and (c.price_usd < price_usd if side == "long" else c.price_usd > price_usd)
    ]
    return OnChain(
        before_usd=math.fsum(points.dollars[1][before]),
        before_accounts=int(points.accounts[before].sum()),
        at_usd=math.fsum(points.dollars[1][at]),
        at_accounts=int(points.accounts[at].sum()),
        next=min(beyond, key=lambda c: abs(c.price_usd - price_usd), default=None),
    )


def dollars_at(party: Party | None, price_usd: float, side: Side, tolerance_pct: float) -> Band:
    """(low, mid, high) of what a party holds of a side within tolerance of a price; NaN without a party."""
    if party is None:
        return math.nan, math.nan, math.nan
    points = party.points.of(side)
    return points.where(_are_near(points, price_usd, tolerance_pct)).band()


def matched(
    one: Sequence[Cluster], other: Sequence[Cluster], tolerance_pct: float
) -> list[tuple[Cluster, Cluster]]:
    """As many pairs of clusters of one side near each other as there can be, each cluster in one at most.

    Both are met from the lowest price up, and the lower of two that are too far apart has no partner left:
    along a line no other pairing has more.
    """
    pairs = []
    for side in ("long", "short"):
        ours = sorted((c for c in one if c.type == side), key=lambda c: c.price_usd)
        theirs = sorted((c for c in other if c.type == side), key=lambda c: c.price_usd)
        while ours and theirs:
            if is_near(ours[0].price_usd, theirs[0].price_usd, tolerance_pct):
                pairs.append((ours.pop(0), theirs.pop(0)))
            elif ours[0].price_usd < theirs[0].price_usd:
                ours.pop(0)
            else:
                theirs.pop(0)
    return pairs


def ratio_band(one: Band, other: Band) -> Band:
    """One per other: the least, the middle and the most that it can be. NaN for nothing per nothing."""
    return _per(one[0], other[2]), _per(one[1], other[1]), _per(one[2], other[0])


def _per(one: float, other: float) -> float:
    if other == 0:
        return math.inf if one > 0 else math.nan
    return one / other


def _are_near(points: Points, price_usd: float, tolerance_pct: float) -> Bools:
    high, low = np.maximum(points.price_usd, price_usd), np.minimum(points.price_usd, price_usd)
    near: Bools = 100 * (high - low) <= tolerance_pct * low
    return near
