"""The contagion graph as arcs between clusters, which stand in the order of their prices around spot."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from defiliq.view.chart_frame import Caption, add_axes, framed, say_nothing, spelled
from defiliq.view.charts import compact
from defiliq.view.figure_frame import LEGEND, MARGIN, Figure, empty_figure, named
from defiliq.view.heat_rows import amount_shown, counted, distance_shown, price_shown
from defiliq.view.palette import GREY, INK, LONG, MIDDLE, SHORT
from defiliq.view.terminal import money_named

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

    from defiliq.model.contagion import Place

DOTS = 18
"""At most so many clusters of a driver are drawn: those that push or are pushed most, then the largest."""
ARCS = 60
NOBODY = "no cluster's trades reach another one"
_POINTS = 24
_SPAN = 5
"""An arc over so many clusters is as high as arcs get, unless there is a longer one."""
_WIDEST, _LARGEST = 7.0, 26.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A cluster on its driver's line."""

    place: Place
    across: int
    """How many clusters from spot it is, negative below."""
    height: int
    """The line it stands on."""
    size_usd: float
    accounts: int
    distance_pct: float

    @property
    def colour(self) -> str:
        """Its side's."""
        return LONG if self.place.side == "long" else SHORT

    @property
    def price(self) -> str:
        """Where it stands."""
        return price_shown(self.place.price_usd, self.place.driver)


@dataclass(frozen=True, slots=True)
class Arc:
    """One cluster's push into another."""

    source: Dot
    target: Dot
    volume_usd: float
    is_dry: bool

    def points(self, furthest: int) -> list[tuple[float, float]]:
        """An arc above the line, higher the further it goes; between two drivers' lines a wave."""
        start, end = self.source, self.target
        lift = 0.12
        if start.height == end.height:
            lift = 0.75 * math.sqrt(abs(end.across - start.across) / max(_SPAN, furthest))
        turns = [math.pi * k / _POINTS for k in range(_POINTS + 1)]
        return [
            (
                start.across + (end.across - start.across) * (1 - math.cos(turn)) / 2,
                start.height + (end.height - start.height) * turn / math.pi + lift * math.sin(turn),
            )
            for turn in turns
        ]


@dataclass(frozen=True, slots=True)
class Arcs:
    """What is drawn of a graph, and how much is not."""

    dots: tuple[Dot, ...]
    arcs: tuple[Arc, ...]
    """Those with most dollars last: they lie on top."""
    lines: tuple[tuple[int, str], ...]
    """Height and driver, from the lowest up."""
    left_out: int
    """Arcs that are not drawn, all smaller or between clusters that are not."""

    @property
    def furthest(self) -> int:
        """The longest arc, in clusters."""
        return max((abs(arc.source.across - arc.target.across) for arc in self.arcs), default=1)

    @property
    def top(self) -> float:
        """How far above the highest line the highest arc reaches, with some air."""
        heights = [y for arc in self.arcs for _, y in arc.points(self.furthest)]
        return 0.12 + max(0.0, max(heights, default=0.0) - self.lines[-1][0])


def arcs_of(graph: nx.DiGraph[Place]) -> Arcs:
    """Clusters in the order of their prices, and the arcs with most dollars; the same graph is the same."""
    drivers = sorted({place.driver for place in graph.nodes})
    dots: dict[Place, Dot] = {}
    for k, driver in enumerate(reversed(drivers)):
        places = [place for place in graph.nodes if place.driver == driver]
        dots |= _dots(graph, sorted(places, key=lambda place: _rank(graph, place))[:DOTS], k)
    edges = [
        Arc(dots[source], dots[target], data["volume_usd"], bool(data["runs_dry"]))
        for source, target, data in graph.edges(data=True)
        if source in dots and target in dots
    ]
    edges.sort(key=lambda arc: (-arc.volume_usd, arc.source.place, arc.target.place))
    shown = tuple(edges[:ARCS][::-1])
    left_out = graph.number_of_edges() - len(shown)
    return Arcs(
        tuple(dots[place] for place in sorted(dots)), shown, tuple(enumerate(reversed(drivers))), left_out
    )


def arcs_told(graph: nx.DiGraph[Place]) -> str:
    """What an arc and its width mean, and whether all are drawn."""
    left_out = arcs_of(graph).left_out
    leads = "An arc leads away from spot, from a cluster to one that its trades push the price into."
    rest = f"; {counted(left_out, 'arc')} not drawn" if left_out else ""
    return f"{leads} Wider is more{rest}."


def _rank(graph: nx.DiGraph[Place], place: Place) -> tuple[float, float, Place]:
    """First those with the edge of most dollars, then the largest."""
    edges = [*graph.in_edges(place, data=True), *graph.out_edges(place, data=True)]
    most = max((data["volume_usd"] for _, _, data in edges), default=0.0)
    return -most, -graph.nodes[place]["size_usd"], place


def _dots(graph: nx.DiGraph[Place], places: Iterable[Place], height: int) -> dict[Place, Dot]:
    """Clusters of one driver counted from spot outward on both sides."""
    by_price = sorted(places, key=lambda place: (place.price_usd, place.side))
    below = sum(graph.nodes[place]["distance_pct"] < 0 for place in by_price)
    found = {}
    for k, place in enumerate(by_price):
        data = graph.nodes[place]
        across = k - below if k < below else k - below + 1
        found[place] = Dot(place, across, height, data["size_usd"], data["accounts"], data["distance_pct"])
    return found


