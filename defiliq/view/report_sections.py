"""What a report says, in the order in which it says it; how it is written is not decided here.

Texts hold what chains call their tokens and markets: whoever writes them must escape them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from defiliq.model.cascade import frontier
from defiliq.view.cascade import PUBLISHED_BRANCHING, frontier_lines, summary_lines
from defiliq.view.charts import minute
from defiliq.view.heat_rows import (
    counted,
    distance_shown,
    heat_rows,
    money_shown,
    outside_words,
    price_shown,
)
from defiliq.view.report_parts import Grid, Item, Section
from defiliq.view.report_washout import change_item, change_notes
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    from defiliq.model.analysis import Analysis, KeyLevel
    from defiliq.model.clusters import Cluster
    from defiliq.model.heat import Heat
    from defiliq.model.metrics import Metrics
    from defiliq.model.risk import CascadeRisk

DISCLAIMER = "This report is for research only. It is not investment advice."
LEVELS = 20
"""So many key levels are listed; the rest is counted."""
_NONE = "none"
_NO_MAGNET = "none: it takes a cluster on both sides"
_LARGE = {
    "single": "single liquidations (what one transaction takes of one account) of",
    "bucket": "all that was liquidated of one side at about one price in a day, where that is",
}
_LEVEL_COLUMNS = (
    *("Price Level", "Type", "Est. Volume", "Distance from Current", "Priority", "Range", "Accounts"),
    "Impact",
)
_SOURCE_COLUMNS = (
    *("Market", "Chain", "Block", "Block hash", "Time", "Spot"),
    *("Levels", "Already", "Never", "Unknown size", "Failed reads"),
)


def title_of(analysis: Analysis) -> str:
    """Asset and day."""
    day = "no block" if analysis.at is None else minute(analysis.at)[:10]
    return f"Liquidation Analysis — {clean(analysis.heat.driver)} — {day}"


def sections_of(analysis: Analysis, beside: Sequence[Section] = ()) -> tuple[Section, ...]:
    """All sections of a report; `beside` are those of a comparison with centralised exchanges."""
    return (
        _overview(analysis),
        _levels(analysis),
        _summary(analysis),
        _risk(analysis),
        *([] if analysis.cascade is None and analysis.sweep is None else [_simulated(analysis)]),
        _support(analysis),
        _implications(analysis),
        *beside,
        _coverage(analysis),
        _limits(analysis, has_estimates=bool(beside)),
    )


def _overview(analysis: Analysis) -> Section:
    heading = f"Liquidation Overview ({analysis.settings.window_s / 3600:g}h)"
    items, grid, notes = _liquidated(analysis)
    if analysis.outstanding is not None:
        items = (*items, change_item(analysis.outstanding))
        notes = (*notes, *change_notes(analysis.outstanding))
    return Section(heading, items, grid, notes)


def _liquidated(analysis: Analysis) -> tuple[tuple[Item, ...], Grid | None, tuple[str, ...]]:
    """What was liquidated, as far as it is known: lines, by venue, and notes."""
    happened, unit = analysis.happened, analysis.heat.base_symbol
    if happened is None:
        return (), None, ("No liquidation events were given, so what was liquidated is not known.",)
    seen, notes = happened.metrics, [f"Events: {clean(happened.coverage)}."] if happened.coverage else []
    since, until = happened.searched_of_window
    if since >= until:
        said = "No part of these hours was searched, so what was liquidated in them is not known."
        return (), None, (*notes, said)
    if not happened.is_whole:
        part = f"from {minute(since)} to {minute(until)}"
        notes.append(f"Only a part of these hours was searched, {part}, so they have no market state.")
    total = f"{money_shown(seen.total_usd, unit)} in {counted(seen.liquidations, 'liquidation')}"
    items = [
        Item("Total liquidated", total),
        Item("Long liquidated", _part(seen.long_usd, seen.long_share_pct, unit)),
        Item("Short liquidated", _part(seen.short_usd, seen.short_share_pct, unit)),
        Item("Long/short ratio", _ratio(seen.long_short_ratio, seen.squeezed)),
        Item("Largest single", _largest(seen, unit)),
    ]
    if seen.state is not None:
        items.append(Item("Market state", f"{seen.state.label}. {seen.state.implication}."))
        notes.append("The state counts these liquidations alone, in bands made for the whole market.")
    if seen.untold:
        notes.append(f"Of unknown size, in no sum: {counted(seen.untold, 'liquidation')}.")
    if happened.unpriced_events:
        notes.append(f"Of unknown driver and money, left out: {counted(happened.unpriced_events, 'event')}.")
    if happened.other_events:
        notes.append(f"Of other drivers, left out: {counted(happened.other_events, 'event')}.")
    return tuple(items), _venues(seen.by_venue, unit), tuple(notes)


def _venues(table: pd.DataFrame, unit: str) -> Grid | None:
    """What was liquidated where."""
    rows = tuple(
        (
            f"{clean(row['protocol'])} {clean(row['market'])} ({clean(row['chain_id'])})",
            *(money_shown(row[f"{part}_usd"], unit) for part in ("total", "long", "short")),
            f"{row['share_pct']:.1f}%",
        )
        for row in table.to_dict("records")
    )
    return Grid(("Venue", "Total", "Long", "Short", "Share"), rows) if rows else None


def _part(size: float, share: float, unit: str) -> str:
    return money_shown(size, unit) + ("" if math.isnan(share) else f" ({share:.1f}%)")


def _ratio(ratio: float, squeezed: str | None) -> str:
    told = "undefined" if math.isnan(ratio) else "only longs" if math.isinf(ratio) else f"{ratio:.2f}"
    return f"{told}, {squeezed} squeezed" if squeezed else told


def _largest(seen: Metrics, unit: str) -> str:
    if seen.largest is None:
        return _NONE
    where = f"{clean(seen.largest['protocol'])} {clean(seen.largest['market'])}"
    whale = ", a whale's" if seen.is_whale else ""
    who = f"{clean(seen.largest['side'])}, account {clean(seen.largest['account'])}{whale}"
    return f"{money_shown(seen.largest_usd, unit)} [{where}], {who}"


def _levels(analysis: Analysis) -> Section:
    heat, found = analysis.heat, analysis.key_levels
    columns = _LEVEL_COLUMNS[: len(_LEVEL_COLUMNS) - (not analysis.depth)]
    rows = tuple(_level_row(level, heat)[: len(columns)] for level in found[:LEVELS])
    notes = ["No cluster stands out within the window."]
    if rows:
        volumes = "Volumes are sums over the positions of the block; none of them is guessed."
        notes = [f"Current price: {price_shown(heat.spot_usd, heat.driver)}.", volumes]
    if len(found) > len(rows):
        notes.append(f"Not listed: {counted(len(found) - len(rows), 'smaller level')}.")
    grid = Grid(columns, rows) if rows else None
    return Section("Key Liquidation Levels", (), grid, tuple(notes), ("heatmap", "ladder", "over-time"))


def _level_row(level: KeyLevel, heat: Heat) -> tuple[str, ...]:
    cluster = level.cluster
    low, high = (price_shown(price, heat.driver) for price in (cluster.low_usd, cluster.high_usd))
    impact = cluster.impact_pct
    return (
        price_shown(cluster.price_usd, heat.driver),
        f"{cluster.type.capitalize()} liq cluster",
        money_shown(cluster.magnitude_usd, heat.base_symbol),
        distance_shown(cluster.distance_pct),
        level.priority,
        f"{low} to {high}",
        f"{cluster.accounts:,}",
        "unknown" if math.isnan(impact) else "runs dry" if math.isinf(impact) else f"{impact:.2f}%",
    )


def _summary(analysis: Analysis) -> Section:
    heat, magnet, unit = analysis.heat, analysis.magnet, analysis.heat.base_symbol
    words = {"upside_stronger": "upside magnet stronger", "downside_stronger": "downside stronger"}
    lean = analysis.asymmetry
    items = [
        Item("Strongest upside magnet", _cluster_words(analysis.strongest_above, heat)),
        Item("Strongest downside magnet", _cluster_words(analysis.strongest_below, heat)),
        Item("Asymmetry", "no clusters" if lean is None else words.get(lean, lean)),
        Item("Nearest cluster above", _cluster_words(magnet.nearest_above, heat)),
        Item("Nearest cluster below", _cluster_words(magnet.nearest_below, heat)),
        Item("Magnet by those two", _NO_MAGNET if magnet.label is None else magnet.label.replace("_", " ")),
    ]
    if not math.isnan(magnet.imbalance):
        up, down = (money_shown(pull, unit) for pull in (magnet.pull_up, magnet.pull_down))
        reach = f"a dollar counts 1/e of itself {100 * magnet.h:g}% from spot"
        items.append(Item("Pull", f"up {up}, down {down}, imbalance {magnet.imbalance:+.2f} ({reach})"))
    for vacuum in analysis.vacuums:
        low, high = (price_shown(price, heat.driver) for price in (vacuum.low_usd, vacuum.high_usd))
        around = ", around the current price" if vacuum.holds_spot else ""
        inside = f"{vacuum.width_pct:.1f}% of spot, {money_shown(vacuum.inside_usd, unit)} inside"
        items.append(Item("Liquidity vacuum", f"{low} to {high} ({inside}){around}"))
    return Section("Heatmap Summary", tuple(items))


def _cluster_words(cluster: Cluster | None, heat: Heat) -> str:
    if cluster is None:
        return _NONE
    size = money_shown(cluster.magnitude_usd, heat.base_symbol)
    price = price_shown(cluster.price_usd, heat.driver)
    return f"{price} ({cluster.type} liquidation cluster, {size}, {distance_shown(cluster.distance_pct)})"


def _risk(analysis: Analysis) -> Section:
    risks = ((analysis.risk_down, "Downside"), (analysis.risk_up, "Upside"))
    items = tuple(Item(f"{name} cascade risk", _risk_words(risk)) for risk, name in risks)
    note = (
        "By the smallest gap between clusters in a row: below 2% of spot high, below 5% moderate, else low."
    )
    return Section("Cascade Risk", items, notes=(note,), pictures=("depth", "contagion"))


def _risk_words(risk: CascadeRisk) -> str:
    where = f"{'below' if risk.direction == 'down' else 'above'} current price"
    said = f"{risk.label} - {counted(risk.clusters, 'cluster')} {where}"
    if risk.smallest_gap_pct is not None:
        said += f", smallest gap {risk.smallest_gap_pct:.2f}%"
    if risk.stacked_within_pct is not None:
        said += f"; {risk.stacked} clusters stacked within {risk.stacked_within_pct:.1f}% {where}"
    return said


def _simulated(analysis: Analysis) -> Section:
    lines = [] if analysis.cascade is None else summary_lines(analysis.cascade)
    if analysis.sweep is not None:
        tried = analysis.sweep["shock_pct"]
        swept = f"shocks from {tried.min():+g}% to {tried.max():+g}% were tried"
        lines = [*lines, swept, *frontier_lines(*frontier(analysis.sweep))]
    notes = (*(f"{line[:1].upper()}{line[1:]}." for line in lines), "This is a simulation.")
    return Section("Simulated Cascade", notes=notes, pictures=("cascade", "sweep"))


def _support(analysis: Analysis) -> Section:
    heading, heat = "Post-Liquidation S/R Levels", analysis.heat
    if analysis.happened is None:
        return Section(heading, notes=("No liquidation events were given, so no such level is known.",))
    formed = (
        ("support", "long", analysis.happened.latest("support")),
        ("resistance", "short", analysis.happened.latest("resistance")),
    )
    items = []
    for kind, side, level in formed:
        said = _NONE
        if level is not None:
            size = f"{side} liquidation wipeout of {money_shown(level['strength_usd'], heat.base_symbol)}"
            said = f"{price_shown(level['price_usd'], heat.driver)} ({size} on {clean(level['date'])})"
        items.append(Item(f"Recent {kind} formed", said))
    least = money_shown(analysis.settings.large_usd, heat.base_symbol)
    return Section(
        heading, tuple(items), notes=(f"From {_LARGE[analysis.settings.sr_by]} more than {least}.",)
    )


def _implications(analysis: Analysis) -> Section:
    implied = analysis.implications
    items = (
        Item("Bias", clean(implied.bias_text)),
        Item("Risk", clean(implied.risk_text)),
        Item("Key level", clean(implied.key_level_text)),
    )
    note = "These describe where liquidations lie. They are no forecast and no probability."
    return Section("Trading Implications", items, notes=(note,))


def _coverage(analysis: Analysis) -> Section:
    heat, chosen = analysis.heat, analysis.settings
    rows = tuple(_source_row(row, heat.driver) for row in heat.sources.to_dict("records"))
    notes = ["No ladder had a row, so nothing is known."]
    if rows:
        shown = heat_rows(heat, within_pct=chosen.within_pct)
        notes = [f"The window is {chosen.within_pct:g}% around the current price."]
        notes += outside_words(heat, shown)
    if analysis.failed_accounts is None:
        notes.append("Not every ladder tells how many accounts could not be read.")
    if analysis.unresolved:
        left_out = f"{counted(analysis.unresolved, 'level')} decided by rounding alone"
        notes.append(f"Incomplete: {left_out}, in no table above.")
    depth = f"Market depth: {clean(analysis.depth)}."
    notes.append(depth if analysis.depth else "No market depth was given, so impacts are not known.")
    notes.append(
        f"Buckets are {chosen.step_pct:g}% wide; from {chosen.min_share_pct:g}% of its side on one is heavy; "
        f"clusters are divided at dips below {chosen.valley:.2f} of their peaks."
    )
    grid = Grid(_SOURCE_COLUMNS, rows) if rows else None
    return Section("Coverage and Provenance", grid=grid, notes=tuple(notes))


def _source_row(row: Mapping[Any, Any], driver: str) -> tuple[str, ...]:
    when = minute(int(row["block_timestamp"]))
    if row["evaluated_at"] != row["block_timestamp"]:
        when += f", interest to {minute(int(row['evaluated_at']))}"
    return (
        " ".join(clean(row[name]) for name in ("protocol", "version", "market") if row[name]),
        clean(row["chain_id"]),
        f"{int(row['block_number']):,}",
        clean(row["block_hash"]),
        when,
        price_shown(float(row["spot_usd"]), driver),
        *(f"{int(row[name]):,}" for name in ("rungs", "already", "never", "untold")),
        "unknown" if pd.isna(row["failed"]) else f"{int(row['failed']):,}",
    )


def _limits(analysis: Analysis, *, has_estimates: bool) -> Section:
    elsewhere = "positions elsewhere, on centralised exchanges above all, are not."
    if has_estimates:
        elsewhere = "of positions on centralised exchanges there are estimates, in sections of their own."
    notes = [
        "Levels are exact at the blocks above; they move as people deposit, borrow and repay.",
        f"Only the markets above are in it: {elsewhere}",
        "A level is where an account may be liquidated; whether somebody does it is another matter.",
        "One driver moves at a time; all other prices stay as they are in the block.",
    ]
    if analysis.cascade is not None:
        notes.append(f"Branching ratios of real cascades are {PUBLISHED_BRANCHING} in the literature.")
    return Section("Limits", notes=(*notes, DISCLAIMER))
