"""An estimate over time: the middle prior, time across and price upright, as on chain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from defiliq.view.cex_charts import WIDE, cex_caption, estimate_lines_of
from defiliq.view.cex_words import driver_of, fault_words, kind_of
from defiliq.view.charts import minute
from defiliq.view.figure_frame import Figure
from defiliq.view.heat_rows import WITHIN_PCT, counted, money_shown
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

    from defiliq.cex.levels import Estimate, EstimateOverTime
    from defiliq.view.chart_frame import Caption

_WORDS = TimeWords("nothing was estimated within this window", "unknown", "time of the candles (UTC)")


def mesh_of_estimate(
    found: EstimateOverTime, *, within_pct: float = WITHIN_PCT, most: int = MOST_ROWS
) -> TimeMesh:
    """All that lies within a window around the path of spot, buckets joined until there is room for them.

    A moment whose spot or any of whose dollars is no number is a gap.
    """
    sizes = np.stack([found.long_usd, found.short_usd])
    is_known = ~np.isnan(sizes).any(axis=(0, 2)) & (found.spot_usd > 0)
    spot = np.where(is_known, found.spot_usd, math.nan)
    width = math.log1p(found.step_pct / 100)
    driver, at = driver_of(found.instrument), tuple(found.at.tolist())
    if not is_known.any():
        nothing = np.zeros((len(spot), 1))
        return TimeMesh(driver, "USD", at, tuple(spot.tolist()), (1.0, 2.0), nothing, nothing)
    lowest, highest = float(np.nanmin(spot)), float(np.nanmax(spot))
    middles = np.exp((found.bucket + 0.5) * width)
    near = (middles >= lowest * (1 - within_pct / 100)) & (middles <= highest * (1 + within_pct / 100))
    sizes = np.where(is_known[:, None], sizes, 0.0)
    held = found.bucket[near & (sizes.max(axis=(0, 1)) > 0)].tolist()
    reach = (
        min([math.floor(math.log(lowest) / width + EDGE), *held[:1]]),
        max([math.ceil(math.log(highest) / width - EDGE), *(bucket + 1 for bucket in held[-1:])]),
    )
    shown = (found.bucket >= reach[0]) & (found.bucket < reach[1])
    start = int(found.bucket[shown][0]) if shown.any() else reach[0]
    bounds, (longs, shorts) = join_rows(sizes[:, :, shown], start, reach, width, most)
    return TimeMesh(driver, "USD", at, tuple(spot.tolist()), tuple(bounds.tolist()), longs, shorts)


def draw_estimate_over_time(
    found: EstimateOverTime, estimate: Estimate, *, within_pct: float = WITHIN_PCT, by_side: bool = False
) -> Drawn:
    """All moments side by side with the path of spot: black to yellow, or, by side, blue longs
    and red shorts.

    `estimate` is the same contract's at the end: it says where the estimate is from and what it explains.
    """
    mesh = mesh_of_estimate(found, within_pct=within_pct, most=MOST_DRAWN)
    return draw_mesh(mesh, _caption(found, estimate, mesh), _WORDS, by_side=by_side)


def estimate_over_time_figure(
    found: EstimateOverTime, *, within_pct: float = WITHIN_PCT, by_side: bool = False
) -> Figure:
    """The same for plotly; where there are many moments, some of them."""
    return mesh_figure(mesh_of_estimate(found, within_pct=within_pct), _WORDS, by_side=by_side)


def moments_words(found: EstimateOverTime) -> str:
    """How many moments, from when to when."""
    if not len(found.at):
        return "no moment"
    first, last = (minute(int(at)) for at in (found.at[0], found.at[-1]))
    return f"{counted(len(found.at), 'moment')} from {first} to {last}"


def _caption(found: EstimateOverTime, estimate: Estimate, mesh: TimeMesh) -> Caption:
    title = f"{kind_of(estimate.source)}: liquidations of {clean(found.instrument.asset)} over time"
    notes = ["Middle prior. Venues hide positions: none of this is known."]
    sizes = found.long_usd[-1:] + found.short_usd[-1:]
    outside = float(sizes.sum()) - sum(mesh.sums_usd[-1:])
    if outside > EDGE * sum(mesh.sums_usd[-1:]):
        notes.append(f"Further out at the last moment: {money_shown(outside, 'USD')}.")
    lines = [f"{moments_words(found)}.", *estimate_lines_of(estimate)]
    return cex_caption(title, lines, [*notes, *fault_words(estimate.faults)], WIDE)
