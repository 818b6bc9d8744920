"""Pictures of what a price fall leads to: depth, one cascade's rounds, and many shocks side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from defiliq.model.cascade import frontier
from defiliq.view.chart_frame import Caption, add_axes, framed, money_axis, say_nothing, spelled
from defiliq.view.charts import compact
from defiliq.view.heat_rows import amount_shown
from defiliq.view.palette import BAD_DEBT, DRIVERS, FAINT, GREY, INDUCED, INITIAL, INK, LONG, RULE, SHORT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from defiliq.model.cascade import Cascade
    from defiliq.view.depth_curve import DepthSide

MOST_TICKS = 16
_DASHED = (0, (4, 2))


def draw_depth(sides: Sequence[DepthSide], caption: Caption, base_symbol: str) -> Figure:
    """What a sale (left) and a purchase (right) of each size do to the price, from spot."""
    with framed(caption, (10, 6)) as figure:
        axes = add_axes(figure, (0.95, caption.bottom + 0.55, 0.4, caption.top + 0.35))
        for found, colour in zip(sides, (LONG, SHORT), strict=True):
            sign = -1 if found.side == "long" else 1
            sizes = [sign * size for size in found.size_usd]
            does = "selling" if found.side == "long" else "buying"
            axes.plot(sizes, found.moved_pct, color=colour, linewidth=2, label=does)
            if found.is_dry:
                axes.plot(
                    sizes[-1:], found.moved_pct[-1:], "x", color=colour, markersize=9, markeredgewidth=2
                )
                axes.annotate(
                    f"runs dry at {amount_shown(found.size_usd[-1])}",
                    (sizes[-1], found.moved_pct[-1]),
                    (-sign * 12, sign * 10),
                    textcoords="offset points",
                    ha="right" if sign > 0 else "left",
                    va="center",
                    color=colour,
                )
        axes.margins(y=0.08)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.axvline(0, color=INK, linewidth=1.2, linestyle=_DASHED)
        axes.grid(visible=True, color=RULE, linewidth=0.8)
        _percent(axes.yaxis, "the price moves by")
        money_axis(axes.xaxis, "traded from spot: sold left, bought right", base_symbol, absolute=True)
        _legend_above(axes)
    return figure


def draw_cascade(found: Cascade, caption: Caption, base_symbol: str) -> Figure:
    """Market and oracle from round to round, and what was liquidated in each."""
    with framed(caption, (10, 8)) as figure:
        bottom, top = caption.bottom + 0.75, caption.top + 0.35
        middle = bottom + 0.42 * (8 - bottom - top)
        prices = add_axes(figure, (0.95, middle + 0.2, 0.4, top))
        sums = add_axes(figure, (0.95, bottom, 0.4, 8 - middle + 0.3), sharex=prices)
        rounds = found.rounds[found.rounds["cause"] != "already"].astype({"round": "int64"})
        if rounds.empty:
            say_nothing(prices, "nothing breaks")
            sums.set_axis_off()
            return figure
        _draw_prices(prices, rounds, found)
        _draw_rounds(sums, rounds, base_symbol)
    return figure


def draw_sweep(table: pd.DataFrame, caption: Caption, driver: str, base_symbol: str) -> Figure:
    """What each shock liquidates, and what that liquidates in turn; shaded where the second is larger."""
    with framed(caption, (10, 6)) as figure:
        axes = add_axes(figure, (0.95, caption.bottom + 0.55, 0.4, caption.top + 0.35))
        if table.empty:
            say_nothing(axes, "no shock was tried")
            return figure
        rising = table.sort_values("shock_pct", kind="stable")
        for part in (rising[rising["shock_pct"] < 0], rising[rising["shock_pct"] >= 0]):
            for column, name, colour in sweep_lines(rising):
                label = None if part.empty or _is_named(axes, name) else name
                axes.plot(
                    part["shock_pct"],
                    part[column],
                    "o-",
                    color=colour,
                    label=label,
                    markersize=4,
                    linewidth=2,
                )
        _draw_frontier(axes, rising)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, color=RULE, linewidth=0.8)
        _percent(axes.xaxis, f"shock of {spelled(driver)}")
        money_axis(axes.yaxis, "liquidated", base_symbol)
        _legend_above(axes)
    return figure


def sweep_lines(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Column, name and colour of what a sweep's picture shows: bad debt only where there is any."""
    lines = [
        ("initial_usd", "by the shock itself", INITIAL),
        ("induced_usd", "induced by those liquidations", INDUCED),
        ("bad_debt_usd", "bad debt", BAD_DEBT),
    ]
    return [line for line in lines if line[0] != "bad_debt_usd" or (table[line[0]] > 0).any()]


def drivers_shown(rounds: pd.DataFrame, most: int = len(DRIVERS)) -> list[str]:
    """The drivers whose market was traded or moved, those with most trade first."""
    moved = rounds[(rounds["traded_usd"].abs() > 0) | (rounds["oracle_usd"] != rounds["market_after_usd"])]
    sums = {str(name): math.fsum(part["traded_usd"].abs()) for name, part in moved.groupby("driver")}
    return sorted(sums, key=lambda name: (-sums[name], name))[:most]


