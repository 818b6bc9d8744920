"""What stands around every interactive figure: axes, the line of spot, the scale of colours."""

from __future__ import annotations

import math
from html import escape
from typing import Any, Protocol, TypeAlias

from defiliq.view.charts import compact
from defiliq.view.heat_rows import price_shown
from defiliq.view.palette import MIDDLE, price_ticks, scale_ticks
from defiliq.view.terminal import clean

Figure: TypeAlias = dict[str, Any]


class Spotted(Protocol):
    """What has a price axis: a heat, or an estimate's."""

    @property
    def driver(self) -> str:
        """What the price is of."""

    @property
    def spot_usd(self) -> float:
        """Where it is."""


LEGEND = {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "itemsizing": "constant"}
MARGIN = {"l": 12, "r": 12, "t": 44, "b": 56}


def empty_figure(words: str) -> Figure:
    """A figure that says why it shows nothing."""
    note = {"text": words, "x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False}
    hidden = {"visible": False}
    return {
        "data": [],
        "layout": {"height": 160, "annotations": [note], "xaxis": hidden, "yaxis": hidden, "margin": MARGIN},
    }


def named(text: object) -> str:
    """Text from a chain for a figure, where some HTML would be read as such."""
    return escape(clean(text))


def price_axis(low: float, high: float, driver: str, most: int = 9) -> dict[str, Any]:
    """A logarithmic axis with round prices."""
    ticks = price_ticks(low, high, most)
    return {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": ticks,
        "ticktext": [price_shown(tick, driver) for tick in ticks],
        "title": {"text": f"{named(driver)}, logarithmic"},
    }


def money_axis(label: str, base_symbol: str, most: float) -> dict[str, Any]:
    """An axis of money from nothing up, in three digits and a letter."""
    ticks = money_ticks(most)
    return {
        "range": [0, 1.06 * most if most > 0 else 1],
        "tickvals": ticks,
        "ticktext": [compact(tick) for tick in ticks],
        "title": {"text": f"{label} ({named(base_symbol)})"},
        "automargin": True,
    }


def money_ticks(most: float, count: int = 5) -> list[float]:
    """Round amounts from nothing up."""
    return price_ticks(0.0, most, count) if most > 0 else [0.0]


def spot_line(heat: Spotted, axis: str) -> dict[str, Any]:
    """A dashed line across the figure at spot."""
    across, along = ("x", "y") if axis == "y" else ("y", "x")
    line = {"color": MIDDLE, "width": 1.5, "dash": "dash"}
    spot = heat.spot_usd
    return {
        "type": "line",
        "line": line,
        f"{across}ref": "paper",
        f"{across}0": 0,
        f"{across}1": 1,
        f"{along}ref": along,
        f"{along}0": spot,
        f"{along}1": spot,
    }


def spot_name(heat: Spotted, axis: str) -> dict[str, Any]:
    """What stands at the line of spot; on a logarithmic axis an annotation is placed by the logarithm."""
    place = math.log10(heat.spot_usd)
    text = f"spot {price_shown(heat.spot_usd, heat.driver)}"
    if axis == "y":
        where = {"xref": "paper", "x": 0, "xanchor": "left", "yref": "y", "y": place, "yanchor": "bottom"}
    else:
        where = {"yref": "paper", "y": 1, "yanchor": "top", "xref": "x", "x": place, "xanchor": "left"}
    return {"text": text, "showarrow": False, **where}


def scale_bar(most: float, base_symbol: str, below: float) -> dict[str, Any]:
    """The scale of colours, lying under a figure; colours go with the square root."""
    ticks = scale_ticks(most)
    return {
        "orientation": "h",
        "y": below,
        "yanchor": "top",
        "thickness": 12,
        "len": 1,
        "x": 0.5,
        "tickangle": 0,
        "tickvals": [math.sqrt(tick) for tick in ticks],
        "ticktext": [compact(tick) for tick in ticks],
        "title": {"text": f"density: {named(base_symbol)} per 1% of price", "side": "bottom"},
    }
