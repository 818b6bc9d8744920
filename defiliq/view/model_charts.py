"""Pictures of a heat: bars and colours by price, and what has piled up from spot outward."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from defiliq.view.chart_frame import (
    add_axes,
    caption_of,
    framed,
    money_axis,
    name_amounts,
    price_axis,
    price_room,
    say_nothing,
    spelled,
    window,
)
from defiliq.view.charts import spread
from defiliq.view.heat_rows import (
    WITHIN_PCT,
    HeatRows,
    amount_shown,
    biggest_first,
    counted,
    few_slots,
    heading_of,
    heat_rows,
    money_shown,
    outside_words,
    price_shown,
)
from defiliq.view.palette import FAINT, GREY, INK, LONG, RULE, SCALE, SCALE_POWER, SHORT
from defiliq.view.rungs import OFF_SCALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from defiliq.model.clusters import Cluster
    from defiliq.model.heat import Heat

SLOTS = 240
"""A picture is at most so many rows high, empty ones counted: each of them is still seen."""
NAMED = 8
"""So many clusters are named in a picture."""
NOTHING = "no level of known size lies within this window"
_SIDES = (("long", LONG), ("short", SHORT))
_NAME_GAP = 0.032
"""The least distance of two names, as a share of the picture's height."""


def draw_heatmap(heat: Heat, clusters: Sequence[Cluster], *, within_pct: float = WITHIN_PCT) -> Figure:
    """Longs to the left and shorts to the right of each price, and their density as a strip of colour."""
    shown = heat_rows(heat, within_pct=within_pct, fits=few_slots(SLOTS))
    notes = [f"Each row is {shown.step_pct:.3g}% of price.", *outside_words(heat, shown)]
    caption = caption_of(f"{heading_of(heat)} heatmap, {_headed(heat)}", heat.sources, notes)
    with framed(caption, (10, 9)) as figure:
        bottom, top = caption.bottom + 0.55, caption.top + 0.35
        if not shown.full_usd > 0:
            say_nothing(add_axes(figure, (1.0, bottom, 2.0, top)), NOTHING)
            return figure
        low, high = window(shown.low_usd, shown.high_usd)
        bars = add_axes(figure, (price_room(low, high, heat.driver), bottom, 2.0, top))
        strip = add_axes(figure, (8.15, bottom, 1.35, top), sharey=bars)
        scale = add_axes(figure, (9.05, bottom, 0.78, top))
        price_axis(bars.yaxis, low, high, heat.driver)
        _draw_bars(bars, shown, heat)
        strip_of = shown.strip(*bars.get_ylim())
        draw_strip(strip, scale, strip_of, shown.full_density_usd, heat.base_symbol)
        strip.axhline(heat.spot_usd, color="white", linewidth=1.2, linestyle=(0, (4, 2)))
        name_clusters(
            bars, clusters, heat.spot_usd, heat.driver, lambda cluster: _cluster_words(cluster, heat.driver)
        )
    return figure


def draw_ladder(heat: Heat, *, within_pct: float = WITHIN_PCT) -> Figure:
    """What has been liquidated once the price is there, from spot outward on both sides."""
    shown = heat_rows(heat, within_pct=within_pct)
    caption = caption_of(
        f"{heading_of(heat)} ladder, {_headed(heat)}", heat.sources, outside_words(heat, shown)
    )
    with framed(caption, (10, 6.4)) as figure:
        axes = add_axes(figure, (0.9, caption.bottom + 0.55, 0.4, caption.top + 0.35))
        if not shown.full_usd > 0:
            say_nothing(axes, NOTHING)
            return figure
        low, high = window(shown.low_usd, shown.high_usd)
        price_axis(axes.xaxis, low, high, heat.driver)
        for side, colour in _SIDES:
            prices, sums = piled_up(heat, side, low, high)
            if shown.has_giants:
                sums = [value if value > 0 else math.nan for value in sums]
            axes.fill_between(prices, sums, step="post", color=colour, alpha=0.22, linewidth=0)
            label = f"{side}: {money_shown(sums[-1] if sums[-1] > 0 else 0.0, heat.base_symbol)}"
            axes.step(prices, sums, where="post", color=colour, linewidth=2, label=label)
        axes.axvline(heat.spot_usd, color=INK, linewidth=1.2, linestyle=(0, (4, 2)), label="spot")
        axes.grid(axis="y", color=RULE, linewidth=0.8)
        axes.set(**({"yscale": "log"} if shown.has_giants else {"ylim": (0, None)}))
        scale = ", logarithmic" if shown.has_giants else ""
        money_axis(axes.yaxis, f"liquidated on the way{scale}", heat.base_symbol)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False, borderaxespad=0.2)
    return figure


def piled_up(heat: Heat, side: str, low: float, high: float) -> tuple[list[float], list[float]]:
    """(prices, sums) of one side from spot outward to the edge of a picture, with a step at each level."""
    table = heat.buckets[(heat.buckets["side"] == side) & heat.buckets["price_usd"].between(low, high)]
    outward = table.iloc[::-1] if side == "long" else table
    edge = low if side == "long" else high
    sums = [0.0, *outward["cumulative_usd"]]
    start = outward["price_usd"].iloc[0] if len(outward) else heat.spot_usd
    near = max(start, heat.spot_usd) if side == "long" else min(start, heat.spot_usd)
    return [near, *outward["price_usd"], edge], [*sums, sums[-1]]


def _headed(heat: Heat) -> str:
    return f"{spelled(heat.driver)}, spot {price_shown(heat.spot_usd, heat.driver)}"


