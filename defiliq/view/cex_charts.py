"""Pictures of one estimate: bars that pale where priors disagree, and the middle prior's density."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from defiliq.view.cex_rows import Band, EstimateRows, estimate_rows
from defiliq.view.cex_words import (
    NOTHING,
    band_shown,
    coverage_words,
    driver_of,
    fault_words,
    headline,
    left_out,
    priors_words,
    source_words,
    sums_words,
)
from defiliq.view.chart_frame import (
    Caption,
    add_axes,
    framed,
    money_axis,
    price_axis,
    price_room,
    say_nothing,
    window,
)
from defiliq.view.charts import compact
from defiliq.view.heat_rows import WITHIN_PCT, few_slots, price_shown
from defiliq.view.model_charts import SLOTS, draw_strip, name_clusters
from defiliq.view.palette import BAND_TINTS, GREY, INK, LONG, SHORT, tinted
from defiliq.view.rungs import OFF_SCALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from defiliq.cex.levels import Estimate
    from defiliq.model.clusters import Cluster

WIDE = 8.0
"""Inches: narrower than pictures of the chain, so that letters are larger where a phone shows all of it."""
_LINES = 2
"""So many lines has whatever is said: names may be of any length."""
_DASHED = (0, (4, 2))


def draw_estimate(
    estimate: Estimate, clusters: Sequence[Cluster] = (), *, within_pct: float = WITHIN_PCT
) -> Figure:
    """Longs to the left and shorts to the right of each price with their bands, beside a strip of density.

    `clusters` are of the middle prior's heat; the largest of them are named, with the band of what they hold.
    """
    shown = estimate_rows(estimate, within_pct=within_pct, fits=few_slots(SLOTS))
    notes = (
        "Dark: under every prior. Middle: up to the middle one. Pale: up to the largest.",
        f"Each row is {shown.step_pct:.3g}% of price.",
        sums_words(estimate),
        *left_out(shown),
        *fault_words(estimate.faults),
        "Venues hide positions: none of this is known.",
    )
    caption = cex_caption(headline(estimate), estimate_lines_of(estimate), notes)
    with framed(caption, (WIDE, 9.2)) as figure:
        bottom, top = caption.bottom + 0.55, caption.top + 0.35
        if not shown.full_usd > 0:
            say_nothing(add_axes(figure, (0.95, bottom, 1.95, top)), NOTHING)
            return figure
        driver = driver_of(estimate.instrument)
        low, high = window(shown.low_usd, shown.high_usd)
        bars = add_axes(figure, (price_room(low, high, driver), bottom, 1.95, top))
        price_axis(bars.yaxis, low, high, driver)
        _draw_bars(bars, shown)
        name_clusters(bars, clusters, shown.spot_usd, driver, lambda found: cluster_words(estimate, found))
        if shown.full_density_usd > 0:
            strip = add_axes(figure, (WIDE - 1.8, bottom, 1.3, top), sharey=bars)
            scale = add_axes(figure, (WIDE - 0.95, bottom, 0.78, top))
            draw_strip(
                strip, scale, shown.strip(*bars.get_ylim()), shown.full_density_usd, "middle prior, USD"
            )
            strip.axhline(shown.spot_usd, color="white", linewidth=1.2, linestyle=_DASHED)
    return figure


def cex_caption(title: str, lines: Iterable[str], notes: Iterable[str], wide: float = WIDE) -> Caption:
    """Words around a picture, broken into lines that fit it."""
    most = int(12 * min(wide, 10.0))
    broken = tuple(
        part for line in lines for part in textwrap.wrap(line, most, max_lines=_LINES, placeholder="…")
    )
    return Caption(title, broken, tuple(notes), wide)


def estimate_lines_of(estimate: Estimate) -> list[str]:
    """Where an estimate is from and what it explains, one sentence each."""
    return [source_words(estimate), coverage_words(estimate), priors_words(estimate)]


def cluster_words(estimate: Estimate, cluster: Cluster) -> str:
    """A cluster's price and the band of its side's dollars."""
    price = price_shown(cluster.price_usd, driver_of(estimate.instrument))
    return f"{price}  {band_shown(cluster_band(estimate, cluster))}"


def cluster_band(estimate: Estimate, cluster: Cluster) -> Band:
    """What the priors make of the buckets that lie within a cluster of its side."""
    middles = np.sqrt(estimate.edges_usd[:-1] * estimate.edges_usd[1:])
    inside = (middles > cluster.low_usd) & (middles < cluster.high_usd)
    sums = np.nansum(estimate.dollars(cluster.type)[:, inside], axis=1)
    return Band(float(sums.min()), float(sums[estimate.mid]), float(sums.max()))


def _draw_bars(axes: Axes, shown: EstimateRows) -> None:
    """Bars as thick as their row; the palest is as long as the largest prior's dollars."""
    full = shown.full_usd
    edges = [row.mid.low_usd for row in shown.rows]
    thick = [row.mid.high_usd - row.mid.low_usd for row in shown.rows]
    for side, colour in (("long", LONG), ("short", SHORT)):
        sign = -1 if side == "long" else 1
        bands = [row.band(side) for row in shown.rows]
        ends = ([getattr(band, f"{name}_usd") for band in bands] for name in ("low", "mid", "high"))
        for tint, sizes in reversed(list(zip(BAND_TINTS, ends, strict=True))):
            cut = [sign * min(size, full) for size in sizes]
            axes.barh(edges, cut, height=thick, align="edge", color=tinted(colour, tint), linewidth=0)
        for row, band in zip(shown.rows, bands, strict=True):
            if band.high_usd > full:
                align: Literal["right", "left"] = "right" if sign < 0 else "left"
                where = (sign * full * 1.01, math.sqrt(row.mid.low_usd * row.mid.high_usd))
                text = f"{OFF_SCALE} {compact(band.high_usd)}"
                axes.text(*where, text, ha=align, va="center", color=colour, fontsize=9)
        place: tuple[float, Literal["left", "right"]] = (0.0, "left") if sign < 0 else (1.0, "right")
        does = "sold as the price falls" if sign < 0 else "bought as it rises"
        words = axes.text(place[0], 1.012, f"{side}: {does}", transform=axes.transAxes, color=colour)
        words.set(ha=place[1], va="bottom", fontweight="bold")
    reach = 1.32 if shown.has_giants else 1.12  # room for the sizes of bars that are cut
    axes.set_xlim(-reach * full, reach * full)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.axhline(shown.spot_usd, color=INK, linewidth=1.2, linestyle=_DASHED)
    money_axis(axes.xaxis, f"estimated per {shown.step_pct:.3g}% of price", "USD", absolute=True)