def steps_of(rounds: pd.DataFrame, driver: str, column: str, spot: float) -> list[float]:
    """A price per round of one driver, in percent from spot."""
    return [100 * (price / spot - 1) for price in rounds[column][rounds["driver"] == driver]]


def round_names(rounds: pd.DataFrame) -> list[str]:
    """Each round's number and what began it."""
    firsts = rounds.drop_duplicates("round")
    return [
        f"{number}\n{spelled(cause)}" for number, cause in zip(firsts["round"], firsts["cause"], strict=True)
    ]


def _draw_prices(axes: Axes, rounds: pd.DataFrame, found: Cascade) -> None:
    numbers = rounds["round"].drop_duplicates().tolist()
    named = drivers_shown(rounds)
    for name, colour in zip(named, DRIVERS, strict=False):
        spot = found.spot_usd[name]
        across = [numbers[0] - 1, *numbers]
        after = steps_of(rounds, name, "market_after_usd", spot)
        oracle = steps_of(rounds, name, "oracle_usd", spot)
        axes.plot(
            across,
            [0.0, *after],
            "o-",
            color=colour,
            linewidth=2,
            markersize=4,
            label=f"{spelled(name)} market",
        )
        kinked = axes.step(across, [0.0, *oracle], where="mid", color=colour, label=f"{spelled(name)} oracle")
        kinked[0].set(linewidth=1.6, linestyle=_DASHED)
    if not named:
        axes.text(0.5, 0.5, "no price moved", ha="center", color=FAINT, transform=axes.transAxes)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.tick_params(labelbottom=False)
    _percent(axes.yaxis, "from spot")
    if named:
        _legend_above(axes)


def _draw_rounds(axes: Axes, rounds: pd.DataFrame, base_symbol: str) -> None:
    once = rounds.drop_duplicates("round")
    numbers = once["round"].tolist()
    is_shock = once["cause"] == "shock"
    for kind, name, colour in ((is_shock, "by the shock itself", INITIAL), (~is_shock, "induced", INDUCED)):
        axes.bar(numbers, once["seized_usd"].where(kind), color=colour, width=0.8, label=name)
    lost = once["bad_debt_usd"].where(once["bad_debt_usd"] > 0)
    if lost.notna().any():
        axes.plot(numbers, lost, "D", color=BAD_DEBT, markersize=5, label="bad debt", clip_on=False)
    money_axis(axes.yaxis, "seized", base_symbol)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0)
    apart = math.ceil(len(numbers) / MOST_TICKS)
    axes.set_xlim(numbers[0] - 1.5, numbers[-1] + 0.7)
    named = [(numbers[0] - 1, "spot"), *zip(numbers, round_names(rounds), strict=True)][::apart]
    axes.set_xticks(*zip(*named, strict=True), fontsize=9)
    axes.set_xlabel("round, and what began it", color=INK)
    if len(numbers) <= MOST_TICKS:
        for number, seized in zip(numbers, once["seized_usd"], strict=True):
            axes.annotate(
                compact(seized), (number, seized), (0, 3), textcoords="offset points", ha="center", fontsize=9
            )
    axes.legend(loc="upper right", frameon=False)


def beyond_frontier(rising: pd.DataFrame) -> list[tuple[float, float]]:
    """The stretches of shocks where more is induced than initial, each reaching halfway to its neighbours."""
    stretches: list[tuple[float, float]] = []
    for _, part in rising.groupby(rising["shock_pct"] < 0, sort=False):
        shocks = part["shock_pct"].tolist()
        edges = [shocks[0], *((low + high) / 2 for low, high in pairwise(shocks)), shocks[-1]]
        is_beyond = (part["induced_usd"] > part["initial_usd"]).tolist()
        for (low, high), beyond in zip(pairwise(edges), is_beyond, strict=True):
            if beyond and stretches and stretches[-1][1] == low:
                stretches[-1] = (stretches[-1][0], high)
            elif beyond:
                stretches.append((low, high))
    return stretches


def _draw_frontier(axes: Axes, rising: pd.DataFrame) -> None:
    """Where induced dollars exceed initial ones, and the smallest shock of each direction that does it."""
    for low, high in beyond_frontier(rising):
        axes.axvspan(low, high, color=INDUCED, alpha=0.15, linewidth=0)
    for edge in frontier(rising):
        if edge is not None:
            axes.axvline(edge, color=INK, linewidth=1, linestyle=_DASHED)
            axes.annotate(
                f"{edge:+.3g}%: more induced\nthan initial",
                (edge, 0.98),
                (6 if edge > 0 else -6, 0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="left" if edge > 0 else "right",
                va="top",
                fontsize=9,
                color=INK,
            )


def _is_named(axes: Axes, name: str) -> bool:
    return name in [line.get_label() for line in axes.lines]


def _percent(axis: Any, label: str) -> None:
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.3g}%" if value else "0%"))
    axis.set_label_text(label, color=INK)


def _legend_above(axes: Axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, borderaxespad=0.2)
