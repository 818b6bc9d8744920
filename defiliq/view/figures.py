"""Interactive figures of a heat as plotly takes them: plain data and layout, without a theme.

`plotly.graph_objects.Figure(figure)` shows one in a notebook. A page gives them its own colours of text,
grid and paper (see `report_html`); traces have colours that are seen on white and on black.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from defiliq.view.chart_frame import window
from defiliq.view.charts import compact
from defiliq.view.figure_frame import (
    LEGEND,
    MARGIN,
    Figure,
    Spotted,
    empty_figure,
    money_axis,
    money_ticks,
    named,
    price_axis,
    scale_bar,
    spot_line,
    spot_name,
)
from defiliq.view.heat_rows import (
    WITHIN_PCT,
    HeatRow,
    HeatRows,
    amount_shown,
    biggest_first,
    distance_shown,
    few_slots,
    heat_rows,
    level_words,
    price_shown,
)
from defiliq.view.model_charts import NOTHING, SLOTS, piled_up
from defiliq.view.palette import LONG, SCALE_STOPS, SHORT, price_ticks
from defiliq.view.rungs import OFF_SCALE
from defiliq.view.terminal import money_named

if TYPE_CHECKING:
    from defiliq.model.clusters import Cluster
    from defiliq.model.heat import Heat

NAMED = 6
_NAMED_SHARE = 0.05
"""Of the largest cluster: smaller ones are not named."""
_NAME_GAP = 0.05
"""Names closer than this, as a share of the height, would touch: the smaller cluster has none then."""
_LONGEST_PRICE = 7
"""Letters: $56,490."""
_TICKS = 5


def heatmap_figure(heat: Heat, clusters: Sequence[Cluster], *, within_pct: float = WITHIN_PCT) -> Figure:
    """Longs to the left and shorts to the right of each price, beside a strip of colour for their density."""
    shown = heat_rows(heat, within_pct=within_pct, fits=few_slots(SLOTS))
    if not shown.full_usd > 0:
        return empty_figure(NOTHING)
    low, high = window(shown.low_usd, shown.high_usd)
    full = shown.full_usd
    traces = [_bars(shown, heat, side, colour) for side, colour in (("long", LONG), ("short", SHORT))]
    traces += [
        density_strip(shown.strip(low, high), shown.full_density_usd, heat.driver, heat.base_symbol),
        *giants_of(_cut(shown), full),
        *cluster_names(clusters, heat.driver, low, high, full),
    ]
    title = f"{named(heat.base_symbol)} per {shown.step_pct:.3g}% of price"
    layout = bars_layout(low, high, full, title, heat, has_giants=shown.has_giants)
    return {"data": traces, "layout": layout}


def bars_layout(
    low: float, high: float, full: float, title: str, at: Spotted, *, has_giants: bool
) -> dict[str, Any]:
    """Around bars to both sides of an upright axis of prices, with a strip of density beside them.

    `full` is the longest bar, `title` says what bars count.
    """
    money = money_ticks(full, 2)
    reach = 1.75 if has_giants else 1.12  # room for the sizes of bars that are cut
    return {
        "height": 620,
        "barmode": "overlay",
        "bargap": 0,
        "hovermode": "y",
        "showlegend": True,
        "legend": LEGEND,
        "margin": MARGIN,
        "yaxis": price_axis(low, high, at.driver) | {"automargin": True},
        "xaxis": {
            "domain": [0, 0.84],
            "range": [-reach * full, reach * full],
            "tickvals": [-value for value in money[:0:-1]] + money,
            "ticktext": [compact(value) for value in (*money[:0:-1], *money)],
            "title": {"text": title},
            "zeroline": True,
        },
        "xaxis2": {
            "domain": [0.88, 1],
            "range": [0, 1],
            "showticklabels": False,
            "title": {"text": "density"},
        },
        "shapes": [spot_line(at, "y")],
        "annotations": [spot_name(at, "y")],
    }


def ladder_figure(heat: Heat, *, within_pct: float = WITHIN_PCT) -> Figure:
    """What has been liquidated once the price is there, from spot outward on both sides."""
    shown = heat_rows(heat, within_pct=within_pct)
    if not shown.full_usd > 0:
        return empty_figure(NOTHING)
    low, high = window(shown.low_usd, shown.high_usd)
    traces: list[dict[str, Any]] = []
    most = 0.0
    for side, colour in (("long", LONG), ("short", SHORT)):
        prices, sums = piled_up(heat, side, low, high)
        most = max(most, sums[-1])
        said = [_piled_words(price, total, side, heat) for price, total in zip(prices, sums, strict=True)]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": side,
                "x": prices,
                "y": [value if value > 0 else None for value in sums] if shown.has_giants else sums,
                "line": {"shape": "hv", "color": colour, "width": 2},
                "fill": "tozeroy",
                "fillcolor": f"{colour}33",
                "text": said,
                "hoverinfo": "text",
            }
        )
    layout = {
        "height": 420,
        "hovermode": "closest",
        "hoverdistance": 40,
        "showlegend": True,
        "legend": LEGEND,
        "margin": MARGIN,
        "xaxis": price_axis(low, high, heat.driver, _TICKS),
        "yaxis": bent_axis(traces, most, heat.base_symbol)
        if shown.has_giants
        else money_axis("liquidated on the way", heat.base_symbol, most),
        "shapes": [spot_line(heat, "x")],
        "annotations": [spot_name(heat, "x")],
    }
    return {"data": traces, "layout": layout}


def _bars(shown: HeatRows, heat: Heat, side: str, colour: str) -> dict[str, Any]:
    """Bars as thick as their row and as long as its dollars; those beyond the scale are cut and say so."""
    sign = -1 if side == "long" else 1
    rows = [row for row in shown.rows if any(_side_of(row, side))]
    sizes = [_side_of(row, side)[0] for row in rows]
    return {
        "type": "bar",
        "orientation": "h",
        "name": side,
        "marker": {"color": colour, "line": {"width": 0}},
        "x": [sign * min(size, shown.full_usd) for size in sizes],
        "y": [(row.low_usd + row.high_usd) / 2 for row in rows],
        "width": [row.high_usd - row.low_usd for row in rows],
        "hovertext": [_row_words(row, side, heat) for row in rows],
        "hoverinfo": "text",
    }


def _side_of(row: HeatRow, side: str) -> tuple[float, int]:
    return (row.long_usd, row.long_accounts) if side == "long" else (row.short_usd, row.short_accounts)


def _row_words(row: HeatRow, side: str, heat: Heat) -> str:
    """A level's words in short lines: beside a long bar a phone has room for no more."""
    size, accounts = _side_of(row, side)
    words = escape(level_words(row.price_usd, side, size, accounts, heat))
    return words.replace(f" {side} ", f" {side}<br>", 1).replace(", ", "<br>")


