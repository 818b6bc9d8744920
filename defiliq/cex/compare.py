"""The comparison: exact ladders of the chain beside what is estimated of centralised exchanges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Literal, TypeAlias

import numpy as np

from defiliq.cex.consensus import Agreement, Level, agreement_at, build_levels
from defiliq.cex.history import Floats
from defiliq.cex.levels import Estimate
from defiliq.cex.pairs import Pair, Sides, build_pairs
from defiliq.cex.parties import Axis, Party, chain_party, places_of, sum_party, venue_names, venue_party
from defiliq.errors import InputError
from defiliq.model.axis import MOST_APART_S
from defiliq.model.heat import DEFAULT_STEP_PCT, Heat
from defiliq.model.metrics import DOLLARS
from defiliq.types import Side

By: TypeAlias = Literal["price", "distance"]
WITHIN_PCT = 50.0
TOP_K = 5
TOLERANCE_PCT = 0.5
"""So far apart two clusters may be and still are the same level: two buckets of the default width."""
MOST_SPOTS_APART_PCT = 2.0
"""Spots of one asset at one time differ by fractions of a percent, quarterly futures by a bit more."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Who holds what on one price axis, how much alike they are, and on which levels they agree."""

    asset: str
    axis: Axis
    by: By
    """price: everything stands at its own price. distance: all spots are put where the axis' spot is."""
    k: int
    tolerance_pct: float
    on_chain: Heat | None
    parties: tuple[Party, ...]
    """The chain if it was given, the venues by name, and their sum where there are several."""
    levels: tuple[Level, ...]
    """The `k` largest clusters of every party, by party and rank."""
    pairs: tuple[Pair, ...]
    """Every two parties, in their order; of each longs, shorts and both."""
    places: tuple[int, int]
    """The first bucket that holds something and the one after the last; 0 is the first above spot."""
    faults: tuple[str, ...]
    """What is missing or does not belong together, one sentence each; each makes the result incomplete."""

    @property
    def edges_usd(self) -> Floats:
        """(b + 1,) prices between the buckets of the axis."""
        return self.axis.edges(*self.places)

    @property
    def chain(self) -> Party | None:
        """The exact ladder."""
        return next((one for one in self.parties if one.kind == "chain"), None)

    @property
    def venues(self) -> tuple[Party, ...]:
        """The estimates, by name."""
        return tuple(one for one in self.parties if one.kind == "venue")

    @property
    def estimated(self) -> Party | None:
        """All venues together; the only one where there is one; None without any."""
        return self.parties[-1] if self.venues else None

    def band(self, party: Party, side: Side) -> Floats:
        """(3, b) dollars of a party's side in the buckets of the axis: low, mid, high."""
        points = party.points.of(side)
        first, end = self.places
        summed = np.zeros((3, end - first))
        where = places_of(points, self.axis) - first
        for row, dollars in zip(summed, points.dollars, strict=True):
            np.add.at(row, where, dollars)
        return summed

    def cumulative(self, party: Party, side: Side) -> Floats:
        """(3, b) what has broken of a party's side once the price has come through a bucket, from spot out.

        Longs are met falling from the highest price down, shorts rising.
        """
        band = self.band(party, side)
        return np.cumsum(band[:, ::-1], axis=1)[:, ::-1] if side == "long" else np.cumsum(band, axis=1)

    def pair(self, a: str, b: str, side: Sides) -> Pair:
        """Two parties by name, in the order of `parties`. KeyError where there is no such pair."""
        for one in self.pairs:
            if (one.a, one.b, one.side) == (a, b, side):
                return one
        raise KeyError((a, b, side))

    def agreement(self, name: str, price_usd: float, side: Side) -> Agreement:
        """Who but `name` has a cluster near any price of the axis."""
        return agreement_at(self.parties, name, price_usd, side, self.tolerance_pct)


def compare(
    on_chain: Heat | None,
    estimates: Sequence[Estimate],
    *,
    step_pct: float = DEFAULT_STEP_PCT,
    within_pct: float = WITHIN_PCT,
    k: int = TOP_K,
    tolerance_pct: float = TOLERANCE_PCT,
    by: By = "price",
    spots_apart_pct: float = MOST_SPOTS_APART_PCT,
    min_share_pct: float = 1.0,
) -> Comparison:
    """The ladder and the estimates on one axis, within `within_pct` of spot, in buckets of `step_pct`.

    The axis' spot is the chain's; without a ladder the median of the venues'. Clusters are as `find_clusters`
    finds them with `min_share_pct`, and two of one side within `tolerance_pct` are the same level. Times that
    are far apart, empty estimates and what estimates lack are faults. No order of estimates matters.
    InputError where there is nothing to compare, where assets or money differ, where a contract is given
    twice, and, unless `by` distance, where spots are more than `spots_apart_pct` apart.
    """
    _refuse_settings(step_pct, within_pct, k, tolerance_pct, by, spots_apart_pct)
    ordered = sorted(estimates, key=lambda one: (one.instrument.venue, one.instrument.symbol))
    _refuse_what_differs(on_chain, ordered)
    named = list(zip(venue_names(ordered), ordered, strict=True))
    ladder = on_chain if on_chain is not None and len(on_chain.sources) else None
    axis = Axis(*_driver_and_spot(ladder, ordered), step_pct, within_pct, min_share_pct)
    asset = ordered[0].instrument.asset if ordered else axis.driver.split("/")[0]
    venues = [venue_party(name, one, axis, by_distance=by == "distance") for name, one in named]
    known = [*([] if ladder is None else [chain_party(ladder, axis)]), *venues]
    if by == "price":
        _refuse_spots_apart(asset, known, spots_apart_pct)
    parties = (*known, *([sum_party(venues, axis)] if len(venues) > 1 else []))
    return Comparison(
        asset=asset,
        axis=axis,
        by=by,
        k=k,
        tolerance_pct=tolerance_pct,
        on_chain=ladder,
        parties=parties,
        levels=build_levels(parties, k=k, tolerance_pct=tolerance_pct),
        pairs=build_pairs(parties, axis, k=k, tolerance_pct=tolerance_pct),
        places=_places(parties, axis),
        faults=tuple(_faults(on_chain, named, known)),
    )


