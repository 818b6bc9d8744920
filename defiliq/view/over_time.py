"""Heat over time: time across, price upright, colour for what stood at which price in which block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from defiliq.view.chart_frame import Caption, add_axes, framed, price_axis, say_nothing, spelled
from defiliq.view.charts import compact, minute
from defiliq.view.feeds import END_OF_CALENDAR
from defiliq.view.figure_frame import LEGEND, MARGIN, Figure, empty_figure, named, scale_bar
from defiliq.view.figure_frame import price_axis as upright
from defiliq.view.heat_rows import WITHIN_PCT, amount_shown, counted, money_shown, price_shown
from defiliq.view.palette import GREY, INK, SCALE, SCALE_POWER, SCALE_STOPS
from defiliq.view.rungs import full_scale
from defiliq.view.terminal import clean, money_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

    from defiliq.model.over_time import HeatOverTime

NOTHING = "no snapshot holds a level within this window"
MISSED = 2.5
"""After so many usual intervals without a snapshot there is a gap: nobody knows what stood there."""
MOST_COLUMNS = 300
"""A page shows at most so many snapshots, evenly chosen; a picture shows all."""
MOST_ROWS = 160
"""A page shows at most so many rows of price."""
_MOST_DRAWN = 400
_EDGE = 1e-9
"""Edges of buckets are whole numbers but for rounding."""
ALONE_S = 3600
"""How wide a snapshot is that is the only one."""
SPOT = "#35c4f0"
"""Seen on black, on yellow and on all between."""


@dataclass(frozen=True, slots=True)
class TimeMesh:
    """What a picture shows of heat over time: density by snapshot, oldest first, and price."""

    driver: str
    base_symbol: str
    at: tuple[int, ...]
    """The time of each snapshot's block, rising."""
    spot_usd: tuple[float, ...]
    edges_usd: tuple[float, ...]
    """Prices between rows of equal width in the logarithm, rising."""
    density_usd: NDArray[np.float64]
    """A line per snapshot, a column per row: size of both sides per 1% of price, in logarithm."""

    @property
    def full_usd(self) -> float:
        """The density that has the last colour; the few rows that are far beyond it have the same."""
        return full_scale(self.density_usd.max(axis=0).tolist())

    @property
    def sums_usd(self) -> list[float]:
        """What each snapshot holds within the picture."""
        width = math.log(self.edges_usd[1] / self.edges_usd[0])
        return [100 * width * math.fsum(line) for line in self.density_usd.tolist()]

    def thinned(self, most: int) -> TimeMesh:
        """At most so many of the snapshots, evenly chosen, the newest among them."""
        apart = max(1, math.ceil(len(self.at) / most))
        kept = slice((len(self.at) - 1) % apart, None, apart)
        at, spot = self.at[kept], self.spot_usd[kept]
        return replace(self, at=at, spot_usd=spot, density_usd=self.density_usd[kept])


def mesh_of(found: HeatOverTime, *, within_pct: float = WITHIN_PCT, most: int = MOST_ROWS) -> TimeMesh:
    """All that lies within a window around the path of spot, buckets joined until there is room for them."""
    spot = found.times["spot_usd"].to_numpy(dtype=np.float64)
    low, high = spot.min() * (1 - within_pct / 100), spot.max() * (1 + within_pct / 100)
    edges = found.edges(low, high)
    width = math.log1p(found.step_pct / 100)
    # Whole buckets, from the lowest level or spot to the highest.
    reach = [*np.log(edges), *np.log([spot.min(), spot.max()])]
    first, end = math.floor(min(reach) / width + _EDGE), math.ceil(max(reach) / width - _EDGE)
    joined = math.ceil((end - first) / most)
    first -= first % joined
    rows = math.ceil((end - first) / joined)
    sizes = np.zeros((len(spot), rows * joined))
    if len(edges):
        start = round(math.log(edges[0]) / width) - first
        sizes[:, start : start + len(edges) - 1] = found.grid("long", low, high) + found.grid(
            "short", low, high
        )
    density = sizes.reshape(len(spot), rows, joined).sum(axis=2) / (100 * joined * width)
    bounds = tuple(math.exp((first + joined * k) * width) for k in range(rows + 1))
    at = tuple(found.times["block_timestamp"].tolist())
    return TimeMesh(found.driver, found.base_symbol, at, tuple(spot.tolist()), bounds, density)