def density_strip(
    strip: tuple[Sequence[float], Sequence[float]], most: float, driver: str, base_symbol: str
) -> dict[str, Any]:
    """Density by colour, empty rows and all: the same dollars have the same colour at any price.

    `strip` is (edges, densities), `most` the density of the last colour.
    """
    edges, density = strip
    unit = named(money_named(base_symbol))
    said = [
        f"{price_shown(math.sqrt(bottom * top), driver)}: {amount_shown(value)}{unit} per 1% of price"
        for (bottom, top), value in zip(pairwise(edges), density, strict=True)
    ]
    return {
        "type": "heatmap",
        "name": "density",
        "xaxis": "x2",
        "yaxis": "y",
        "x": [0, 1],
        "y": edges,
        "z": [[math.sqrt(value)] for value in density],
        "zmin": 0,
        "zmax": math.sqrt(most),
        "colorscale": SCALE_STOPS,
        "hovertext": [[text] for text in said],
        "hoverinfo": "text",
        "colorbar": scale_bar(most, base_symbol, -0.14),
    }


def _cut(shown: HeatRows) -> list[tuple[float, str, float]]:
    """(price, side, size) of bars that are beyond the scale."""
    sided = [(row, side, _side_of(row, side)[0]) for row in shown.rows for side in ("long", "short")]
    return [
        (math.sqrt(row.low_usd * row.high_usd), side, size)
        for row, side, size in sided
        if size > shown.full_usd
    ]