def _driver_and_spot(ladder: Heat | None, estimates: Sequence[Estimate]) -> tuple[str, float]:
    if ladder is not None:
        return ladder.driver, ladder.spot_usd
    return estimates[0].driver, median(one.spot_usd for one in estimates)


def _places(parties: Sequence[Party], axis: Axis) -> tuple[int, int]:
    """The stretch of buckets that hold anything of anyone; the two beside spot where none does."""
    found = np.concatenate([places_of(party.points, axis) for party in parties])
    return (int(found.min()), int(found.max()) + 1) if len(found) else (-1, 1)


def _faults(
    on_chain: Heat | None, named: Sequence[tuple[str, Estimate]], parties: Sequence[Party]
) -> Iterator[str]:
    if on_chain is not None and on_chain.sources.empty:
        yield "chain: the ladder is of no market, so the venues stand alone."
    elif on_chain is not None:
        failed = int(on_chain.sources["failed"].fillna(0).sum())
        if failed:
            yield f"chain: {failed} accounts could not be read."
        if on_chain.untold:
            yield f"chain: the size of {on_chain.untold} rungs is not known; they count as no dollars."
    for name, one in named:
        yield from (f"{name}: {fault}" for fault in one.faults)
    if not named:
        yield "there is no estimate of any venue beside the chain."
    for party in parties:
        if not party.holds_something:
            yield f"{party.name}: no dollars within the window, so it agrees and disagrees with nobody."
    timed = sorted((party.at, party.name) for party in parties if party.at is not None)
    if timed and timed[-1][0] - timed[0][0] > MOST_APART_S:
        (first, early), (last, late) = timed[0], timed[-1]
        yield f"{early} is of {_minute(first)} and {late} of {_minute(last)}, {_span(last - first)} later."


def _refuse_settings(
    step_pct: float, within_pct: float, k: int, tolerance_pct: float, by: By, spots_apart_pct: float
) -> None:
    if not (0 < step_pct < math.inf and 0 < within_pct < math.inf):
        raise InputError(
            f"a comparison needs buckets and a window above 0%, not {step_pct}% and {within_pct}%."
        )
    if k < 1 or not (0 <= tolerance_pct < math.inf and spots_apart_pct >= 0):
        raise InputError(
            "a comparison needs at least one cluster, and tolerances of at least 0%, "
            f"not {k}, {tolerance_pct}% and {spots_apart_pct}%."
        )
    if by not in ("price", "distance"):
        raise InputError(f"ladders and estimates are compared by price or by distance, not by {by!r}.")


def _refuse_what_differs(on_chain: Heat | None, estimates: Sequence[Estimate]) -> None:
    """InputError unless all are of one asset in dollars, each once, with a price."""
    if not estimates and (on_chain is None or on_chain.sources.empty):
        raise InputError("there is nothing to compare: no ladder of the driver and no estimate of a venue.")
    if on_chain is not None and on_chain.base_symbol not in ("", DOLLARS):
        raise InputError(
            f"the ladder counts in {on_chain.base_symbol} and estimates in {DOLLARS}. "
            "Give one of a market that counts in dollars."
        )
    for one in estimates:
        if not (0 < one.spot_usd < math.inf):
            raise InputError(f"the estimate of {_contract(one)} has no spot price: {one.spot_usd}.")
        if one.instrument.asset.casefold() != estimates[0].instrument.asset.casefold():
            raise InputError(
                f"{_contract(estimates[0])} and {_contract(one)} are of different assets. Give those of one."
            )
    for one, other in pairwise(estimates):
        if _contract(one) == _contract(other):
            raise InputError(f"{_contract(one)} is given twice. Give each contract once.")


def _refuse_spots_apart(asset: str, parties: Sequence[Party], most_pct: float) -> None:
    low = min(parties, key=lambda one: one.own_spot_usd)
    high = max(parties, key=lambda one: one.own_spot_usd)
    apart_pct = 100 * (high.own_spot_usd - low.own_spot_usd) / low.own_spot_usd
    if apart_pct > most_pct:
        raise InputError(
            f"{asset} stands at {low.own_spot_usd:.6g} on {low.name} and at {high.own_spot_usd:.6g} on "
            f"{high.name}, {apart_pct:.3g}% apart: that is no one price axis. Compare by distance from spot "
            "(--by distance)."
        )


def _contract(estimate: Estimate) -> str:
    return f"{estimate.instrument.venue} {estimate.instrument.symbol}"


def _minute(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _span(seconds: int) -> str:
    """A time in the largest unit of which it has two."""
    for unit, length in (("days", 86_400), ("hours", 3_600)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds // 60} minutes"