def _draw_bars(axes: Axes, shown: HeatRows, heat: Heat) -> None:
    """Bars as thick as their row and as long as its dollars; those beyond the scale are cut and say so."""
    full = shown.full_usd
    edges = [row.low_usd for row in shown.rows]
    thick = [row.high_usd - row.low_usd for row in shown.rows]
    for side, colour in _SIDES:
        sign = -1 if side == "long" else 1
        sizes = [row.long_usd if side == "long" else row.short_usd for row in shown.rows]
        cut = [sign * min(size, full) for size in sizes]
        axes.barh(edges, cut, height=thick, align="edge", color=colour, linewidth=0, label=side)
        for row, size in zip(shown.rows, sizes, strict=True):
            if size > full:
                align: Literal["right", "left"] = "right" if sign < 0 else "left"
                where = (sign * full * 1.01, math.sqrt(row.low_usd * row.high_usd))
                text = f"{OFF_SCALE} {amount_shown(size)}"
                axes.text(*where, text, ha=align, va="center", color=colour, fontsize=9)
    reach = 1.32 if shown.has_giants else 1.12  # room for the sizes of bars that are cut
    axes.set_xlim(-reach * full, reach * full)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.axhline(heat.spot_usd, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
    unit = f"{shown.step_pct:.3g}% of price"
    money_axis(
        axes.xaxis, f"liquidated per {unit}: longs left, shorts right", heat.base_symbol, absolute=True
    )
    for x, ha, side, colour in ((0.0, "left", "long", LONG), (1.0, "right", "short", SHORT)):
        does = "sold off as the price falls" if side == "long" else "bought back as the price rises"
        words = axes.text(x, 1.012, f"{side}: {does}", transform=axes.transAxes, color=colour)
        words.set(ha=ha, va="bottom", fontweight="bold")


def draw_strip(
    axes: Axes, scale: Axes, strip: tuple[Sequence[float], Sequence[float]], full: float, money: str
) -> None:
    """Density from black to yellow; where nothing is, it is black. The same dollars have the same colour.

    `strip` is (edges, densities), `full` the density of the last colour.
    """
    from matplotlib.colors import PowerNorm

    low, high = axes.get_ylim()
    edges, density = strip
    norm = PowerNorm(SCALE_POWER, vmin=0, vmax=full)
    colours = axes.pcolormesh([0, 1], edges, [[value] for value in density], norm=norm, cmap=SCALE)
    axes.set_ylim(low, high)
    axes.tick_params(labelleft=False, left=False, bottom=False, labelbottom=False)
    axes.set_xlabel("density", color=INK)
    extend = "max" if max(density) > full else "neither"
    bar = axes.figure.colorbar(colours, cax=scale, extend=extend)
    name_amounts(bar, full)
    bar.set_label(f"{spelled(money)} per 1% of price", color=INK)
    bar.outline.set_visible(False)


def name_clusters(
    axes: Axes, clusters: Sequence[Cluster], spot_usd: float, driver: str, words: Callable[[Cluster], str]
) -> None:
    """Words for the largest clusters, on the side of the axis where their bars are not, and for spot."""
    low, high = axes.get_ylim()
    seen = [cluster for cluster in clusters if low <= cluster.price_usd <= high]
    spot = math.log(spot_usd / low) / math.log(high / low)
    for side, colour in _SIDES:
        sign = 1 if side == "long" else -1
        named = [cluster for cluster in biggest_first(seen, NAMED) if cluster.type == side]
        # From spot outwards: names that have to move away from spot keep their order.
        named = named[: max(0, int(_room(spot, sign)[1] / _NAME_GAP))]
        named.sort(key=lambda cluster: -sign * cluster.price_usd)
        shares = [math.log(cluster.price_usd / low) / math.log(high / low) for cluster in named]
        for cluster, share, place in zip(named, shares, _beside(shares, spot, sign), strict=True):
            axes.annotate(
                words(cluster),
                (0.5, share),
                (0.5 + sign * 0.045, place),
                xycoords="axes fraction",
                color=INK,
                fontsize=9,
                ha="left" if sign > 0 else "right",
                va="center",
                arrowprops={
                    "arrowstyle": "-",
                    "color": colour,
                    "linewidth": 1,
                    "relpos": (0.0 if sign > 0 else 1.0, 0.5),
                },
                bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            )
    name = f"spot {price_shown(spot_usd, driver)}"
    axes.text(0.005, spot + 0.004, name, va="bottom", color=FAINT, fontsize=9, transform=axes.transAxes)


def _cluster_words(cluster: Cluster, driver: str) -> str:
    """Price, size and number, which of an estimate nobody knows."""
    price = price_shown(cluster.price_usd, driver)
    who = f"  {counted(cluster.accounts, 'account')}" if cluster.accounts else ""
    return f"{price}  {amount_shown(cluster.magnitude_usd)}{who}"


def _room(spot: float, sign: int) -> tuple[float, float]:
    """(where names begin, how far they may go): below spot for longs (1), above it and its name for shorts.

    Beyond that are the other side's bars.
    """
    edge = spot - _NAME_GAP if sign > 0 else spot + 2 * _NAME_GAP
    return edge, edge if sign > 0 else 1 - edge


def _beside(shares: Sequence[float], spot: float, sign: int) -> list[float]:
    """Heights for names, moved away from spot where they would touch."""
    edge, room = _room(spot, sign)
    away = [min(1.0, max(0.0, sign * (edge - share) / room)) for share in shares]
    return [edge - sign * room * place for place in spread(away, _NAME_GAP / room)]