def giants_of(cut: Sequence[tuple[float, str, float]], full: float) -> list[dict[str, Any]]:
    """The sizes of bars that are cut, (price, side, size) each, behind their ends."""
    if not cut:
        return []
    return [
        {
            "type": "scatter",
            "mode": "text",
            "name": "beyond the scale",
            "showlegend": False,
            "x": [-full if side == "long" else full for _, side, _ in cut],
            "y": [price for price, _, _ in cut],
            "text": [f"{OFF_SCALE} {compact(size)}" for _, _, size in cut],
            "textposition": ["middle left" if side == "long" else "middle right" for _, side, _ in cut],
            "hoverinfo": "skip",
        }
    ]


def cluster_names(
    clusters: Sequence[Cluster], driver: str, low: float, high: float, full: float
) -> list[dict[str, Any]]:
    """The largest clusters by price and size, on the side of the axis where their bars are not."""
    placed: list[Cluster] = []
    seen = [cluster for cluster in clusters if low <= cluster.price_usd <= high]
    worth = [c for c in seen if c.magnitude_usd >= _NAMED_SHARE * max(each.magnitude_usd for each in seen)]
    for cluster in biggest_first(worth, len(worth)):
        apart = [
            abs(math.log(cluster.price_usd / other.price_usd))
            for other in placed
            if other.type == cluster.type
        ]
        if len(placed) < NAMED and min(apart, default=1.0) >= min(1.0, _NAME_GAP * math.log(high / low)):
            placed.append(cluster)
    if not placed:
        return []
    places = [0.03 * full if cluster.type == "long" else -0.03 * full for cluster in placed]
    return [
        {
            "type": "scatter",
            "mode": "text",
            "name": "clusters",
            "showlegend": False,
            "x": places,
            "y": [cluster.price_usd for cluster in placed],
            "text": [_name(cluster, driver) for cluster in placed],
            "textposition": [
                "middle right" if cluster.type == "long" else "middle left" for cluster in placed
            ],
            "hoverinfo": "skip",
        }
    ]


def _name(cluster: Cluster, driver: str) -> str:
    """A cluster's price, in four digits, and size; its size alone where a phone has no room for both."""
    price, size = price_shown(float(f"{cluster.price_usd:.4g}"), driver), compact(cluster.magnitude_usd)
    return f"{price} {size}" if len(price) <= _LONGEST_PRICE else size


def bent_axis(traces: Sequence[Mapping[str, Any]], most: float, base_symbol: str) -> dict[str, Any]:
    """A logarithmic axis of money, where a giant would flatten all else on a straight one."""
    least = min(value for trace in traces for value in trace["y"] if value is not None)
    ticks = price_ticks(least, most, _TICKS) if most > least else [most]
    return {
        "type": "log",
        "range": [math.log10(least / 2), math.log10(most * 2)],
        "tickvals": ticks,
        "ticktext": [compact(tick) for tick in ticks],
        "title": {"text": f"liquidated on the way, logarithmic ({named(base_symbol)})"},
        "automargin": True,
    }


def _piled_words(price: float, total: float, side: str, heat: Heat) -> str:
    """A point of the ladder in one line."""
    distance = distance_shown(100 * (price / heat.spot_usd - 1))
    sum_told = f"{amount_shown(total)}{money_named(heat.base_symbol)} in all"
    return escape(f"{price_shown(price, heat.driver)} {side} {sum_told}, {distance}")
