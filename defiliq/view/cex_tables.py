"""A comparison's tables as texts, one for a terminal, Markdown and a page alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from defiliq.cex.consensus import dollars_at, is_near
from defiliq.view.cex_compare_words import (
    ESTIMATED,
    EXACT,
    band_words,
    explained,
    in_order,
    when,
)
from defiliq.view.cex_words import UNKNOWN
from defiliq.view.charts import compact
from defiliq.view.heat_rows import distance_shown, price_shown
from defiliq.view.report_parts import Grid
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    from defiliq.cex.compare import Comparison
    from defiliq.cex.consensus import Level
    from defiliq.cex.levels import Estimate
    from defiliq.cex.pairs import Pair
    from defiliq.cex.parties import Party

HAS = "◆"
"""Stands before the dollars of who has a cluster at the level."""
NONE = "none"


def party_grid(comparison: Comparison, estimates: Sequence[Estimate] = ()) -> Grid:
    """Who is compared: what is known of it, what it holds within the window, how much that explains."""
    told = dict(zip((one.name for one in comparison.venues), in_order(estimates), strict=False))
    rows = []
    for party in comparison.parties:
        known = EXACT if party.kind == "chain" else ESTIMATED
        share = explained(told[party.name]) if party.name in told else ""
        own = price_shown(party.own_spot_usd, comparison.axis.driver)
        bands = (band_words(party.points.of(side).band()) for side in ("long", "short"))
        rows.append((clean(party.name), known, *bands, share, own, when(party.at)))
    columns = ("Party", "Known", "Longs", "Shorts", "Open interest explained", "Spot", "Time")
    return Grid(columns, tuple(rows))


def level_grid(comparison: Comparison) -> Grid:
    """The levels that anybody names, from the highest down: everybody's dollars there, and who agrees."""
    parties = comparison.parties
    rows = []
    for level in sorted(named_levels(comparison), key=lambda one: -one.cluster.price_usd):
        cluster = level.cluster
        rows.append(
            (
                price_shown(cluster.price_usd, comparison.axis.driver),
                cluster.type,
                distance_shown(cluster.distance_pct),
                *(_held(comparison, party, level) for party in parties),
                _label(comparison, level),
            )
        )
    names = tuple(clean(party.name) for party in parties)
    return Grid(("Level", "Side", "Distance", *names, "Consensus"), tuple(rows))


def named_levels(comparison: Comparison) -> list[Level]:
    """Every party's largest clusters, those of all venues together first, each level once."""
    order = {"sum": 0, "chain": 1, "venue": 2}
    kinds = {party.name: order[party.kind] for party in comparison.parties}
    kept: list[Level] = []
    ranked = sorted(comparison.levels, key=lambda one: (kinds[one.name], -one.cluster.magnitude_usd))
    for level in ranked:
        one = level.cluster
        if not any(
            other.cluster.type == one.type
            and is_near(other.cluster.price_usd, one.price_usd, comparison.tolerance_pct)
            for other in kept
        ):
            kept.append(level)
    return kept


def _held(comparison: Comparison, party: Party, level: Level) -> str:
    """What a party holds within tolerance of a level, marked where it has a cluster there."""
    price, side = level.cluster.price_usd, level.cluster.type
    mid = dollars_at(party, price, side, comparison.tolerance_pct)[1]
    has = any(
        c.type == side and is_near(min(max(price, c.low_usd), c.high_usd), price, comparison.tolerance_pct)
        for c in party.clusters
    )
    return f"{HAS if has else ''}{compact(mid)}"


def _label(comparison: Comparison, level: Level) -> str:
    """Of a level of all venues together, who of all has it; else who of the others."""
    found = level.agreement
    if found.label is None:
        return UNKNOWN
    if level.name == "sum":
        return f"{len(found.agreeing)} of {len(found.asked)}"
    return f"{len(found.agreeing) + 1} of {len(found.asked) + 1}"


def chain_grid(comparison: Comparison) -> Grid | None:
    """What the exact ladder does at the levels that the venues name together; None without one of the two."""
    whole = comparison.estimated
    if comparison.chain is None or whole is None:
        return None
    driver = comparison.axis.driver
    rows = []
    for level in comparison.levels:
        there = level.on_chain
        if level.name != whole.name or there is None:
            continue
        cluster, beyond = level.cluster, there.next
        rows.append(
            (
                f"{price_shown(cluster.price_usd, driver)} {cluster.type}",
                band_words(level.estimated_usd),
                f"${compact(there.at_usd)} ({there.at_accounts:,})",
                ratio_words(level.per_estimated),
                f"${compact(there.before_usd)} ({there.before_accounts:,})",
                NONE
                if beyond is None
                else f"{price_shown(beyond.price_usd, driver)} ${compact(beyond.magnitude_usd)}",
            )
        )
    columns = ("Venues' level", "Estimated there", "Chain there", "Chain per $", "Chain before", "Chain next")
    return Grid(columns, tuple(rows))


def pair_grid(comparison: Comparison) -> Grid:
    """Every two parties, over both sides: dollars, how far apart, how many of the largest clusters match."""
    rows = []
    for pair in comparison.pairs:
        if pair.side != "both":
            continue
        longs, shorts = (comparison.pair(pair.a, pair.b, side).moved_pct for side in ("long", "short"))
        rows.append(
            (
                f"{clean(pair.a)} / {clean(pair.b)}",
                ratio_words(pair.a_per_b),
                *(moved_words(moved) for moved in (longs, shorts, pair.moved_pct)),
                _per_spread(pair.moved_per_spread),
                _matches(pair),
                _gap(pair, comparison.axis.driver),
            )
        )
    columns = (
        *("Pair", "$ per $", "Longs apart", "Shorts apart", "Both apart", "Per spread"),
        *("Clusters matched", "Widest gap"),
    )
    return Grid(columns, tuple(rows))


def moved_words(moved_pct: float) -> str:
    """How far a dollar of one is on average from where the other has it."""
    return NONE if math.isnan(moved_pct) else f"{moved_pct:.2f}%"


def _per_spread(value: float) -> str:
    """No end where the first one's dollars all lie at one price and the other's do not."""
    return NONE if math.isnan(value) else "no end" if math.isinf(value) else f"{value:.2f}"


def ratio_words(band: Sequence[float]) -> str:
    """Dollars of one per dollar of the other: 0.04 (0.02 to 0.08)."""
    low, mid, high = band
    if math.isnan(mid):
        return NONE
    if low == mid == high:
        return _ratio(mid)
    return f"{_ratio(mid)} ({_ratio(low)} to {_ratio(high)})"


def _ratio(value: float) -> str:
    return (
        "no end"
        if math.isinf(value)
        else "?"
        if math.isnan(value)
        else f"{value:.2g}"
        if value < 10
        else compact(value)
    )


def _matches(pair: Pair) -> str:
    """How many of the two's clusters are the same, and which part of all of them that is."""
    if not (pair.top_a or pair.top_b):
        return "no clusters"
    return f"{len(pair.matches)} of {len(pair.top_a)} and {len(pair.top_b)} ({100 * pair.jaccard:.0f}%)"


def _gap(pair: Pair, driver: str) -> str:
    """Where the cumulative curves are furthest apart: the second party's less the first's."""
    if math.isnan(pair.widest_gap_at_usd):
        return NONE
    sign = "+" if pair.widest_gap_usd > 0 else "-"
    return f"{sign}${compact(abs(pair.widest_gap_usd))} at {price_shown(pair.widest_gap_at_usd, driver)}"
