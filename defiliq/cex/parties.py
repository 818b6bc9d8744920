"""The parties of a comparison on one price axis: the chain, each venue's estimate, and the venues' sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defiliq.cex.history import Floats, Int64s
from defiliq.cex.levels import Estimate
from defiliq.errors import InputError
from defiliq.ladder import as_table
from defiliq.model.axis import SOURCE_COLUMNS
from defiliq.model.clusters import Cluster, find_clusters
from defiliq.model.heat import SIDES, Heat, bucket_places, sum_buckets
from defiliq.model.metrics import DOLLARS
from defiliq.types import Side

Bools: TypeAlias = NDArray[np.bool_]
Kind: TypeAlias = Literal["chain", "venue", "sum"]
CHAIN, SUM = "chain", "sum"
"""What the two parties are called that are no venue."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Prices on which all parties stand, in buckets that start at spot; as `Heat` has them."""

    driver: str
    spot_usd: float
    step_pct: float
    within_pct: float
    """What is further from spot is left out."""
    min_share_pct: float = 1.0
    """From which share of what its side holds on a bucket is heavy, so that clusters are made of it."""

    @property
    def ratio(self) -> float:
        """What lies between the two edges of a bucket."""
        return 1.0 + self.step_pct / 100.0

    def edges(self, first: int, end: int) -> Floats:
        """(end - first + 1,) prices from the bucket `first` up to `end`; 0 is the first above spot."""
        return self.edge(np.arange(first, end + 1))

    def edge(self, bucket: Int64s) -> Floats:
        """The low edges of some buckets."""
        edges: Floats = self.spot_usd * np.exp(bucket * math.log(self.ratio))
        return edges


@dataclass(frozen=True, slots=True)
class Points:
    """Dollars at prices: columns of equal length."""

    price_usd: Floats
    is_long: Bools
    dollars: Floats
    """(3, n): low, mid, high. What is known has three equal rows."""
    accounts: Int64s
    """Who is liquidated there; 0 where that is not known."""

    def within(self, axis: Axis) -> Points:
        """Those that are in the window and hold something."""
        distance_pct = 100 * np.abs(self.price_usd - axis.spot_usd) / axis.spot_usd
        return self.where((distance_pct <= axis.within_pct) & (self.dollars[2] > 0))

    def of(self, side: Side | None) -> Points:
        """One side's, or both sides' where it is None."""
        return self if side is None else self.where(self.is_long == (side == "long"))

    def where(self, kept: Bools) -> Points:
        """Those that are kept."""
        return Points(self.price_usd[kept], self.is_long[kept], self.dollars[:, kept], self.accounts[kept])

    def band(self) -> tuple[float, float, float]:
        """(low, mid, high) dollars of all."""
        low, mid, high = (math.fsum(row) for row in self.dollars)
        return low, mid, high


@dataclass(frozen=True, slots=True)
class Party:
    """One whose liquidations are compared."""

    name: str
    """`chain`, a venue (with its contract where there are several of it), or `sum`."""
    kind: Kind
    at: int | None
    """The time it is of; of several, the latest. None where it has none."""
    own_spot_usd: float
    """Where its own price stands."""
    points: Points
    """On the axis and within its window; of an estimate's bucket, the dollars stand in its middle."""
    heat: Heat
    """The same in the axis' buckets, the middle of the band."""
    clusters: tuple[Cluster, ...]
    """Of `heat`, the largest first."""

    @property
    def holds_something(self) -> bool:
        """Whether there is a dollar to compare."""
        return bool(self.points.dollars[2].sum() > 0)


def venue_names(estimates: Sequence[Estimate]) -> list[str]:
    """What each is called: its venue, with the contract where a venue has several."""
    venues = [one.instrument.venue for one in estimates]
    return [
        venue if venues.count(venue) == 1 else f"{venue} {one.instrument.symbol}"
        for venue, one in zip(venues, estimates, strict=True)
    ]


