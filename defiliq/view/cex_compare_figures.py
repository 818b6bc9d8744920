"""Interactive figures of the comparison, as plotly takes them: see `figures`."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from defiliq.view.cex_backtest import cut_label
from defiliq.view.cex_compare_charts import (
    NOTHING,
    curve_of,
    densities,
    ends_of,
    full_density,
    is_bent,
    shown_parties,
    style_of,
)
from defiliq.view.cex_compare_words import agreement_words, axis_words, band_words, party_words
from defiliq.view.cex_figures import Spot
from defiliq.view.charts import compact
from defiliq.view.figure_frame import (
    LEGEND,
    MARGIN,
    Figure,
    empty_figure,
    money_axis,
    named,
    price_axis,
    scale_bar,
    spot_line,
    spot_name,
)
from defiliq.view.figures import bent_axis
from defiliq.view.heat_rows import distance_shown, price_shown
from defiliq.view.palette import SCALE_STOPS
from defiliq.view.time_mesh import SPOT

if TYPE_CHECKING:
    from defiliq.cex.compare import Comparison
    from defiliq.cex.consensus import Level
    from defiliq.cex.parties import Party
    from defiliq.types import Side

_TICKS = 5
_NAME, _STRIP_NAME = 32, 48
"""Letters of a name that a phone has room for; a pointer is told all."""
_DASHES = ("dash", "dashdot", "longdash", "longdashdot")
_MARKS = {"consensus": "circle", "partial": "circle-open-dot", "alone": "circle-open", "": "x"}


def comparison_figure(comparison: Comparison) -> Figure:
    """What is liquidated on the way from spot: exact as a line, estimates as bands around dashed ones."""
    if not full_density(comparison) > 0:
        return empty_figure(NOTHING)
    (left, right), at = ends_of(comparison), Spot(comparison.axis.driver, comparison.axis.spot_usd)
    bent = is_bent(comparison)
    sides: tuple[Side, Side] = ("long", "short")
    lines = [_line(comparison, party, side, bent=bent) for party in comparison.parties for side in sides]
    most = max(party.points.of(side).band()[2] for party in comparison.parties for side in sides)
    upright = bent_axis(lines, most, "USD") if bent else money_axis("liquidated on the way", "USD", most)
    floor = 10 ** upright["range"][0] if bent else 0.0
    bands = [
        _area(comparison, party, side, floor)
        for party in comparison.parties
        for side in sides
        if party.kind == "venue" and party.points.of(side).dollars.any()
    ]
    layout = {
        "height": 520,
        "hovermode": "closest",
        "hoverdistance": 40,
        "showlegend": True,
        "legend": LEGEND,
        "margin": MARGIN,
        "xaxis": price_axis(left, right, at.driver, _TICKS)
        | {"title": {"text": named(axis_words(comparison))}},
        "yaxis": upright,
        "shapes": [spot_line(at, "x")],
        "annotations": [
            spot_name(at, "x") | {"xanchor": "left" if at.spot_usd**2 < left * right else "right"}
        ],
    }
    return {"data": [*bands, *lines], "layout": layout}


def _line(comparison: Comparison, party: Party, side: Side, *, bent: bool) -> dict[str, Any]:
    """A party's side at the middle of its band, with words for every point."""
    curve = curve_of(comparison, party, side)
    colour, _ = style_of(comparison, party)
    points = zip(curve.price_usd, curve.low_usd, curve.mid_usd, curve.high_usd, strict=True)
    spot = comparison.axis.spot_usd
    said = [
        f"{party_words(party)}: {side}s {band_words((low, mid, high))} by "
        f"{price_shown(price, comparison.axis.driver)}, {distance_shown(100 * (price / spot - 1))}"
        for price, low, mid, high in points
    ]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": named(cut_label(party_words(party), _NAME)),
        "legendgroup": party.name,
        "showlegend": side == "long",
        "x": curve.price_usd,
        "y": [value if value > 0 or not bent else None for value in curve.mid_usd],
        "line": {
            "color": colour,
            "width": 3 if party.kind == "chain" else 2,
            "dash": _dash(comparison, party),
        },
        "text": [named(text) for text in said],
        "hoverinfo": "text",
    }


