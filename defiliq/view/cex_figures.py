"""Interactive figures of estimates, as plotly takes them: see `figures`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from defiliq.view.cex_rows import EstimateRow, EstimateRows, estimate_rows
from defiliq.view.cex_words import NOTHING, band_shown, driver_of
from defiliq.view.chart_frame import window
from defiliq.view.figure_frame import (
    Figure,
    empty_figure,
    named,
)
from defiliq.view.figures import bars_layout, cluster_names, density_strip, giants_of
from defiliq.view.heat_rows import WITHIN_PCT, distance_shown, few_slots, price_shown
from defiliq.view.model_charts import SLOTS
from defiliq.view.palette import LONG, SHORT

if TYPE_CHECKING:
    from defiliq.cex.levels import Estimate
    from defiliq.model.clusters import Cluster

_SHADES = ("ff", "80", "38")
"""How opaque a side's colour is for what every prior estimates, the middle one, the largest."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the price of what stands."""

    driver: str
    spot_usd: float


def estimate_figure(
    estimate: Estimate, clusters: Sequence[Cluster] = (), *, within_pct: float = WITHIN_PCT
) -> Figure:
    """Longs to the left and shorts to the right of each price, paler where priors disagree."""
    shown = estimate_rows(estimate, within_pct=within_pct, fits=few_slots(SLOTS))
    full = shown.full_usd
    if not full > 0:
        return empty_figure(NOTHING)
    low, high = window(shown.low_usd, shown.high_usd)
    at = Spot(driver_of(estimate.instrument), shown.spot_usd)
    traces = [
        trace
        for side, colour in (("long", LONG), ("short", SHORT))
        for trace in _bars(shown, side, colour, at)
    ]
    if shown.full_density_usd > 0:
        traces.append(density_strip(shown.strip(low, high), shown.full_density_usd, at.driver, "USD"))
    traces += [*giants_of(_cut(shown), full), *cluster_names(clusters, at.driver, low, high, full)]
    title = f"USD per {shown.step_pct:.3g}% of price, estimated"
    layout = bars_layout(low, high, full, title, at, has_giants=shown.has_giants)
    return {"data": traces, "layout": layout}


def _bars(shown: EstimateRows, side: str, colour: str, at: Spot) -> list[dict[str, Any]]:
    """Three bars over each other, the longest first; it is the one that a pointer meets everywhere."""
    sign = -1 if side == "long" else 1
    rows = [row for row in shown.rows if row.band(side).high_usd > 0]
    traces = []
    for which, shade in reversed(list(zip(("low", "mid", "high"), _SHADES, strict=True))):
        sizes = [float(getattr(row.band(side), f"{which}_usd")) for row in rows]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": side if which == "low" else f"{side}, {which}",
                "showlegend": which == "low",
                "legendgroup": side,
                "marker": {"color": f"{colour}{shade}", "line": {"width": 0}},
                "x": [sign * min(size, shown.full_usd) for size in sizes],
                "y": [(row.mid.low_usd + row.mid.high_usd) / 2 for row in rows],
                "width": [row.mid.high_usd - row.mid.low_usd for row in rows],
            }
            | (
                {"hovertext": [_row_words(row, side, at) for row in rows], "hoverinfo": "text"}
                if which == "high"
                else {"hoverinfo": "skip"}
            )
        )
    return traces


def _row_words(row: EstimateRow, side: str, at: Spot) -> str:
    """A row in one line: $2,460 long $113M (66.4M to 206M), score 1.00, -18.0%."""
    distance = distance_shown(100 * (row.mid.price_usd / at.spot_usd - 1))
    price = price_shown(row.mid.price_usd, at.driver)
    return named(f"{price} {side} {band_shown(row.band(side))}, score {row.score:.2f}, {distance}")


def _cut(shown: EstimateRows) -> list[tuple[float, str, float]]:
    sided = [(row.mid, side, row.band(side).high_usd) for row in shown.rows for side in ("long", "short")]
    return [
        (math.sqrt(row.low_usd * row.high_usd), side, size)
        for row, side, size in sided
        if size > shown.full_usd
    ]