def columns_of(at: Sequence[int]) -> tuple[list[float], list[int | None]]:
    """(edges, snapshots) of a picture's columns: one lasts until the next, or until a gap, which is None."""
    steps = [later - earlier for earlier, later in pairwise(at)]
    usual = median(steps) if steps else ALONE_S
    edges: list[float] = []
    shown: list[int | None] = []
    for k, start in enumerate(at):
        edges.append(start)
        shown.append(k)
        end = start + usual
        if k + 1 < len(at) and at[k + 1] - start > MISSED * usual:
            edges.append(end)
            shown.append(None)
    return [*edges, at[-1] + usual] if at else [], shown


def draw_over_time(
    found: HeatOverTime, *, within_pct: float = WITHIN_PCT, markets: Sequence[str] = ()
) -> Drawn:
    """All snapshots side by side, black to yellow, with the path of spot over them.

    `markets` says in words where the snapshots are from.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.ticker import FuncFormatter

    mesh = mesh_of(found, within_pct=within_pct, most=_MOST_DRAWN)
    caption = _caption(found, mesh, markets)
    with framed(caption, (11, 7)) as figure:
        axes = add_axes(figure, (1.0, caption.bottom + 0.55, 1.4, caption.top + 0.35))
        if not mesh.full_usd > 0:
            say_nothing(axes, NOTHING)
            return figure
        scale = add_axes(figure, (9.8, caption.bottom + 0.55, 1.02, caption.top + 0.35))
        edges, shown = columns_of(mesh.at)
        cells = np.full((len(shown), len(mesh.edges_usd) - 1), math.nan)
        for column, snapshot in enumerate(shown):
            if snapshot is not None:
                cells[column] = mesh.density_usd[snapshot]
        price_axis(axes.yaxis, mesh.edges_usd[0], mesh.edges_usd[-1], mesh.driver)
        axes.grid(visible=False)
        axes.set_facecolor(GREY)
        norm = PowerNorm(SCALE_POWER, vmin=0, vmax=mesh.full_usd)
        colours = axes.pcolormesh(edges, mesh.edges_usd, cells.T, norm=norm, cmap=SCALE, rasterized=True)
        spot = [math.nan if k is None else mesh.spot_usd[k] for k in shown]
        axes.step([*edges], [*spot, spot[-1]], where="post", color=SPOT, linewidth=1.6, label="spot")
        axes.set_xlim(edges[0], edges[-1])
        if None in shown:
            axes.fill_between([], [], color=GREY, label="no snapshot")
        _time_ticks(axes, edges[0], edges[-1])
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, borderaxespad=0.2)
        extend = "max" if mesh.density_usd.max() > mesh.full_usd else "neither"
        shape = FuncFormatter(lambda value, _: compact(value))
        bar = figure.colorbar(colours, cax=scale, format=shape, extend=extend)
        bar.set_label(f"{spelled(mesh.base_symbol)} per 1% of price", color=INK)
    return figure


def _caption(found: HeatOverTime, mesh: TimeMesh, markets: Sequence[str]) -> Caption:
    """How many snapshots from when to when, and what is in no cell of the last."""
    first, last = found.times.iloc[0], found.times.iloc[-1]
    span = " to ".join(
        f"block {int(row['block_number']):,} ({minute(int(row['block_timestamp']))})" for row in (first, last)
    )
    notes = []
    if last["already"]:
        sums = (("long", last["already_long_usd"]), ("short", last["already_short_usd"]))
        sides = ", ".join(f"{side} {amount_shown(usd)}" for side, usd in sums)
        notes.append(
            f"Liquidatable already in the last one: {counted(int(last['already']), 'account')}, {sides}."
        )
    outside = last["long_usd"] + last["short_usd"] - mesh.sums_usd[-1]
    if outside > _EDGE * mesh.sums_usd[-1]:
        notes.append(f"Further out in the last one: {money_shown(outside, found.base_symbol)}.")
    if untold := int(found.times["untold"].max()):
        notes.append(f"Of unknown size: up to {counted(untold, 'level')} at a time.")
    lines = (*map(clean, markets), f"{counted(len(found.times), 'snapshot')}, {span}")
    return Caption(f"Liquidation heatmap over time, {clean(found.driver)}", lines, tuple(notes))


def _time_ticks(axes: Axes, first: float, last: float, most: int = 6) -> None:
    """Round times of UTC, each with its day where that says something."""
    step = next((step for step in _ROUND_S if (last - first) / step <= most), _ROUND_S[-1])
    step *= math.ceil((last - first) / step / most)
    ticks = [step * k for k in range(math.ceil(first / step), math.floor(last / step) + 1)]
    axes.set_xticks(ticks, [_tick(tick, step) for tick in ticks])
    axes.set_xlabel("time of the blocks (UTC)", color=INK)


_ROUND_S = (60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 7 * 86_400, 28 * 86_400)


def _tick(at: int, step: int) -> str:
    if at >= END_OF_CALENDAR:
        return str(at)
    when = datetime.fromtimestamp(at, UTC)
    return f"{when:%Y-%m-%d}" if step % 86_400 == 0 else f"{when:%m-%d\n%H:%M}"


def over_time_figure(found: HeatOverTime, *, within_pct: float = WITHIN_PCT) -> Figure:
    """The same for plotly; where there are many snapshots, some of them."""
    mesh = mesh_of(found, within_pct=within_pct)
    if not mesh.full_usd > 0:
        return empty_figure(NOTHING)
    shown = mesh.thinned(MOST_COLUMNS)
    edges, columns = columns_of(shown.at)
    layout: dict[str, Any] = {
        "height": 560,
        "margin": MARGIN,
        "legend": LEGEND,
        "showlegend": True,
        "hovermode": "closest",
        "xaxis": {"type": "date", "range": [_iso(edges[0]), _iso(edges[-1])], "showgrid": False},
        "yaxis": upright(mesh.edges_usd[0], mesh.edges_usd[-1], mesh.driver)
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
    colours = _colours(shown, edges, columns, mesh)
    return {"data": [colours, _spot_trace(shown, edges, columns)], "layout": layout}


def _colours(
    shown: TimeMesh, edges: Sequence[float], columns: Sequence[int | None], mesh: TimeMesh
) -> dict[str, Any]:
    """The cells, by the root of what they hold: a page colours in equal steps. Gaps stay empty."""
    cells = [None if k is None else shown.density_usd[k].tolist() for k in columns]
    rows = range(len(mesh.edges_usd) - 1)
    unit = named(money_named(mesh.base_symbol))
    return {
        "type": "heatmap",
        "name": "density",
        "x": [_iso(edge) for edge in edges],
        "y": list(mesh.edges_usd),
        "z": [
            [None if cell is None else float(f"{math.sqrt(cell[row]):.4g}") for cell in cells] for row in rows
        ],
        "customdata": [[None if cell is None else compact(cell[row]) for cell in cells] for row in rows],
        "zmin": 0,
        "zmax": math.sqrt(mesh.full_usd),
        "colorscale": SCALE_STOPS,
        "hovertemplate": f"%{{y:,.6g}}: %{{customdata}}{unit} per 1% of price<br>%{{x}}<extra></extra>",
        "colorbar": scale_bar(mesh.full_usd, mesh.base_symbol, -0.18),
    }


def _rounded(value: float) -> float:
    """As many digits as a colour has: a page holds very many of them."""
    return float(f"{value:.4g}")


def _spot_trace(mesh: TimeMesh, edges: Sequence[float], columns: Sequence[int | None]) -> dict[str, Any]:
    """The path of spot, broken where there is no snapshot."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "spot",
        "x": [_iso(edge) for edge in edges],
        "y": [*(None if k is None else mesh.spot_usd[k] for k in columns), mesh.spot_usd[-1]],
        "line": {"shape": "hv", "color": SPOT, "width": 2},
        "text": [
            *("" if k is None else _spot_words(mesh, k) for k in columns),
            _spot_words(mesh, len(mesh.at) - 1),
        ],
        "hoverinfo": "text",
    }


def _spot_words(mesh: TimeMesh, snapshot: int) -> str:
    return f"spot {price_shown(mesh.spot_usd[snapshot], mesh.driver)}, {minute(mesh.at[snapshot])}"


def _iso(at: float) -> str:
    """A time as plotly's axes read it."""
    return f"{datetime.fromtimestamp(min(at, END_OF_CALENDAR - 1), UTC):%Y-%m-%d %H:%M:%S}"