def draw_contagion(graph: nx.DiGraph[Place], caption: Caption, base_symbol: str) -> Drawn:
    """Clusters as dots and pushes as arcs; the same graph is the same picture."""
    shown = arcs_of(graph)
    lines = len(shown.lines) - 1 + shown.top if shown.arcs else 0.2
    with framed(caption, (10, 3.1 + 2.2 * lines)) as figure:
        axes = add_axes(figure, (1.2, caption.bottom + 0.6, 0.4, caption.top + 0.2))
        if not shown.arcs:
            say_nothing(axes, NOBODY)
            return figure
        most, largest = max(arc.volume_usd for arc in shown.arcs), max(dot.size_usd for dot in shown.dots)
        axes.axvline(0, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
        for arc in shown.arcs:
            x, y = zip(*arc.points(shown.furthest), strict=True)
            width = max(0.6, _WIDEST * arc.volume_usd / most)
            axes.plot(x, y, color=arc.source.colour, linewidth=width, alpha=0.45, solid_capstyle="butt")
        for height, _ in shown.lines:
            axes.axhline(height, color=GREY, linewidth=0.8, zorder=1)
        for dot in shown.dots:
            size = max(16.0, _LARGEST**2 * dot.size_usd / largest)
            axes.scatter([dot.across], [dot.height], s=size, color=dot.colour, edgecolors="white", zorder=3)
            _name(axes, dot)
        axes.set_yticks([height for height, _ in shown.lines], [spelled(driver) for _, driver in shown.lines])
        axes.set_ylim(-0.6, shown.lines[-1][0] + shown.top)
        axes.set_xlim(
            min(0, *(dot.across for dot in shown.dots)) - 0.7,
            max(0, *(dot.across for dot in shown.dots)) + 0.7,
        )
        axes.set_xticks([0], ["spot"])
        order = f"Clusters in the order of price, evenly spaced; sizes in {spelled(base_symbol)}."
        axes.set_xlabel(f"{order}\n{arcs_told(graph)}", color=INK)
        axes.spines["bottom"].set_visible(False)
    return figure


def _name(axes: Axes, dot: Dot) -> None:
    """Price, size and distance below a dot; neighbours in two rows."""
    text = f"{dot.price}\n{compact(dot.size_usd)}\n{distance_shown(dot.distance_pct)}"
    place = (0, -17 - 40 * (dot.across % 2))
    axes.annotate(
        text,
        (dot.across, dot.height),
        place,
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=9,
        color=INK,
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6} if dot.across % 2 else None,
    )


def contagion_figure(graph: nx.DiGraph[Place], base_symbol: str) -> Figure:
    """The same for plotly."""
    shown = arcs_of(graph)
    if not shown.arcs:
        return empty_figure(NOBODY)
    unit = named(money_named(base_symbol))
    most = max(arc.volume_usd for arc in shown.arcs)
    traces = [_arc_trace(arc, shown.furthest, most, unit) for arc in shown.arcs]
    largest = max(dot.size_usd for dot in shown.dots)
    for side in ("long", "short"):
        part = [dot for dot in shown.dots if dot.place.side == side]
        if part:
            sizes = [max(7.0, _LARGEST * math.sqrt(dot.size_usd / largest)) for dot in part]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": f"{side} clusters",
                    "x": [dot.across for dot in part],
                    "y": [dot.height for dot in part],
                    "marker": {"color": part[0].colour, "size": sizes, "opacity": 1, "line": {"width": 0}},
                    "text": [_dot_words(dot, unit) for dot in part],
                    "hoverinfo": "text",
                }
            )
    line = {"color": MIDDLE, "width": 1.5, "dash": "dash"}
    layout = {
        "height": round(220 + 130 * (len(shown.lines) - 1 + shown.top)),
        "margin": MARGIN,
        "legend": LEGEND,
        "showlegend": True,
        "hovermode": "closest",
        "hoverdistance": 30,
        "xaxis": {"zeroline": False, "showgrid": False} | _price_ticks(shown),
        "yaxis": {
            "tickvals": [height for height, _ in shown.lines],
            "ticktext": [named(driver) for _, driver in shown.lines],
            "range": [-0.3, shown.lines[-1][0] + shown.top],
            "automargin": True,
            "zeroline": False,
        },
        "shapes": [{"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": 0, "x1": 0, "line": line}],
    }
    return {"data": traces, "layout": layout}


def _price_ticks(shown: Arcs) -> dict[str, Any]:
    """Prices below the dots of one driver; with several, only spot is the same for all."""
    places = [(0, "spot")]
    if len(shown.lines) == 1:
        places += [(dot.across, dot.price) for dot in shown.dots]
    places.sort()
    values, names = zip(*places, strict=True)
    return {"tickvals": list(values), "ticktext": list(names), "tickangle": -90, "automargin": True}


def _arc_trace(arc: Arc, furthest: int, most: float, unit: str) -> dict[str, Any]:
    dry = ", depth runs dry" if arc.is_dry else ""
    said = f"{arc.source.price} pushes {amount_shown(arc.volume_usd)}{unit} into {arc.target.price}{dry}"
    x, y = zip(*arc.points(furthest), strict=True)
    return {
        "type": "scatter",
        "mode": "lines",
        "showlegend": False,
        "x": list(x),
        "y": list(y),
        "opacity": 0.45,
        "line": {"color": arc.source.colour, "width": max(1.0, _WIDEST * arc.volume_usd / most)},
        "text": [said] * len(x),
        "hoverinfo": "text",
    }


def _dot_words(dot: Dot, unit: str) -> str:
    size, who = f"{amount_shown(dot.size_usd)}{unit}", counted(dot.accounts, "account")
    return f"{dot.price} {dot.place.side} {size}, {who}, {distance_shown(dot.distance_pct)}"
