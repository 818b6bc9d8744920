"""Interactive figures of what a price fall leads to, as plotly takes them: plain data, without a theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from defiliq.model.cascade import frontier
from defiliq.view.cascade_charts import beyond_frontier, drivers_shown, round_names, steps_of, sweep_lines
from defiliq.view.charts import compact
from defiliq.view.figure_frame import LEGEND, MARGIN, Figure, empty_figure, money_axis, money_ticks, named
from defiliq.view.heat_rows import amount_shown, counted, distance_shown
from defiliq.view.palette import BAD_DEBT, DRIVERS, INDUCED, INITIAL, LONG, MIDDLE, SHORT
from defiliq.view.terminal import money_named

if TYPE_CHECKING:
    from defiliq.model.cascade import Cascade
    from defiliq.view.depth_curve import DepthSide

_NAMED_ROUNDS = 5
"""So many rounds are named below a figure: a phone has room for no more."""
PERCENT = {"ticksuffix": "%", "automargin": True, "zeroline": True}


def depth_figure(sides: Sequence[DepthSide], base_symbol: str) -> Figure:
    """What a sale (left) and a purchase (right) of each size do to the price, from spot."""
    traces = []
    for found, colour in zip(sides, (LONG, SHORT), strict=True):
        does, sign = ("selling", -1) if found.side == "long" else ("buying", 1)
        unit = named(money_named(base_symbol))
        said = [
            f"{does} {amount_shown(size)}{unit}: {distance_shown(moved)}"
            for size, moved in zip(found.size_usd, found.moved_pct, strict=True)
        ]
        if found.is_dry:
            said[-1] += ", then it runs dry"
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": does,
                "text": said,
                "hoverinfo": "text",
                "x": [sign * size for size in found.size_usd],
                "y": list(found.moved_pct),
                "line": {"color": colour, "width": 2},
                "marker": {
                    "color": colour,
                    "line": {"width": 0},  # sizes in a list would have white rims
                    "size": [5] * (len(said) - 1) + [10 if found.is_dry else 5],
                    "symbol": ["circle"] * (len(said) - 1) + ["x" if found.is_dry else "circle"],
                },
            }
        )
    return {
        "data": traces,
        "layout": _layout(400)
        | {
            "xaxis": _both_ways(traces, base_symbol),
            "yaxis": PERCENT | {"title": {"text": "the price moves by"}},
        },
    }


def cascade_figure(found: Cascade, base_symbol: str) -> Figure:
    """Market and oracle from round to round, and what was liquidated in each."""
    rounds = found.rounds[found.rounds["cause"] != "already"].astype({"round": "int64"})
    if rounds.empty:
        return empty_figure("nothing breaks")
    once = rounds.drop_duplicates("round")
    numbers = once["round"].tolist()
    names = [name.replace("\n", "<br>") for name in round_names(rounds)]
    traces = [*_price_traces(rounds, found, numbers), *_seized_traces(once, base_symbol)]
    most = max(float(once["seized_usd"].max()), float(once["bad_debt_usd"].max()))
    apart = math.ceil((1 + len(numbers)) / _NAMED_ROUNDS)
    layout = _layout(560) | {
        "barmode": "overlay",
        "yaxis": PERCENT | {"domain": [0.5, 1], "title": {"text": "from spot"}},
        "yaxis2": money_axis("seized", base_symbol, most) | {"domain": [0, 0.42]},
        "xaxis": {
            "anchor": "y2",
            "tickvals": [0, *numbers][::apart],
            "ticktext": ["spot", *names][::apart],
            "range": [-0.6, numbers[-1] + 0.6],
            "tickangle": 0,
            "zeroline": False,
            "automargin": True,
        },
    }
    return {"data": traces, "layout": layout}


def _seized_traces(once: pd.DataFrame, base_symbol: str) -> list[dict[str, Any]]:
    """What each round liquidated, as bars, and the bad debt that it left."""
    traces: list[dict[str, Any]] = []
    is_shock = once["cause"] == "shock"
    unit = named(money_named(base_symbol))
    for kind, name, colour in ((is_shock, "by the shock itself", INITIAL), (~is_shock, "induced", INDUCED)):
        rows = once[kind]
        said = _round_words(rows, "seized_usd", f"{unit} seized")
        traces.append(
            {
                "type": "bar",
                "name": name,
                "x": rows["round"].tolist(),
                "y": rows["seized_usd"].tolist(),
                "yaxis": "y2",
                "marker": {"color": colour},
                "hovertext": said,
                "hoverinfo": "text",
            }
        )
    lost = once[once["bad_debt_usd"] > 0]
    if len(lost):
        said = _round_words(lost, "bad_debt_usd", f"{unit} bad debt")
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "bad debt",
                "yaxis": "y2",
                "x": lost["round"].tolist(),
                "y": lost["bad_debt_usd"].tolist(),
                "marker": {"color": BAD_DEBT, "symbol": "diamond", "size": 9},
                "text": said,
                "hoverinfo": "text",
            }
        )
    return traces


def sweep_figure(table: pd.DataFrame, driver: str, base_symbol: str) -> Figure:
    """What each shock liquidates, and what that liquidates in turn; shaded where the second is larger."""
    if table.empty:
        return empty_figure("no shock was tried")
    rising = table.sort_values("shock_pct", kind="stable")
    traces = _sweep_traces(rising, base_symbol)
    most = max(max(trace["y"]) for trace in traces)
    layout = _layout(420) | {
        "xaxis": PERCENT | {"title": {"text": f"shock of {named(driver)}"}},
        "yaxis": money_axis("liquidated", base_symbol, most),
        "shapes": _frontier_shapes(rising),
    }
    return {"data": traces, "layout": layout}


def _sweep_traces(rising: pd.DataFrame, base_symbol: str) -> list[dict[str, Any]]:
    """One line per kind of dollars and direction: no shock lies between falls and rises."""
    traces: list[dict[str, Any]] = []
    unit = named(money_named(base_symbol))
    for column, name, colour in sweep_lines(rising):
        is_first = True
        for part in (rising[rising["shock_pct"] < 0], rising[rising["shock_pct"] >= 0]):
            if part.empty:
                continue
            pairs = zip(part["shock_pct"], part[column], strict=True)
            said = [f"{distance_shown(shock)}: {amount_shown(value)}{unit} {name}" for shock, value in pairs]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": name,
                    "legendgroup": column,
                    "showlegend": is_first,
                    "x": part["shock_pct"].tolist(),
                    "y": part[column].tolist(),
                    "line": {"color": colour, "width": 2},
                    "text": said,
                    "hoverinfo": "text",
                }
            )
            is_first = False
    return traces


def _frontier_shapes(rising: pd.DataFrame) -> list[dict[str, Any]]:
    """Where more is induced than caused, shaded, with lines at the smallest such shocks."""
    shapes: list[dict[str, Any]] = [
        {
            "type": "rect",
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "x0": low,
            "x1": high,
            "layer": "below",
            "fillcolor": INDUCED,
            "opacity": 0.2,
            "line": {"width": 0},
        }
        for low, high in beyond_frontier(rising)
    ]
    shapes += [
        {
            "type": "line",
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "x0": edge,
            "x1": edge,
            "line": {"color": MIDDLE, "width": 1.5, "dash": "dash"},
        }
        for edge in frontier(rising)
        if edge is not None
    ]
    return shapes


def _layout(height: int) -> dict[str, Any]:
    shared = {"hovermode": "closest", "hoverdistance": 40, "showlegend": True, "legend": LEGEND}
    return {"height": height, "margin": MARGIN, **shared}


def _both_ways(traces: Sequence[dict[str, Any]], base_symbol: str) -> dict[str, Any]:
    """An axis of money that rises both ways from nothing."""
    most = max(abs(value) for trace in traces for value in trace["x"])
    up = money_ticks(most, 3)
    values = [*(-value for value in up[:0:-1]), *up]
    return {
        "tickvals": values,
        "ticktext": [compact(abs(value)) for value in values],
        "zeroline": True,
        "title": {"text": f"traded: sold left, bought right ({named(base_symbol)})"},
    }


def _price_traces(rounds: pd.DataFrame, found: Cascade, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Each driver's market as a line and its oracle as steps, in percent from spot."""
    traces = []
    for name, colour in zip(drivers_shown(rounds), DRIVERS, strict=False):
        for column, what, line in (
            ("market_after_usd", "market", {"color": colour, "width": 2}),
            ("oracle_usd", "oracle", {"color": colour, "width": 1.6, "dash": "dash", "shape": "hvh"}),
        ):
            moved = [0.0, *steps_of(rounds, name, column, found.spot_usd[name])]
            said = [
                f"round {number}: {named(name)} {what} {distance_shown(pct)}"
                for number, pct in zip([0, *numbers], moved, strict=True)
            ]
            mode = "lines+markers" if what == "market" else "lines"
            traces.append(
                {
                    "type": "scatter",
                    "mode": mode,
                    "name": f"{named(name)} {what}",
                    "line": line,
                    "x": [0, *numbers],
                    "y": moved,
                    "text": said,
                    "hoverinfo": "text",
                }
            )
    return traces


def _round_words(rows: pd.DataFrame, column: str, what: str) -> list[str]:
    """Rounds in one line each."""
    return [
        f"round {row['round']}, {row['cause']}: {amount_shown(row[column])}{what}, "
        f"{counted(int(row['accounts']), 'account')}"
        for row in rows.to_dict("records")
    ]
