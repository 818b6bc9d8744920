"""Which figures a report has, with the legend that stands below each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from defiliq.view.cascade_figures import cascade_figure, depth_figure, sweep_figure
from defiliq.view.contagion import arcs_told, contagion_figure
from defiliq.view.figure_frame import Figure
from defiliq.view.figures import heatmap_figure, ladder_figure
from defiliq.view.over_time import over_time_figure, span_words
from defiliq.view.palette import INDUCED, INITIAL, LONG, SHORT
from defiliq.view.rungs import OFF_SCALE
from defiliq.view.terminal import clean

if TYPE_CHECKING:
    import networkx as nx

    from defiliq.model.analysis import Analysis
    from defiliq.model.contagion import Place
    from defiliq.model.over_time import HeatOverTime
    from defiliq.view.depth_curve import DepthSide


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with the words around it."""

    figure: Figure
    title: str
    caption: str
    key: tuple[tuple[str, str], ...] = ()
    """Colours and what they mean."""


def pictures_of(
    analysis: Analysis,
    *,
    depth: Sequence[DepthSide] = (),
    contagion: nx.DiGraph[Place] | None = None,
    over_time: HeatOverTime | None = None,
) -> dict[str, Picture]:
    """Name to figure, of all that the analysis has something to show for."""
    pictures: dict[str, Picture] = {}
    if len(analysis.heat.sources):
        pictures |= _of_heat(analysis)
    unit, driver = analysis.heat.base_symbol, analysis.heat.driver
    if over_time is not None:
        told = (
            f"{span_words(over_time)}. What stood at which price when, from black (nothing) to yellow "
            "(most). The line is spot; grey is a gap between snapshots."
        )
        figure = over_time_figure(over_time, within_pct=analysis.settings.within_pct)
        pictures["over-time"] = Picture(figure, "Over time", told)
    if depth:
        told = f"What one trade from spot does to the price, by {clean(analysis.depth)}."
        pictures["depth"] = Picture(depth_figure(depth, unit), "Market depth", told)
    if contagion is not None and contagion.number_of_edges():
        told = arcs_told(contagion)
        pictures["contagion"] = Picture(contagion_figure(contagion, unit), "Contagion", told, _sides())
    if analysis.cascade is not None:
        told = "Above: market and oracle after each round. Below: what was seized in it."
        key = ((INITIAL, "by the shock itself"), (INDUCED, "induced by those liquidations"))
        pictures["cascade"] = Picture(cascade_figure(analysis.cascade, unit), "Rounds", told, key)
    if analysis.sweep is not None:
        told = "One simulation per point. Shaded: more is induced than the shock itself liquidates."
        pictures["sweep"] = Picture(sweep_figure(analysis.sweep, driver, unit), "Shocks", told)
    return pictures


def _sides() -> tuple[tuple[str, str], ...]:
    return ((LONG, "long: sold off as the price falls"), (SHORT, "short: bought back as the price rises"))


def _of_heat(analysis: Analysis) -> dict[str, Picture]:
    heat, within = analysis.heat, analysis.settings.within_pct
    legend = (
        f"Asset: {clean(heat.driver)}. Upright: liquidation price on a logarithmic scale, where the same "
        f"percentage is the same length. Bars: {clean(heat.base_symbol)} per row, all rows of the same "
        "percentage. Colour of the strip: from black (nothing) to yellow (most), one colour for one amount "
        f"at any price; {OFF_SCALE} marks what is beyond the scale."
    )
    heatmap = heatmap_figure(heat, analysis.clusters, within_pct=within)
    ladder = ladder_figure(heat, within_pct=within)
    piled = f"What is liquidated on the way from the current price of {clean(heat.driver)}, on each side."
    return {
        "heatmap": Picture(heatmap, "Heatmap", legend, _sides()),
        "ladder": Picture(ladder, "Ladder", piled, _sides()),
    }