def chain_party(heat: Heat, axis: Axis) -> Party:
    """The exact ladder. Its buckets stay as they are where they have the axis' width.

    What is liquidatable at spot already is in no bucket, and in no comparison.
    """
    table = heat.buckets
    sizes = table["size_usd"].fillna(0.0).to_numpy(dtype=np.float64)
    points = Points(
        table["price_usd"].to_numpy(dtype=np.float64),
        (table["side"] == "long").to_numpy(dtype=np.bool_),
        np.array([sizes] * 3).reshape(3, len(sizes)),
        table["accounts"].to_numpy(dtype=np.int64),
    )
    stamps = heat.sources["block_timestamp"]
    at = int(stamps.max()) if len(stamps) else None
    return Party(CHAIN, "chain", at, heat.spot_usd, points.within(axis), heat, _clusters(heat, axis))


def venue_party(name: str, estimate: Estimate, axis: Axis, *, by_distance: bool) -> Party:
    """An estimate on the axis; `by_distance`, its prices are moved to where its own spot is the axis'."""
    points = _points_of(estimate, axis.spot_usd / estimate.spot_usd if by_distance else 1.0)
    return _estimated(name, "venue", estimate.at, estimate.spot_usd, points.within(axis), axis)


def sum_party(venues: Sequence[Party], axis: Axis) -> Party:
    """All venues together: low with low, high with high, as if all of them erred to the same side."""
    parts = [venue.points for venue in venues]
    points = Points(
        np.concatenate([part.price_usd for part in parts]),
        np.concatenate([part.is_long for part in parts]),
        np.concatenate([part.dollars for part in parts], axis=1),
        np.concatenate([part.accounts for part in parts]),
    )
    at = max(venue.at for venue in venues if venue.at is not None)
    return _estimated(SUM, "sum", at, axis.spot_usd, points, axis)


def places_of(points: Points, axis: Axis) -> Int64s:
    """Which bucket of the axis each point lies in; 0 is the first above spot."""
    return bucket_places(points.price_usd, points.is_long, axis.spot_usd, axis.ratio)


def _estimated(name: str, kind: Kind, at: int, own_spot: float, points: Points, axis: Axis) -> Party:
    held = points.dollars[1] > 0
    buckets = sum_buckets(
        points.price_usd[held],
        points.dollars[1][held],
        points.is_long[held],
        axis.spot_usd,
        axis.step_pct,
    ).assign(accounts=0)
    sources: pd.DataFrame = as_table([], SOURCE_COLUMNS)
    heat = Heat(axis.driver, axis.spot_usd, DOLLARS, axis.step_pct, buckets, 0.0, 0.0, 0, 0, sources)
    return Party(name, kind, at, own_spot, points, heat, _clusters(heat, axis))


def _clusters(heat: Heat, axis: Axis) -> tuple[Cluster, ...]:
    return find_clusters(heat, within_pct=axis.within_pct, min_share_pct=axis.min_share_pct)


def _points_of(estimate: Estimate, times: float) -> Points:
    """An estimate's buckets as points, every price `times` what it is.

    A bucket's dollars stand in its middle in logarithm; of the bucket that holds spot, in the middle of the
    part in which the side can still be liquidated.
    """
    if not len(estimate.bucket):
        return Points(np.zeros(0), np.zeros(0, np.bool_), np.zeros((3, 0)), np.zeros(0, np.int64))
    edges, spot = estimate.edges_usd, estimate.spot_usd
    prices, sides, bands = [], [], []
    for side in SIDES:
        band = np.array(estimate.band(side))
        if not (np.isfinite(band).all() and (band >= 0).all()):
            raise InputError(
                f"the estimate of {estimate.instrument.venue} {estimate.instrument.symbol} holds dollars "
                "that are no number, below 0 or without end."
            )
        low, high = edges[:-1].copy(), edges[1:].copy()
        is_spots = (low < spot) & (spot < high)
        (high if side == "long" else low)[is_spots] = spot
        prices.append(times * np.sqrt(low * high))
        sides.append(np.full(len(low), side == "long"))
        bands.append(band)
    dollars = np.concatenate(bands, axis=1)
    return Points(
        np.concatenate(prices), np.concatenate(sides), dollars, np.zeros(dollars.shape[1], np.int64)
    )
