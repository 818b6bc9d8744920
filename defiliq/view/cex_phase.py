"""In which phase of a cascade venues are, with the numbers behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from defiliq.view.charts import minute
from defiliq.view.heat_rows import distance_shown, money_shown
from defiliq.view.report_parts import Grid
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    from defiliq.cex.phase import Phase

UNKNOWN = "unknown"
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
