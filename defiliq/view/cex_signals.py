"""What stands beside a signal, in which phase of a cascade venues are, and how venues differ: as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from defiliq.view.cex_compare_words import agreement_words
from defiliq.view.cex_words import UNKNOWN
from defiliq.view.charts import minute
from defiliq.view.heat_rows import distance_shown, money_shown, price_shown
from defiliq.view.report_parts import Grid
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    from defiliq.cex.confirm import Confirmation
    from defiliq.cex.differences import VenueDifference
    from defiliq.cex.evidence import BookDepth
    from defiliq.cex.phase import Phase

CONFIRMATION_NOTES = (
    "A level alone says no direction. Each check supports it, speaks against it, does neither, or is unknown "
    "where its data are missing; thresholds are choices.",
    "Open interest: its change in a day. Funding: what settled in a day. Order book: how far the level's "
    "dollars move it. Consensus: who else has a cluster there.",
)
PHASE_NOTES = (
    "A reading of public numbers by stated thresholds, and no forecast. Under way: open interest falls fast "
    "while the price moves. Washed out: open interest is far below its peak and funding is below 0. "
    "Building: open interest rises and longs pay more than usual.",
    "Open interest changes at one price all along, so that a fall of the price alone is none of it.",
)


def phase_grid(phases: Sequence[Phase]) -> Grid:
    """A row per contract, and one of all together if that was asked for."""
    columns = (
        *("Contract", "Phase", "Open interest", "From its peak", "In a day", "In an hour"),
        *("Price in an hour", "Funding of 8 h", "Before the peak", "Liquidated in an hour", "Time"),
    )
    return Grid(columns, tuple(_row(one) for one in phases))


def _row(one: Phase) -> tuple[str, ...]:
    return (
        clean(one.name),
        UNKNOWN if one.label is None else one.label.replace("_", " "),
        money_shown(one.open_interest_usd, "USD"),
        distance_shown(one.from_peak_pct),
        distance_shown(one.day_pct),
        distance_shown(one.fast_pct),
        distance_shown(one.price_fast_pct),
        rate_shown(one.funding_rate),
        rate_shown(one.funding_before_rate),
        money_shown(one.liquidated_usd, "USD"),
        minute(one.at),
    )


def rate_shown(rate: float) -> str:
    """A funding rate in percent, as venues show it."""
    return UNKNOWN if math.isnan(rate) else f"{100 * rate:+.4f}%"


def confirmation_grid(confirmations: Sequence[Confirmation], driver: str) -> Grid:
    """A row per signal: what each check says of it, with the number behind it."""
    columns = ("Signal", "Open interest", "Funding", "Order book", "Consensus", "For", "Against", "Unknown")
    return Grid(columns, tuple(_signal_row(one, driver) for one in confirmations))


def _signal_row(one: Confirmation, driver: str) -> tuple[str, ...]:
    signal = one.signal
    price, size = price_shown(signal.price_usd, driver), money_shown(signal.size_usd, "USD")
    asked = "nobody asked" if one.agreement is None else agreement_words(one.agreement)
    counts = (str(one.count(verdict)) for verdict in ("supports", "against", "unknown"))
    return (
        f"{clean(signal.name)} {price} {signal.side} {size}",
        f"{one.open_interest}: {distance_shown(one.trend.day_pct)}",
        f"{one.funding}: {rate_shown(one.skew.last_day_rate)}",
        f"{one.order_book}: {_moved(one.depth)}",
        f"{one.consensus}: {asked}",
        *counts,
    )


def _moved(depth: BookDepth) -> str:
    """How far the books go under what a level holds."""
    if not depth.names or math.isnan(depth.least_moved_pct):
        return UNKNOWN
    if depth.runs_dry:
        return f"{depth.least_moved_pct:.2f}% at least, published to {depth.published_pct:.2f}%"
    if depth.least_moved_pct == depth.most_moved_pct:
        return f"{depth.least_moved_pct:.2f}%"
    return f"{depth.least_moved_pct:.2f}% to {depth.most_moved_pct:.2f}%"


def difference_grid(differences: Sequence[VenueDifference]) -> Grid:
    """A row per venue, without sources, which `source_notes` names."""
    columns = ("Venue", "Engine", "Partial", "Rule", "Triggered by", "Insurance", "What is special", "As of")
    rows = tuple(
        (
            clean(one.venue),
            clean(one.engine),
            "yes" if one.is_partial else "no",
            clean(one.partial_rule),
            f"{clean(one.trigger_price)} price",
            clean(one.insurance),
            clean(one.key_feature),
            clean(one.as_of),
        )
        for one in differences
    )
    return Grid(columns, rows)


def source_notes(differences: Sequence[VenueDifference]) -> list[str]:
    """Where each venue's row is from."""
    return [f"{clean(one.venue)}: {' '.join(map(clean, one.sources))}" for one in differences]