def _dash(comparison: Comparison, party: Party) -> str:
    if party.kind == "chain":
        return "solid"
    if party.kind == "sum":
        return "dot"
    return _DASHES[[venue.name for venue in comparison.venues].index(party.name) % len(_DASHES)]


def _area(comparison: Comparison, party: Party, side: Side, floor: float) -> dict[str, Any]:
    """Between the least and the most of a venue's priors."""
    curve = curve_of(comparison, party, side)
    colour, _ = style_of(comparison, party)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": named(f"{party_words(party)}, band"),
        "legendgroup": party.name,
        "showlegend": False,
        "x": [*curve.price_usd, *reversed(curve.price_usd)],
        "y": [max(value, floor) for value in (*curve.high_usd, *reversed(curve.low_usd))],
        "fill": "toself",
        "fillcolor": f"{colour}2b",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def strips_figure(comparison: Comparison) -> Figure:
    """What each holds at which price, black to yellow on one scale, with its largest clusters marked."""
    full = full_density(comparison)
    if not full > 0:
        return empty_figure(NOTHING)
    parties = shown_parties(comparison)
    (left, right), at = ends_of(comparison), Spot(comparison.axis.driver, comparison.axis.spot_usd)
    traces = [_strip(comparison, party, place, full) for place, party in enumerate(parties)]
    traces[0] |= {"showscale": True, "colorbar": scale_bar(full, "USD", -70 / (60 * len(parties)))}
    traces += [_marks(comparison, party, place) for place, party in enumerate(parties)]
    names = [
        {
            "text": named(cut_label(party_words(party), _STRIP_NAME)),
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "y": place,
            "yref": "y",
            "yanchor": "bottom",
            "showarrow": False,
        }
        for place, party in enumerate(parties)
    ]
    layout = {
        "height": 180 + 60 * len(parties),
        "hovermode": "closest",
        "showlegend": False,
        "margin": MARGIN | {"t": 16},
        "xaxis": price_axis(left, right, at.driver, _TICKS)
        | {"title": {"text": named(axis_words(comparison))}, "showgrid": False},
        "yaxis": {"range": [len(parties) - 0.42, -0.42], "visible": False},
        "shapes": [spot_line(at, "x")],
        "annotations": names,
    }
    return {"data": traces, "layout": layout}


def _strip(comparison: Comparison, party: Party, place: int, full: float) -> dict[str, Any]:
    left, right = ends_of(comparison)
    edges = [left, *comparison.edges_usd.tolist(), right]
    density = [0.0, *densities(comparison, party).tolist(), 0.0]
    driver = comparison.axis.driver
    said = [
        named(
            f"{party_words(party)}, {price_shown(math.sqrt(low * high), driver)}: "
            f"${compact(value)} per 1% of price"
        )
        for (low, high), value in zip(pairwise(edges), density, strict=True)
    ]
    return {
        "type": "heatmap",
        "name": named(party_words(party)),
        "x": edges,
        "y": [place, place + 0.5],
        "z": [[float(f"{math.sqrt(value):.4g}") for value in density]],
        "zmin": 0,
        "zmax": math.sqrt(full),
        "colorscale": SCALE_STOPS,
        "showscale": False,
        "hovertext": [said],
        "hoverinfo": "text",
    }


def _marks(comparison: Comparison, party: Party, place: int) -> dict[str, Any]:
    levels = [level for level in comparison.levels if level.name == party.name]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": named(f"clusters of {party.name}"),
        "x": [level.cluster.price_usd for level in levels],
        "y": [place + 0.25] * len(levels),
        "marker": {
            "color": SPOT,
            "size": 11,
            "symbol": [_MARKS[level.agreement.label or ""] for level in levels],
            "line": {"width": 2, "color": SPOT},
        },
        "text": [named(_level_words(comparison, level)) for level in levels],
        "hoverinfo": "text",
    }


def _level_words(comparison: Comparison, level: Level) -> str:
    cluster = level.cluster
    price = price_shown(cluster.price_usd, comparison.axis.driver)
    said = f"{level.name} {price} {cluster.type} ${compact(cluster.magnitude_usd)}"
    return f"{said}, {agreement_words(level.agreement)}, {distance_shown(cluster.distance_pct)}"
