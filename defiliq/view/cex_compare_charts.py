"""The comparison in one picture: cumulative curves of all parties, and what each holds at which price."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from defiliq.view.cex_charts import WIDE, cex_caption
from defiliq.view.cex_compare_words import axis_words, party_words, title_of_comparison, where_lines
from defiliq.view.chart_frame import add_axes, framed, money_axis, price_axis, say_nothing, spelled, window
from defiliq.view.charts import compact, cut
from defiliq.view.palette import CHAIN, FAINT, INK, MIDDLE, RULE, SCALE, SCALE_POWER, SCALE_STOPS, VENUES
from defiliq.view.rungs import GIANT, full_scale
from defiliq.view.time_mesh import SPOT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from defiliq.cex.compare import Comparison
    from defiliq.cex.history import Floats
    from defiliq.cex.levels import Estimate
    from defiliq.cex.parties import Party
    from defiliq.types import Side

NOTHING = "nobody holds anything within this window"
MARKS = {"consensus": "●", "partial": "◐", "alone": "○", "": "·"}
"""How many of the others have a cluster where one party has it."""
_DASHES: tuple[tuple[float, ...], ...] = ((5, 1.5), (6, 1.5, 1.5, 1.5), (3, 3), (8, 2, 2, 2, 2, 2))
_SHORT = 24
"""Letters of a name of which three have room."""
_CURVES, _STRIP, _GAP = 3.7, 0.24, 0.26
"""Inches: how high the curves are, a strip, and the room for its name."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One party's side from spot outward: prices in the order in which they are met, and a band of sums."""

    price_usd: list[float]
    low_usd: list[float]
    mid_usd: list[float]
    high_usd: list[float]


def ends_of(comparison: Comparison) -> tuple[float, float]:
    """The prices at the picture's edges, a little beyond what anybody holds."""
    edges = comparison.edges_usd
    return window(float(edges[0]), float(edges[-1]))


def curve_of(comparison: Comparison, party: Party, side: Side) -> Curve:
    """What has broken once the price is there, bucket after bucket from nothing at spot to the edge."""
    edges = comparison.edges_usd
    piled = comparison.cumulative(party, side)
    spot = comparison.axis.spot_usd
    held = np.flatnonzero(piled[2] > 0)
    if side == "long":
        prices, sums = edges[::-1], np.hstack([np.zeros((3, 1)), piled[:, ::-1]])
        start = max(spot, float(edges[held[-1] + 1])) if len(held) else spot
        shown = prices <= start * (1 + 1e-9)
    else:
        prices, sums = edges, np.hstack([np.zeros((3, 1)), piled])
        start = min(spot, float(edges[held[0]])) if len(held) else spot
        shown = prices >= start * (1 - 1e-9)
    low, mid, high = ([*row[shown].tolist(), float(row[-1])] for row in sums)
    return Curve([*prices[shown].tolist(), ends_of(comparison)[side == "short"]], low, mid, high)


def style_of(comparison: Comparison, party: Party) -> tuple[str, Any]:
    """(colour, dashes) of a party's line: what is exact is drawn through."""
    if party.kind == "chain":
        return CHAIN, "solid"
    if party.kind == "sum":
        return MIDDLE, (0, (1, 1))
    place = [venue.name for venue in comparison.venues].index(party.name)
    return VENUES[place % len(VENUES)], (0, _DASHES[place % len(_DASHES)])


def is_bent(comparison: Comparison) -> bool:
    """Whether sums are so different that a straight axis would flatten some of them."""
    totals = [total for party in comparison.parties if (total := party.points.band()[1]) > 0]
    return bool(totals) and max(totals) > GIANT * min(totals)


def densities(comparison: Comparison, party: Party) -> Floats:
    """(b,) what a party holds per 1% of price, of both sides, at the middle of its band."""
    both: Floats = comparison.band(party, "long")[1] + comparison.band(party, "short")[1]
    return both / (100 * math.log(comparison.axis.ratio))


def shown_parties(comparison: Comparison) -> list[Party]:
    """Those that have a strip: the sum is what the venues' strips show already."""
    return [party for party in comparison.parties if party.kind != "sum"]


def full_density(comparison: Comparison) -> float:
    """The density that has the last colour, of all strips alike."""
    shown = [densities(comparison, party).tolist() for party in shown_parties(comparison)]
    return full_scale([value for row in shown for value in row])


