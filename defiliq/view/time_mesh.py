"""Time across, price upright, colour for what stood at which price when: what such pictures are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from defiliq.view.chart_frame import (
    Caption,
    add_axes,
    framed,
    name_amounts,
    price_axis,
    price_room,
    say_nothing,
    spelled,
)
from defiliq.view.charts import compact, require_matplotlib
from defiliq.view.feeds import END_OF_CALENDAR
from defiliq.view.palette import GREY, INK, SCALE, SCALE_POWER, SIDED_STOPS, scale_ticks
from defiliq.view.rungs import full_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

Floats = NDArray[np.float64]

MISSED = 2.5
"""After so many usual intervals without a moment there is a gap: nobody knows what stood there."""
MOST_COLUMNS = 300
"""A page shows at most so many moments, evenly chosen; a picture shows all."""
MOST_ROWS = 160
"""A page shows at most so many rows of price."""
MOST_DRAWN = 400
"""A picture shows at most so many."""
EDGE = 1e-9
"""Edges of buckets are whole numbers but for rounding."""
ALONE_S = 3600
"""How wide a moment is that is the only one."""
SPOT, SPOT_ON_SIDES = "#35c4f0", "#ffffff"
"""Seen on black, on yellow and on all between; on black, blue and red."""


@dataclass(frozen=True, slots=True)
class TimeWords:
    """What a picture calls its moments."""

    nothing: str
    """Said where it shows nothing."""
    missing: str
    """What a gap is."""
    times: str
    """What stands below the axis."""


@dataclass(frozen=True, slots=True)
class TimeMesh:
    """What a picture shows of heat over time: density by moment, oldest first, and price."""

    driver: str
    base_symbol: str
    at: tuple[int, ...]
    """The time of each moment, rising."""
    spot_usd: tuple[float, ...]
    """NaN where nothing is known of the moment."""
    edges_usd: tuple[float, ...]
    """Prices between rows of equal width in the logarithm, rising."""
    long_usd: Floats
    """A line per moment, a column per row: longs per 1% of price, in logarithm."""
    short_usd: Floats

    @property
    def density_usd(self) -> Floats:
        """Of both sides."""
        return self.long_usd + self.short_usd

    @property
    def full_usd(self) -> float:
        """The density that has the last colour; the few rows that are far beyond it have the same."""
        return full_scale(np.nan_to_num(self.density_usd).max(axis=0).tolist())

    @property
    def has_giants(self) -> bool:
        """Whether some cell has more than the last colour says."""
        return bool(np.nan_to_num(self.density_usd).max() > self.full_usd)

    @property
    def sums_usd(self) -> list[float]:
        """What each moment holds within the picture."""
        width = math.log(self.edges_usd[1] / self.edges_usd[0])
        return [100 * width * math.fsum(line) for line in self.density_usd.tolist()]

    def thinned(self, most: int) -> TimeMesh:
        """At most so many of the moments, evenly chosen, the newest among them."""
        apart = max(1, math.ceil(len(self.at) / most))
        kept = slice((len(self.at) - 1) % apart, None, apart)
        at, spot = self.at[kept], self.spot_usd[kept]
        return replace(
            self, at=at, spot_usd=spot, long_usd=self.long_usd[kept], short_usd=self.short_usd[kept]
        )

    def columns(self) -> tuple[list[float], list[int | None]]:
        """`columns_of` its times, without moments of which nothing is known."""
        edges, shown = columns_of(self.at)
        return edges, [None if k is None or math.isnan(self.spot_usd[k]) else k for k in shown]

    def roots(self, shown: Sequence[int | None], *, by_side: bool) -> Floats:
        """(columns, rows) what colours go with: the root of the density; NaN in gaps.

        `by_side` it is that of the larger side, and negative where that is the longs'.
        """
        if by_side:
            is_short = self.short_usd > self.long_usd
            known = np.where(is_short, np.sqrt(self.short_usd), -np.sqrt(self.long_usd))
        else:
            known = np.sqrt(self.density_usd)
        cells = np.full((len(shown), len(self.edges_usd) - 1), math.nan)
        for column, moment in enumerate(shown):
            if moment is not None:
                cells[column] = known[moment]
        return cells


def join_rows(
    sizes: Floats, start: int, reach: tuple[int, int], width: float, most: int
) -> tuple[Floats, Floats]:
    """(edges, densities) of at most so many rows, or one more, that hold the buckets from `reach[0]` up to
    `reach[1]`.

    `sizes` is (sides, moments, buckets), the first of them bucket `start`, `width` a bucket's in logarithm;
    densities are (sides, moments, rows) per 1% of price.
    """
    first, end = reach
    joined = max(1, math.ceil((end - first) / most))
    first -= first % joined
    rows = max(1, math.ceil((end - first) / joined))
    held = np.zeros((*sizes.shape[:2], rows * joined))
    held[:, :, start - first : start - first + sizes.shape[2]] = sizes
    density = held.reshape(*sizes.shape[:2], rows, joined).sum(axis=3) / (100 * joined * width)
    edges: Floats = np.exp((first + joined * np.arange(rows + 1)) * width)
    return edges, density


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


def draw_mesh(mesh: TimeMesh, caption: Caption, words: TimeWords, *, by_side: bool = False) -> Drawn:
    """All moments side by side with the path of spot over them: black to yellow, or, by side, blue longs and
    red shorts on black.
    """
    require_matplotlib()
    from matplotlib.patheffects import Normal, Stroke

    with framed(caption, (caption.wide, 7)) as figure:
        bottom, top = caption.bottom + 0.55, caption.top + 0.35
        if not mesh.full_usd > 0:
            say_nothing(add_axes(figure, (1.0, bottom, 1.4, top)), words.nothing)
            return figure
        room = price_room(mesh.edges_usd[0], mesh.edges_usd[-1], mesh.driver)
        axes = add_axes(figure, (room, bottom, 1.4, top))
        scale = add_axes(figure, (caption.wide - 1.2, bottom, 1.02, top))
        edges, shown = mesh.columns()
        price_axis(axes.yaxis, mesh.edges_usd[0], mesh.edges_usd[-1], mesh.driver)
        axes.grid(visible=False)
        axes.set_facecolor(GREY)
        _draw_cells(axes, scale, mesh, (edges, shown), by_side=by_side)
        spot = [math.nan if k is None else mesh.spot_usd[k] for k in shown]
        edge = [Stroke(linewidth=3.2, foreground="black"), Normal()] if by_side else []
        axes.step(
            [*edges],
            [*spot, spot[-1]],
            where="post",
            color=SPOT_ON_SIDES if by_side else SPOT,
            linewidth=1.6,
            label="spot",
            path_effects=edge,
        )
        axes.set_xlim(edges[0], edges[-1])
        if None in shown:
            axes.fill_between([], [], color=GREY, label=words.missing)
        _time_ticks(axes, edges[0], edges[-1])
        axes.set_xlabel(words.times, color=INK)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, borderaxespad=0.2)
    return figure


def _draw_cells(
    axes: Axes,
    scale: Axes,
    mesh: TimeMesh,
    columns: tuple[Sequence[float], Sequence[int | None]],
    *,
    by_side: bool,
) -> None:
    """The cells with their scale of colours."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize, PowerNorm
    from matplotlib.ticker import FixedFormatter, FixedLocator

    edges, shown = columns
    roots = mesh.roots(shown, by_side=by_side)
    more = "both" if by_side else "max"
    extend = more if mesh.has_giants else "neither"
    label = f"{spelled(mesh.base_symbol)} per 1% of price"
    if not by_side:
        norm = PowerNorm(SCALE_POWER, vmin=0, vmax=mesh.full_usd)
        colours = axes.pcolormesh(edges, mesh.edges_usd, (roots**2).T, norm=norm, cmap=SCALE, rasterized=True)
        amounts = axes.figure.colorbar(colours, cax=scale, extend=extend)
        name_amounts(amounts, mesh.full_usd)
        amounts.set_label(label, color=INK)
        return
    full = math.sqrt(mesh.full_usd)
    hues = LinearSegmentedColormap.from_list("sides", SIDED_STOPS, N=512)
    colours = axes.pcolormesh(
        edges, mesh.edges_usd, roots.T, norm=Normalize(-full, full), cmap=hues, rasterized=True
    )
    bar = axes.figure.colorbar(colours, cax=scale, extend=extend)
    places, names = sided_ticks(mesh.full_usd)
    bar.locator, bar.formatter = FixedLocator(places), FixedFormatter(names)
    bar.update_ticks()
    bar.minorticks_off()
    bar.set_label(f"longs below 0, shorts above: {label}", color=INK)


def sided_ticks(full: float) -> tuple[list[float], list[str]]:
    """(places, names) on a scale of both sides: places go with the root, names are amounts without a sign."""
    ticks = scale_ticks(full)
    falling = [-math.sqrt(tick) for tick in ticks[:0:-1]]
    rising = [math.sqrt(tick) for tick in ticks]
    return [*falling, *rising], [compact(tick) for tick in (*ticks[:0:-1], *ticks)]


def _time_ticks(axes: Axes, first: float, last: float, most: int = 6) -> None:
    """Round times of UTC, each with its day where that says something."""
    step = next((step for step in _ROUND_S if (last - first) / step <= most), _ROUND_S[-1])
    step *= math.ceil((last - first) / step / most)
    ticks = [step * k for k in range(math.ceil(first / step), math.floor(last / step) + 1)]
    axes.set_xticks(ticks, [_tick(tick, step) for tick in ticks])


_ROUND_S = (60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 7 * 86_400, 28 * 86_400)


def _tick(at: int, step: int) -> str:
    if at >= END_OF_CALENDAR:
        return str(at)
    when = datetime.fromtimestamp(at, UTC)
    return f"{when:%Y-%m-%d}" if step % 86_400 == 0 else f"{when:%m-%d\n%H:%M}"
