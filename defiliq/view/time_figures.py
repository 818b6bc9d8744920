"""Time across, price upright, for plotly: what `time_mesh` draws, with words for a pointer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from defiliq.view.charts import compact, minute
from defiliq.view.feeds import END_OF_CALENDAR
from defiliq.view.figure_frame import LEGEND, MARGIN, Figure, empty_figure, named, price_axis, scale_bar
from defiliq.view.heat_rows import price_shown
from defiliq.view.palette import GREY, SCALE_STOPS, SIDED_STOPS
from defiliq.view.terminal import money_named
from defiliq.view.time_mesh import (
    MOST_COLUMNS,
    SPOT,
    SPOT_ON_SIDES,
    TimeMesh,
    TimeWords,
    sided_ticks,
)


def mesh_figure(mesh: TimeMesh, words: TimeWords, *, by_side: bool = False) -> Figure:
    """The same for plotly; where there are many moments, some of them."""
    if not mesh.full_usd > 0:
        return empty_figure(words.nothing)
    shown = mesh.thinned(MOST_COLUMNS)
    edges, columns = shown.columns()
    layout: dict[str, Any] = {
        "height": 560,
        "margin": MARGIN,
        "legend": LEGEND,
        "showlegend": True,
        "hovermode": "closest",
        "xaxis": {
            "type": "date",
            "range": [_iso(edges[0]), _iso(edges[-1])],
            "showgrid": False,
            "title": {"text": words.times},
        },
        "yaxis": price_axis(mesh.edges_usd[0], mesh.edges_usd[-1], mesh.driver)
        | {"automargin": True, "showgrid": False},
        "shapes": [
            {
                "type": "rect",
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "layer": "below",
                "line": {"width": 0},
                "x0": _iso(start),
                "x1": _iso(end),
                "fillcolor": GREY,
                "opacity": 0.5,
            }
            for k, (start, end) in zip(columns, pairwise(edges), strict=True)
            if k is None
        ],
    }
    colours = _colours(shown, edges, columns, mesh.full_usd, by_side=by_side)
    return {"data": [colours, _spot_trace(shown, edges, columns, by_side=by_side)], "layout": layout}


def _colours(
    shown: TimeMesh, edges: Sequence[float], columns: Sequence[int | None], full: float, *, by_side: bool
) -> dict[str, Any]:
    """The cells, by the root of what they hold: a page colours in equal steps. Gaps stay empty."""
    roots = shown.roots(columns, by_side=by_side)
    unit, sign = named(money_named(shown.base_symbol)), "$" if shown.driver.endswith("USD") else ""
    most = math.sqrt(full)
    bar = scale_bar(full, shown.base_symbol, -0.18)
    if by_side:
        places, names = sided_ticks(full)
        bar |= {"tickvals": places, "ticktext": names}
        bar["title"] = bar["title"] | {"text": f"{named(shown.base_symbol)} per 1% of price, longs left"}
    return {
        "type": "heatmap",
        "name": "density",
        "x": [_iso(edge) for edge in edges],
        "y": list(shown.edges_usd),
        "z": [[None if math.isnan(root) else _rounded(root) for root in row] for row in roots.T.tolist()],
        "customdata": _said(shown, columns, by_side=by_side),
        "zmin": -most if by_side else 0,
        "zmax": most,
        "colorscale": SIDED_STOPS if by_side else SCALE_STOPS,
        "hovertemplate": f"{sign}%{{y:,.6g}}: %{{customdata[0]}}{unit} per 1% of price<br>"
        "%{customdata[1]}<extra></extra>",
        "colorbar": bar,
    }


def _said(
    mesh: TimeMesh, columns: Sequence[int | None], *, by_side: bool
) -> list[list[tuple[str, str] | None]]:
    """What a pointer is told of each cell: its amount, or that of both sides, and the time of its moment.

    The place in a figure would say the middle of the cell, which is later than the moment.
    """
    told: list[list[tuple[str, str] | None]] = [[None] * len(columns) for _ in mesh.edges_usd[1:]]
    density = mesh.density_usd
    for column, moment in enumerate(columns):
        if moment is None:
            continue
        when = minute(mesh.at[moment])
        for row, line in enumerate(told):
            amount = compact(density[moment, row])
            if by_side:
                sizes = (("long", mesh.long_usd[moment, row]), ("short", mesh.short_usd[moment, row]))
                amount = ", ".join(f"{side} {compact(size)}" for side, size in sizes if size > 0) or "0"
            line[column] = (amount, when)
    return told


def _rounded(value: float) -> float:
    """As many digits as a colour has: a page holds very many of them."""
    return float(f"{value:.4g}")


def _spot_trace(
    mesh: TimeMesh, edges: Sequence[float], columns: Sequence[int | None], *, by_side: bool
) -> dict[str, Any]:
    """The path of spot, broken where there is no moment."""
    last = columns[-1]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "spot",
        "x": [_iso(edge) for edge in edges],
        "y": [
            *(None if k is None else mesh.spot_usd[k] for k in columns),
            None if last is None else mesh.spot_usd[last],
        ],
        "line": {"shape": "hv", "color": SPOT_ON_SIDES if by_side else SPOT, "width": 2},
        "text": ["" if k is None else _spot_words(mesh, k) for k in (*columns, last)],
        "hoverinfo": "text",
    }


def _spot_words(mesh: TimeMesh, moment: int) -> str:
    return f"spot {price_shown(mesh.spot_usd[moment], mesh.driver)}, {minute(mesh.at[moment])}"


def _iso(at: float) -> str:
    """A time as plotly's axes read it."""
    return f"{datetime.fromtimestamp(min(at, END_OF_CALENDAR - 1), UTC):%Y-%m-%d %H:%M:%S}"