def draw_comparison(comparison: Comparison, estimates: Sequence[Estimate] = ()) -> Figure:
    """Above: what is liquidated on the way from spot, exact as a line, estimated as bands. Below: density.

    `estimates` are those that were compared: they say where they are from and what they explain.
    """
    parties = shown_parties(comparison)
    caption = cex_caption(
        title_of_comparison(comparison, estimates), where_lines(comparison, estimates), _notes(comparison)
    )
    below = caption.bottom + 0.85
    strips = len(parties) * (_STRIP + _GAP)
    rows = math.ceil((len(comparison.parties) + 1) / _abreast(comparison))
    above = caption.top + 0.16 + 0.22 * rows
    high = below + strips + 0.62 + _CURVES + above
    with framed(caption, (WIDE, high)) as figure:
        curves = add_axes(figure, (0.85, below + strips + 0.62, 0.35, above))
        full = full_density(comparison)
        if not full > 0:
            say_nothing(curves, NOTHING)
            return figure
        price_axis(curves.xaxis, *ends_of(comparison), comparison.axis.driver)
        curves.set_xlabel(spelled(axis_words(comparison)), color=INK)
        _draw_curves(curves, comparison)
        for place, party in enumerate(parties):
            bottom = below + (len(parties) - 1 - place) * (_STRIP + _GAP)
            strip = add_axes(figure, (0.85, bottom, 0.35, high - bottom - _STRIP), sharex=curves)
            colours = _draw_strip(strip, comparison, party, full)
        scale = add_axes(figure, (0.85, caption.bottom + 0.47, 0.35, high - caption.bottom - 0.6))
        _draw_scale(scale, colours, has_giants=_has_giants(comparison, full))
    return figure


def _abreast(comparison: Comparison) -> int:
    """How many names of the legend have room beside each other."""
    return 3 if max(len(party_words(party)) for party in comparison.parties) <= _SHORT else 2


def _notes(comparison: Comparison) -> list[str]:
    marks = f"{MARKS['consensus']} all others have one there, {MARKS['partial']} some, {MARKS['alone']} none"
    drawn = "" if comparison.chain is None else "Line: exact on chain. "
    if comparison.venues:
        drawn += "Bands: estimates, every bucket's least and most over the priors summed; middle dashed."
    return [
        drawn.strip(),
        f"Below: the {comparison.k} largest clusters of each ({marks}).",
        *(f"Incomplete: {spelled(fault)}" for fault in comparison.faults),
    ]


def _draw_curves(axes: Axes, comparison: Comparison) -> None:
    bent = is_bent(comparison)
    for party in comparison.parties:
        colour, dashes = style_of(comparison, party)
        label: str | None = cut(party_words(party), 80 // _abreast(comparison))
        sides: tuple[Side, Side] = ("long", "short")
        for side in sides:
            curve = curve_of(comparison, party, side)
            low, mid, high = (
                [value if value > 0 or not bent else math.nan for value in row]
                for row in (curve.low_usd, curve.mid_usd, curve.high_usd)
            )
            if party.kind == "venue":
                floor = [0.0 if math.isnan(value) else value for value in low]
                axes.fill_between(curve.price_usd, floor, high, color=colour, alpha=0.17, linewidth=0)
            width = 2.6 if party.kind == "chain" else 1.6
            axes.plot(curve.price_usd, mid, color=colour, linestyle=dashes, linewidth=width, label=label)
            label = None
    axes.axvline(comparison.axis.spot_usd, color=INK, linewidth=1.2, linestyle=(0, (4, 2)), label="spot")
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set(**({"yscale": "log"} if bent else {"ylim": (0, None)}))
    money_axis(axes.yaxis, f"liquidated on the way{', logarithmic' if bent else ''}", "USD")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=_abreast(comparison),
        frameon=False,
        borderaxespad=0.2,
        handlelength=3,
    )


def _draw_strip(axes: Axes, comparison: Comparison, party: Party, full: float) -> Any:
    """Density from black to yellow, one scale for all strips, with the party's clusters marked."""
    from matplotlib.colors import PowerNorm

    norm = PowerNorm(SCALE_POWER, vmin=0, vmax=full)
    cells = [densities(comparison, party).tolist()]
    colours = axes.pcolormesh(comparison.edges_usd, [0, 1], cells, norm=norm, cmap=SCALE, rasterized=True)
    axes.axvline(comparison.axis.spot_usd, color="white", linewidth=1.2, linestyle=(0, (4, 2)))
    axes.set_yticks([])
    axes.tick_params(bottom=False, labelbottom=False, which="both")
    axes.grid(visible=False)
    axes.set_facecolor(SCALE_STOPS[0][1])
    axes.spines[["left", "bottom"]].set_visible(False)
    fills = {"consensus": "full", "partial": "left", "alone": "none", "": "none"}
    for level in comparison.levels:
        if level.name == party.name:
            label = level.agreement.label or ""
            axes.plot(
                [level.cluster.price_usd],
                [0.5],
                marker="o" if label else ".",
                markersize=8,
                fillstyle=fills[label],
                color=SPOT,
                markerfacecoloralt="black",
                markeredgecolor=SPOT,
                markeredgewidth=1.3,
                clip_on=False,
                linestyle="none",
            )
    name = cut(party_words(party), 60)
    axes.text(0, 1.1, name, transform=axes.transAxes, va="bottom", color=FAINT, fontsize=9)
    return colours


def _has_giants(comparison: Comparison, full: float) -> bool:
    return any(densities(comparison, party).max() > full for party in shown_parties(comparison))


def _draw_scale(axes: Axes, colours: Any, *, has_giants: bool) -> None:
    from matplotlib.ticker import FuncFormatter

    bar = axes.figure.colorbar(
        colours,
        cax=axes,
        orientation="horizontal",
        format=FuncFormatter(lambda value, _: compact(value)),
        extend="max" if has_giants else "neither",
    )
    bar.set_label("USD per 1% of price", color=INK)
    bar.outline.set_visible(False)
