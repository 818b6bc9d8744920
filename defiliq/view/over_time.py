"""Heat over time: time across, price upright, colour for what stood at which price in which block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from defiliq.view.chart_frame import Caption
from defiliq.view.charts import minute
from defiliq.view.figure_frame import Figure
from defiliq.view.heat_rows import WITHIN_PCT, amount_shown, counted, money_shown
from defiliq.view.terminal import clean
from defiliq.view.time_figures import mesh_figure
from defiliq.view.time_mesh import (
    EDGE,
    MOST_DRAWN,
    MOST_ROWS,
    TimeMesh,
    TimeWords,
    draw_mesh,
    join_rows,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

    from defiliq.model.over_time import HeatOverTime

NOTHING = "no snapshot holds a level within this window"
_WORDS = TimeWords(NOTHING, "no snapshot", "time of the blocks (UTC)")
_WIDE = 11.0
_MARKETS_NAMED = 2


def mesh_of(found: HeatOverTime, *, within_pct: float = WITHIN_PCT, most: int = MOST_ROWS) -> TimeMesh:
    """All that lies within a window around the path of spot, buckets joined until there is room for them."""
    spot = found.times["spot_usd"].to_numpy(dtype=np.float64)
    low, high = spot.min() * (1 - within_pct / 100), spot.max() * (1 + within_pct / 100)
    edges = found.edges(low, high)
    width = math.log1p(found.step_pct / 100)
    # Whole buckets, from the lowest level or spot to the highest.
    reach = [*np.log(edges), *np.log([spot.min(), spot.max()])]
    first, end = math.floor(min(reach) / width + EDGE), math.ceil(max(reach) / width - EDGE)
    sizes = np.stack([found.grid(side, low, high) for side in ("long", "short")])
    start = round(math.log(edges[0]) / width) if len(edges) else first
    bounds, (longs, shorts) = join_rows(sizes, start, (first, end), width, most)
    at = tuple(found.times["block_timestamp"].tolist())
    return TimeMesh(
        found.driver, found.base_symbol, at, tuple(spot.tolist()), tuple(bounds.tolist()), longs, shorts
    )


def draw_over_time(found: HeatOverTime, *, within_pct: float = WITHIN_PCT, by_side: bool = False) -> Drawn:
    """All snapshots side by side with the path of spot over them: black to yellow, or, by side, blue longs
    and red shorts.
    """
    mesh = mesh_of(found, within_pct=within_pct, most=MOST_DRAWN)
    return draw_mesh(mesh, _caption(found, mesh), _WORDS, by_side=by_side)


def over_time_figure(found: HeatOverTime, *, within_pct: float = WITHIN_PCT, by_side: bool = False) -> Figure:
    """The same for plotly; where there are many snapshots, some of them."""
    return mesh_figure(mesh_of(found, within_pct=within_pct), _WORDS, by_side=by_side)


def span_words(found: HeatOverTime) -> str:
    """How many snapshots from when to when."""
    ends = (found.times.iloc[0], found.times.iloc[-1])
    blocks = (f"block {int(row['block_number']):,} ({minute(int(row['block_timestamp']))})" for row in ends)
    return f"{counted(len(found.times), 'snapshot')}, {' to '.join(blocks)}"


def _caption(found: HeatOverTime, mesh: TimeMesh) -> Caption:
    """Which markets, how many snapshots, and what is in no cell of the last."""
    last = found.times.iloc[-1]
    notes = []
    if last["already"]:
        sums = (("long", last["already_long_usd"]), ("short", last["already_short_usd"]))
        sides = ", ".join(f"{side} {amount_shown(usd)}" for side, usd in sums)
        notes.append(
            f"Liquidatable already in the last one: {counted(int(last['already']), 'account')}, {sides}."
        )
    outside = last["long_usd"] + last["short_usd"] - mesh.sums_usd[-1]
    if outside > EDGE * mesh.sums_usd[-1]:
        notes.append(f"Further out in the last one: {money_shown(outside, found.base_symbol)}.")
    if untold := int(found.times["untold"].max()):
        notes.append(f"Of unknown size: up to {counted(untold, 'level')} at a time.")
    markets = [
        f"{clean(protocol)} {clean(name)}, chain {clean(on)}" for on, protocol, name, _ in found.markets
    ]
    if (more := len(markets) - _MARKETS_NAMED) > 0:
        markets[_MARKETS_NAMED:] = [f"and {counted(more, 'market')} more"]
    title = f"Liquidation heatmap over time, {clean(found.driver)}"
    return Caption(title, (*markets, span_words(found)), tuple(notes), _WIDE)
